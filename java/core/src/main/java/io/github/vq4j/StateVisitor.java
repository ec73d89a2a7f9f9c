package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.DoubleConsumer;
import java.util.function.DoubleSupplier;
import java.util.function.DoubleUnaryOperator;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;

/**
 * Visits what training changes, part by part, each under its name: to save it, or to restore it. Every component shows
 * its parts in one method, which serves both ways.
 */
interface StateVisitor {
    /** Finite numbers in the memory of a backend. */
    void floats(String name, Kernels kernels, FloatPointer values, long... shape);

    /** As {@link #floats}, of numbers that may be infinite, as moving averages of squares that overflow. */
    default void unboundedFloats(String name, Kernels kernels, FloatPointer values, long... shape) {
        floats(name, kernels, values, shape);
    }

    /** Whole numbers in the memory of a backend, each from {@code least} to {@code most}. */
    void ints(String name, Kernels kernels, IntPointer values, int least, int most, long... shape);

    /** A whole number from {@code least} to {@code most}. */
    void number(String name, long least, long most, LongSupplier value, LongConsumer restore);

    /**
     * A number.
     *
     * @param check gives the number back, or throws an IllegalArgumentException if it is out of its range
     */
    void real(String name, DoubleSupplier value, DoubleUnaryOperator check, DoubleConsumer restore);

    /** A yes or no. */
    default void flag(String name, BooleanSupplier value, Consumer<Boolean> restore) {
        number(name, 0, 1, () -> value.getAsBoolean() ? 1 : 0, number -> restore.accept(number == 1));
    }
}
