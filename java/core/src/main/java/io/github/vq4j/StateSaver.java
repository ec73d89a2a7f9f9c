package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import java.util.function.DoubleConsumer;
import java.util.function.DoubleSupplier;
import java.util.function.DoubleUnaryOperator;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;

/** Copies the state that it is shown into a file to be written; refuses what could not be read again. */
final class StateSaver implements StateVisitor {
    private final SafetensorsWriter writer;

    StateSaver(SafetensorsWriter writer) {
        this.writer = writer;
    }

    @Override
    public void floats(String name, Kernels kernels, FloatPointer values, long... shape) {
        float[] copy = copy(kernels, values, shape);
        Arguments.allFinite(name, copy);
        writer.floats(name, copy, shape);
    }

    @Override
    public void unboundedFloats(String name, Kernels kernels, FloatPointer values, long... shape) {
        writer.floats(name, copy(kernels, values, shape), shape);
    }

    private static float[] copy(Kernels kernels, FloatPointer values, long... shape) {
        float[] copy = new float[Arguments.product(shape)];
        kernels.read(values, copy);
        return copy;
    }

    @Override
    public void ints(String name, Kernels kernels, IntPointer values, int least, int most, long... shape) {
        int[] copy = new int[Arguments.product(shape)];
        kernels.read(values, copy);
        writer.ints(name, copy, shape);
    }

    @Override
    public void number(String name, long least, long most, LongSupplier value, LongConsumer restore) {
        writer.longs(name, new long[] {value.getAsLong()});
    }

    @Override
    public void real(String name, DoubleSupplier value, DoubleUnaryOperator check, DoubleConsumer restore) {
        writer.doubles(name, new double[] {value.getAsDouble()});
    }
}
