package io.github.vq4j.benchmarks;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;

/** The objective of k-means, by one measure for all contenders: the mean squared error of an element to the nearest code. */
record Objective(Matrix rows, long codes) {
    /** Of a K x D codebook. */
    double of(float[] codebook) {
        Kernels kernels = Kernels.cpu();
        long features = rows.columns();
        try (Matrix centres = new Matrix(codes, features);
                Memory<Pointer> packed =
                        Memory.bytes(kernels, kernels.assignment.packedCodebookBytes(codes, features));
                Memory<IntPointer> nearest = Memory.ints(kernels, rows.rows());
                Memory<FloatPointer> distances = Memory.floats(kernels, rows.rows());
                Memory<DoublePointer> sampleMean = Memory.doubles(kernels, 1);
                Memory<DoublePointer> mean = Memory.doubles(kernels, 1)) {
            centres.put(codebook);
            kernels.assignment.packCodebook(centres.floats(), codes, features, packed.pointer());
            kernels.assignment.assign(rows.floats(), rows.layout(), packed.pointer(), codes, nearest.pointer());
            kernels.loss.commitmentLoss(
                    rows.floats(),
                    rows.layout(),
                    centres.floats(),
                    nearest.pointer(),
                    1,
                    distances.pointer(),
                    sampleMean.pointer(),
                    mean.pointer(),
                    null,
                    null);
            return mean.pointer().get();
        }
    }
}
