package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;

/** Rows that one codebook quantizes in a pass, and what that gives. Its memory is reused by later passes. */
final class Assignment implements AutoCloseable {
    private final Scratch<FloatPointer> own;
    private final Scratch<FloatPointer> ownGradient;
    private final Scratch<FloatPointer> ownCodeGradient;
    private final Scratch<FloatPointer> distances;
    private final Scratch<DoublePointer> sampleLosses;
    private final Scratch<DoublePointer> loss;

    /** The rows, and how they lie in memory. */
    FloatPointer z;

    Rows rows;

    /** The code of every row, within its codebook. */
    IntPointer codes;

    Assignment(Kernels kernels) {
        own = Scratch.floats(kernels);
        ownGradient = Scratch.floats(kernels);
        ownCodeGradient = Scratch.floats(kernels);
        distances = Scratch.floats(kernels);
        sampleLosses = Scratch.doubles(kernels);
        loss = Scratch.doubles(kernels);
    }

    void of(FloatPointer z, Rows rows, IntPointer codes) {
        this.z = z;
        this.rows = rows;
        this.codes = codes;
    }

    /** Memory for rows that stand nowhere else. */
    FloatPointer ownRows(Rows layout) {
        return own.atLeast(layout.elements());
    }

    /** Memory for their gradient. */
    FloatPointer ownGradient() {
        return ownGradient.atLeast(rows.elements());
    }

    /** Memory for the gradient of their codes, row by row. */
    FloatPointer ownCodeGradient() {
        return ownCodeGradient.atLeast(rows.elements());
    }

    /** |z_n - e_n|^2 of every row. */
    FloatPointer distances() {
        return distances.atLeast(rows.count());
    }

    DoublePointer sampleLosses(long samples) {
        return sampleLosses.atLeast(samples);
    }

    DoublePointer loss() {
        return loss.atLeast(1);
    }

    @Override
    public void close() {
        own.close();
        ownGradient.close();
        ownCodeGradient.close();
        distances.close();
        sampleLosses.close();
        loss.close();
    }
}
