package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;

/** The memory of one pass through a quantizer without a codebook, reused later, and what its backward needs. */
final class CodebookFreePass implements AutoCloseable {
    final NativeFloats input;
    final NativeFloats output;
    final NativeFloats outputGradient;
    final NativeFloats inputGradient;
    final MaskedRows mask;
    final InputNorm.State norm;
    final Scratch<FloatPointer> normalisedGradient;
    final Scratch<DoublePointer> losses;
    final Scratch<DoublePointer> meanLogits;
    final Scratch<DoublePointer> codeEntropy;
    final Scratch<LongPointer> usedCodes;
    private final Scratch<IntPointer> codes;

    /** z as the caller gave it, and as kernels see it. */
    Tensor tensor;

    FloatPointer wholeZ;
    boolean isMasked;

    /** The rows that take part, as they are and normalised. */
    FloatPointer z;

    FloatPointer normalised;
    Rows rows;

    CodebookFreePass(Kernels kernels) {
        input = new NativeFloats(kernels);
        output = new NativeFloats(kernels);
        outputGradient = new NativeFloats(kernels);
        inputGradient = new NativeFloats(kernels);
        mask = new MaskedRows(kernels);
        norm = new InputNorm.State(kernels);
        normalisedGradient = Scratch.floats(kernels);
        losses = Scratch.doubles(kernels);
        meanLogits = Scratch.doubles(kernels);
        codeEntropy = Scratch.doubles(kernels);
        usedCodes = Scratch.longs(kernels);
        codes = Scratch.ints(kernels);
    }

    /** Whether no row takes part. */
    boolean isEmpty() {
        return rows.count() == 0;
    }

    /** The code of every row. */
    IntPointer codes() {
        return codes.atLeast(rows.count());
    }

    @Override
    public void close() {
        input.close();
        output.close();
        outputGradient.close();
        inputGradient.close();
        mask.close();
        norm.close();
        normalisedGradient.close();
        losses.close();
        meanLogits.close();
        codeEntropy.close();
        usedCodes.close();
        codes.close();
    }
}
