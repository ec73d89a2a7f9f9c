package io.github.vq4j.benchmarks;

import io.github.vq4j.Tensor;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.global.torch;

/** A row-major matrix of fp32 numbers that all contenders read in place. */
final class Matrix implements AutoCloseable {
    private static final int FLOATS_AT_ONCE = 1 << 24;

    private final long rows;
    private final long columns;
    private final Memory<FloatPointer> memory;

    /** Room for a matrix; what is in it is not defined. */
    Matrix(long rows, long columns) {
        this.rows = rows;
        this.columns = columns;
        memory = Memory.floats(Kernels.cpu(), rows * columns);
    }

    /** Standard normal numbers, the same for the same seed on every machine. */
    static Matrix normal(long seed, long rows, long columns) {
        Matrix matrix = new Matrix(rows, columns);
        Kernels.cpu().tensors.fillNormal(seed, 0, rows * columns, matrix.floats());
        return matrix;
    }

    /** A copy of rows that stand one after another. */
    static Matrix of(float[] values, int columns) {
        Matrix matrix = new Matrix(values.length / columns, columns);
        matrix.put(values);
        return matrix;
    }

    long rows() {
        return rows;
    }

    long columns() {
        return columns;
    }

    FloatPointer floats() {
        return memory.pointer();
    }

    Rows layout() {
        return Rows.matrix(rows, columns);
    }

    /** For layers of vq4j. */
    Tensor tensor() {
        return Tensor.of(floats(), rows, columns);
    }

    /** For libtorch; it must not outlive this matrix. */
    org.bytedeco.pytorch.Tensor torch() {
        return torch.from_blob(floats(), rows, columns);
    }

    /** A row. */
    float[] row(long number) {
        float[] row = new float[Math.toIntExact(columns)];
        // A pointer of its own, because positions are the pointer's state.
        new FloatPointer(floats()).position(number * columns).get(row);
        return row;
    }

    /** Overwrites the beginning. */
    void put(float[] values) {
        new FloatPointer(floats()).position(0).put(values);
    }

    /** Writes the numbers one after another, in the byte order of the machine, for other processes. */
    void write(Path file) throws IOException {
        long size = rows * columns;
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            for (long begin = 0; begin < size; begin += FLOATS_AT_ONCE) {
                // By its address: buffers have no positions beyond 2 GiB.
                FloatPointer part = floats().getPointer(begin).limit(Math.min(size - begin, FLOATS_AT_ONCE));
                var bytes = part.asByteBuffer().order(ByteOrder.nativeOrder());
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
            }
        }
    }

    @Override
    public void close() {
        memory.close();
    }
}
