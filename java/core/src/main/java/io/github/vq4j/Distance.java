package io.github.vq4j;

import io.github.vq4j.internal.CpuKernels;

/** How far a row z is from a code c. */
public enum Distance {
    /** |z - c|^2. */
    SQUARED_EUCLIDEAN(CpuKernels.VQ4J_SQUARED_EUCLIDEAN),
    /** |z - c|; the same nearest codes as {@link #SQUARED_EUCLIDEAN}. */
    EUCLIDEAN(CpuKernels.VQ4J_EUCLIDEAN),
    /**
     * 1 - cos(z, c), between 0 and 2: lengths do not matter. A zero vector is at distance 1 from everything; its nearest
     * codes are those with the lowest numbers.
     */
    COSINE(CpuKernels.VQ4J_COSINE);

    private final int kind;

    Distance(int kind) {
        this.kind = kind;
    }

    /** What native code calls it. */
    int kind() {
        return kind;
    }
}
