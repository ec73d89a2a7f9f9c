package io.github.vq4j;

import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.jspecify.annotations.Nullable;

/**
 * The learned projections around a lookup in fewer dimensions (Yu et al., Vector-quantized Image Modeling with Improved
 * VQGAN, 2021, "factorized codes"): z is mapped to L features before it is quantized, and the codes are mapped back,
 *
 * <pre>
 * y = W_in z + b_in          output = W_out e(y) + b_out
 * </pre>
 *
 * The weights start as N(0, 1/D) and N(0, 1/L) numbers, which keep the size of what they map; the biases as zeros.
 */
final class Projection implements AutoCloseable {
    private static final long IN_PURPOSE = 1;
    private static final long OUT_PURPOSE = 2;

    private final Kernels kernels;
    private final long features;
    private final long lookupFeatures;
    private final Parameter inWeight;
    private final Parameter inBias;
    private final Parameter outWeight;
    private final Parameter outBias;

    /** What a pass keeps for its backward; the memory is reused by later passes. */
    static final class State implements AutoCloseable {
        private final Scratch<FloatPointer> input;
        private final Scratch<FloatPointer> output;
        private final Scratch<FloatPointer> outputGradient;
        private final Scratch<FloatPointer> inputGradient;

        State(Kernels kernels) {
            input = Scratch.floats(kernels);
            output = Scratch.floats(kernels);
            outputGradient = Scratch.floats(kernels);
            inputGradient = Scratch.floats(kernels);
        }

        /** Where the codes' vectors e belong, before they are mapped back. */
        FloatPointer output(Rows lookupRows) {
            return output.atLeast(lookupRows.elements());
        }

        /** Where the gradient of y belongs. */
        FloatPointer inputGradient(Rows lookupRows) {
            return inputGradient.atLeast(lookupRows.elements());
        }

        @Override
        public void close() {
            input.close();
            output.close();
            outputGradient.close();
            inputGradient.close();
        }
    }

    Projection(Kernels kernels, int features, int lookupFeatures, long seed) {
        this.kernels = kernels;
        this.features = features;
        this.lookupFeatures = lookupFeatures;
        inWeight = new Parameter(kernels, "projection.in.weight", 0f, lookupFeatures, features);
        inBias = new Parameter(kernels, "projection.in.bias", 0f, lookupFeatures);
        outWeight = new Parameter(kernels, "projection.out.weight", 0f, features, lookupFeatures);
        outBias = new Parameter(kernels, "projection.out.bias", 0f, features);
        draw(inWeight, seed, IN_PURPOSE);
        draw(outWeight, seed, OUT_PURPOSE);
    }

    /** W_in, b_in, W_out, b_out. */
    List<Parameter> parameters() {
        return List.of(inWeight, inBias, outWeight, outBias);
    }

    /** How y lies: as z, with L features. */
    Rows lookupRows(Rows rows) {
        return new Rows(rows.outer(), lookupFeatures, rows.inner());
    }

    /**
     * y.
     *
     * @param unread z in 16 bits, which is left in z; null: z is there
     */
    FloatPointer in(FloatPointer z, @Nullable Halves unread, Rows rows, State state) {
        FloatPointer out = state.input.atLeast(lookupRows(rows).elements());
        kernels.linearMaps.linear(unread, z, rows, inWeight.values(), inBias.values(), lookupFeatures, out);
        return out;
    }

    /** The output, from e in the state. */
    void out(Rows rows, State state, FloatPointer out) {
        Rows lookupRows = lookupRows(rows);
        kernels.linearMaps.linear(
                "code",
                state.output(lookupRows),
                lookupRows,
                outWeight.values(),
                outBias.values(),
                features,
                false,
                out);
    }

    /**
     * The task's gradient of e, and those of W_out and b_out.
     *
     * @param gradient of the output; null for zero
     */
    @Nullable
    FloatPointer outGradient(@Nullable FloatPointer gradient, Rows rows, State state) {
        if (gradient == null) {
            outWeight.clearGradient();
            outBias.clearGradient();
            return null;
        }
        Rows lookupRows = lookupRows(rows);
        FloatPointer ofCodes = state.outputGradient.atLeast(lookupRows.elements());
        kernels.linearMaps.linear("gradient", gradient, rows, outWeight.values(), null, lookupFeatures, true, ofCodes);
        kernels.linearMaps.linearGradient(
                state.output(lookupRows),
                gradient,
                lookupRows,
                features,
                outWeight.newGradient(),
                outBias.newGradient());
        return ofCodes;
    }

    /** The gradient of z, and those of W_in and b_in, from that of y in the state. */
    void inGradient(FloatPointer z, Rows rows, State state, FloatPointer out) {
        Rows lookupRows = lookupRows(rows);
        FloatPointer gradient = state.inputGradient(lookupRows);
        kernels.linearMaps.linearGradient(
                z, gradient, rows, lookupFeatures, inWeight.newGradient(), inBias.newGradient());
        kernels.linearMaps.linear("gradient", gradient, lookupRows, inWeight.values(), null, features, true, out);
    }

    /** Takes over the parameters of a projection of the same sizes. */
    void copyFrom(Projection other) {
        for (int i = 0; i < parameters().size(); i++) {
            Parameter parameter = parameters().get(i);
            kernels.copy(
                    parameter.values(),
                    other.parameters().get(i).values(),
                    parameter.value().size() * Float.BYTES);
        }
    }

    void visitState(StateVisitor state) {
        parameters().forEach(parameter -> parameter.visitState(state));
    }

    @Override
    public void close() {
        parameters().forEach(Parameter::close);
    }

    private void draw(Parameter weight, long seed, long purpose) {
        FloatPointer values = weight.values();
        long size = weight.value().size();
        kernels.tensors.fillNormal(seed, purpose, size, values);
        float deviation = (float) (1 / Math.sqrt(weight.value().size(1)));
        kernels.tensors.weightedSum(deviation, values, 0f, values, size, values);
    }
}
