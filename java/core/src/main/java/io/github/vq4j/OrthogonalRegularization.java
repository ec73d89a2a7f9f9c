package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.FloatPointer;

/**
 * Orthogonal regularisation of a codebook (Shin et al., Translation-equivariant Image Quantizer for Bi-directional
 * Image-Text Generation, 2021): with N the codes scaled to length 1,
 *
 * <pre>
 * loss = |N N' - I|^2 / K^2 = (|N' N|^2 - 2 |N|^2 + K) / K^2          dN = 4 (N (N' N) - N) / K^2
 * </pre>
 *
 * so that the D x D Gram matrix N' N takes the place of the K x K one. The gradient of the codes goes through the scaling.
 */
final class OrthogonalRegularization {
    private final Kernels kernels;
    private final double weight;
    private final Rows rows;

    /** Memory of a pass, reused by later ones. */
    static final class State implements AutoCloseable {
        private final Scratch<FloatPointer> directions;
        private final Scratch<FloatPointer> gram;
        private final Scratch<FloatPointer> gradient;

        State(Kernels kernels) {
            directions = Scratch.floats(kernels);
            gram = Scratch.floats(kernels);
            gradient = Scratch.floats(kernels);
        }

        @Override
        public void close() {
            directions.close();
            gram.close();
            gradient.close();
        }
    }

    /** @param weight of the loss in the objective; 0: it has no gradient */
    OrthogonalRegularization(Kernels kernels, double weight, long codes, long features) {
        this.kernels = kernels;
        this.weight = weight;
        rows = Rows.matrix(codes, features);
    }

    /** Adds the gradient of weight * loss to that of a codebook. */
    void addGradient(FloatPointer codebook, FloatPointer gradient, State state) {
        if (weight == 0) {
            return;
        }
        takeGram(codebook, state);
        FloatPointer directions = state.directions.atLeast(rows.elements());
        FloatPointer own = state.gradient.atLeast(rows.elements());
        float coefficient = (float) (4 * weight / rows.count() / rows.count());
        kernels.linearMaps.linear("codebook", directions, rows, gram(state), null, rows.features(), false, own);
        kernels.tensors.weightedSum(coefficient, own, -coefficient, directions, rows.elements(), own);
        kernels.norms.rowNormGradient(codebook, own, rows, true, own);
        kernels.tensors.weightedSum(1f, gradient, 1f, own, rows.elements(), gradient);
    }

    /** The loss of a codebook, without the weight. */
    double loss(FloatPointer codebook, State state) {
        takeGram(codebook, state);
        int features = Math.toIntExact(rows.features());
        float[] gram = new float[Math.multiplyExact(features, features)];
        kernels.read(gram(state), gram);
        double square = 0;
        double trace = 0;
        for (int i = 0; i < gram.length; i++) {
            square += (double) gram[i] * gram[i];
            trace += i % (features + 1) == 0 ? gram[i] : 0;
        }
        double codes = rows.count();
        return Math.max(0, square - 2 * trace + codes) / (codes * codes);
    }

    private void takeGram(FloatPointer codebook, State state) {
        FloatPointer directions = state.directions.atLeast(rows.elements());
        kernels.norms.rowNorm("codebook", codebook, rows, true, directions);
        kernels.linearMaps.linearGradient(directions, directions, rows, rows.features(), gram(state), null);
    }

    private FloatPointer gram(State state) {
        return state.gram.atLeast(rows.features() * rows.features());
    }
}
