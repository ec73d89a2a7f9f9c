package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;

/** The memory of one pass of rows through a layer, reused by later passes, and what its backward needs of it. */
final class Pass implements AutoCloseable {
    final Stage input;
    final Stage output;
    final Stage outputGradient;
    final Stage inputGradient;
    final InputNorm.State norm;
    final EffectiveCodebook.State codebook;
    final Scratch<FloatPointer> initialCodebook;
    final Scratch<Pointer> packed;
    final Scratch<IntPointer> codes;
    final Scratch<FloatPointer> distances;
    final Scratch<DoublePointer> sampleLosses;
    final Scratch<DoublePointer> loss;
    final Scratch<LongPointer> counts;
    final Scratch<FloatPointer> normalisedGradient;

    /** z as the caller gave it, and as kernels see it; the normalised rows. */
    Tensor tensor;

    FloatPointer z;
    FloatPointer normalised;
    Rows rows;

    Pass(Kernels kernels) {
        input = new Stage(kernels);
        output = new Stage(kernels);
        outputGradient = new Stage(kernels);
        inputGradient = new Stage(kernels);
        norm = new InputNorm.State(kernels);
        codebook = new EffectiveCodebook.State(kernels);
        initialCodebook = Scratch.floats(kernels);
        packed = Scratch.bytes(kernels);
        codes = Scratch.ints(kernels);
        distances = Scratch.floats(kernels);
        sampleLosses = Scratch.doubles(kernels);
        loss = Scratch.doubles(kernels);
        counts = Scratch.longs(kernels);
        normalisedGradient = Scratch.floats(kernels);
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
        norm.close();
        codebook.close();
        initialCodebook.close();
        packed.close();
        codes.close();
        distances.close();
        sampleLosses.close();
        loss.close();
        counts.close();
        normalisedGradient.close();
    }
}
