package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.DoubleConsumer;
import java.util.function.DoubleSupplier;
import java.util.function.DoubleUnaryOperator;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;

/**
 * Reads the state that it is shown from named tensors. Nothing is restored before {@link #restore}, when all of it has been
 * read and found to fit.
 */
final class StateRestorer implements StateVisitor {
    private final StateSource source;
    private final Set<String> left;
    private final List<Runnable> changes = new ArrayList<>();

    StateRestorer(StateSource source) {
        this.source = source;
        left = new TreeSet<>(source.names());
    }

    @Override
    public void floats(String name, Kernels kernels, FloatPointer values, long... shape) {
        float[] read = read(name, "F32", shape, () -> source.floats(name));
        Arguments.allFinite(name, read);
        changes.add(() -> kernels.write(read, values));
    }

    @Override
    public void unboundedFloats(String name, Kernels kernels, FloatPointer values, long... shape) {
        float[] read = read(name, "F32", shape, () -> source.floats(name));
        changes.add(() -> kernels.write(read, values));
    }

    @Override
    public void ints(String name, Kernels kernels, IntPointer values, int least, int most, long... shape) {
        int[] read = read(name, "I32", shape, () -> source.ints(name));
        for (int value : read) {
            checkRange(name, value, least, most);
        }
        changes.add(() -> kernels.write(read, values));
    }

    @Override
    public void number(String name, long least, long most, LongSupplier value, LongConsumer restore) {
        long read = read(name, "I64", new long[0], () -> source.longs(name)[0]);
        checkRange(name, read, least, most);
        changes.add(() -> restore.accept(read));
    }

    @Override
    public void real(String name, DoubleSupplier value, DoubleUnaryOperator check, DoubleConsumer restore) {
        double read = check.applyAsDouble(read(name, "F64", new long[0], () -> source.doubles(name)[0]));
        changes.add(() -> restore.accept(read));
    }

    /** Leaves tensors whose names begin like this where they are. */
    void ignore(String prefix) {
        left.removeIf(name -> name.startsWith(prefix));
    }

    /** Refuses a source that has more than was shown. */
    void checkAllRead() {
        if (!left.isEmpty()) {
            throw new IllegalArgumentException("need the state of this layer and no more, got "
                    + (left.size() > 5 ? left.size() + " other tensors" : left));
        }
    }

    /** Restores all that was shown. */
    void restore() {
        changes.forEach(Runnable::run);
    }

    private interface Reading<T> {
        T read() throws IOException;
    }

    private <T> T read(String name, String type, long[] shape, Reading<T> reading) {
        try {
            if (!source.has(name) || !source.type(name).equals(type) || !Arrays.equals(source.shape(name), shape)) {
                throw new IllegalArgumentException("need a tensor " + name + " " + type + Arrays.toString(shape)
                        + ", got "
                        + (source.has(name) ? source.type(name) + Arrays.toString(source.shape(name)) : "none"));
            }
            left.remove(name);
            return reading.read();
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    private static void checkRange(String name, long value, long least, long most) {
        if (value < least || value > most) {
            throw new IllegalArgumentException("need " + least + " <= " + name + " <= " + most + ", got " + value);
        }
    }
}
