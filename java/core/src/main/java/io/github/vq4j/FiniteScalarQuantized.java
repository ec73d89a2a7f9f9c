package io.github.vq4j;

/**
 * What {@link FiniteScalarQuant#forward} gives. On a CUDA device the numbers wait for it when they are asked for, as those of
 * {@link Quantized} do.
 */
public final class FiniteScalarQuantized implements AutoCloseable {
    private final Tensor output;
    private final Tensor codes;
    private final CodeUsage usage;

    FiniteScalarQuantized(Tensor output, Tensor codes, CodeUsage usage) {
        this.output = output;
        this.codes = codes;
        this.usage = usage;
    }

    /** Shape of z: the level of every feature, in [-1, 1]. */
    public Tensor output() {
        return output;
    }

    /** INT32, shape of z without the feature axis. */
    public Tensor codes() {
        return codes;
    }

    /**
     * exp(-sum p ln p) of the batch's code histogram, between 1 and numCodes.
     *
     * @throws NotFiniteException if z had a NaN or an infinity
     */
    public double perplexity() {
        return usage.perplexity();
    }

    /** Codes that the batch uses. */
    public long activeCodes() {
        return usage.activeCodes();
    }

    /** Gives the memory of the two tensors back, but for an output that the caller brought. */
    @Override
    public void close() {
        output.close();
        codes.close();
    }
}
