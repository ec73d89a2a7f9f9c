package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.FloatPointer;

/**
 * A codebook that is a frozen basis B, K x D, under a learned linear map W, D x D, whatever K (SimVQ: Zhu et al., Addressing
 * Representation Collapse in Vector Quantized Models with One Linear Layer, 2024):
 *
 * <pre>
 * C = B W'          dW = dC' B
 * </pre>
 *
 * A gradient of any code moves all of them. B is drawn from N(0, 1/D), as in the paper. W starts as the identity: the first
 * codebook is then B itself, and depends on no second draw.
 */
final class LinearCodebook {
    private final Kernels kernels;
    private final Rows rows;
    private final Parameter weight;

    /** The memory of a pass, reused by later ones. */
    static final class State implements AutoCloseable {
        private final Scratch<FloatPointer> codebook;
        private final Scratch<FloatPointer> gradient;

        State(Kernels kernels) {
            codebook = Scratch.floats(kernels);
            gradient = Scratch.floats(kernels);
        }

        @Override
        public void close() {
            codebook.close();
            gradient.close();
        }
    }

    /** @param basis numbers of N(0, 1), which become the basis */
    LinearCodebook(Kernels kernels, String prefix, int codes, int features, FloatPointer basis) {
        this.kernels = kernels;
        rows = Rows.matrix(codes, features);
        weight = new Parameter(kernels, prefix + "linear.weight", 0f, features, features);
        float[] identity = new float[features * features];
        for (int d = 0; d < features; d++) {
            identity[d * features + d] = 1;
        }
        kernels.write(identity, weight.values());
        float deviation = (float) (1 / Math.sqrt(features));
        kernels.tensors.weightedSum(deviation, basis, 0f, basis, rows.elements(), basis);
    }

    /** W, "linear.weight". */
    Parameter weight() {
        return weight;
    }

    /** C. */
    FloatPointer apply(FloatPointer basis, State state) {
        FloatPointer codebook = state.codebook.atLeast(rows.elements());
        kernels.linearMaps.linear("codebook", basis, rows, weight.values(), null, rows.features(), false, codebook);
        return codebook;
    }

    /** Where the gradient of C belongs. */
    FloatPointer gradientRoom(State state) {
        return state.gradient.atLeast(rows.elements());
    }

    /** Gradient of W from that of C in {@link #gradientRoom}. */
    void gradient(FloatPointer basis, State state) {
        kernels.linearMaps.linearGradient(
                basis, gradientRoom(state), rows, rows.features(), weight.newGradient(), null);
    }
}
