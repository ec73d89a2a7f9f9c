package io.github.vq4j;

/**
 * What {@link VectorQuant#forward} gives.
 *
 * <p>On a CUDA device a forward of a device tensor returns before the device has computed it. The tensors can be passed on
 * to what computes on the same stream; the numbers wait for the device when they are asked for, and so does the exception
 * for a NaN or an infinity: see {@link Quantizer#forward(Tensor)}.
 */
public final class Quantized implements AutoCloseable {
    private final Tensor output;
    private final Tensor codes;
    private final Tensor distances;
    private final Figures figures;

    Quantized(Tensor output, Tensor codes, Tensor distances, Figures figures) {
        this.output = output;
        this.codes = codes;
        this.distances = distances;
        this.figures = figures;
    }

    /** Shape of z: the effective code of every row, bit for bit; with a lookupSize, projected back. */
    public Tensor output() {
        return output;
    }

    /** INT32, shape of z without the feature axis; with groups or stages, with their number on it. */
    public Tensor codes() {
        return codes;
    }

    /** FLOAT32, shape of the codes: squared distance of every (projected, normalised) row to its code. */
    public Tensor distances() {
        return distances;
    }

    /**
     * Commitment loss, a mean over all elements.
     *
     * @throws NotFiniteException if z or a codebook had a NaN or an infinity
     */
    public double loss() {
        return figures.loss();
    }

    /**
     * The loss for each item of the leading axis; one value when that axis holds the features.
     *
     * @throws IllegalStateException after {@link #close}
     */
    public double[] sampleLosses() {
        return figures.sampleLosses();
    }

    /**
     * exp(-sum p ln p) of the batch's histogram of codes, between 1 and the codes of a codebook; of several codebooks the
     * mean.
     */
    public double perplexity() {
        return figures.perplexity();
    }

    /** Codes that the batch uses, in all codebooks together. */
    public int activeCodes() {
        return figures.activeCodes();
    }

    /** Codes that this forward has replaced. */
    public int replacedCodes() {
        return figures.replacedCodes();
    }

    /** Gives the memory of the three tensors, but for an output that the caller brought, and of sampleLosses back. */
    @Override
    public void close() {
        output.close();
        codes.close();
        distances.close();
        figures.close();
    }
}
