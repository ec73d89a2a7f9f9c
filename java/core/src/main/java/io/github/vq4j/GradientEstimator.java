package io.github.vq4j;

import io.github.vq4j.internal.CpuKernels;

/**
 * How the task's gradient g with respect to the output e crosses the lookup, which has no derivative. The output is e, bit
 * for bit, with each of them; the commitment loss has its own gradients beside these. With several codes a row, a residual
 * layer's e is their sum, and a group layer's estimator works on each group's sub-vector by itself, since each is a
 * lookup of its own.
 */
public enum GradientEstimator {
    /**
     * z receives g, the code syncNu * g: the gradients of z + sg(e - z) + nu * e - sg(nu * e).
     */
    STRAIGHT_THROUGH(-1),

    /**
     * The rotation trick (Fifty et al., Restructuring Vector Quantization with the Rotation Trick, 2024): e = r R z, where
     * the rotation R from u = z/|z| to v = e/|e| in the plane of both, and the ratio r = |e|/|z|, are constants. With
     * w = (u + v)/|u + v|, R = I - 2 w w' + 2 v u', so
     *
     * <pre>
     * dz = r R' g = r (g - 2 w (w.g) + 2 u (v.g))
     * </pre>
     *
     * and the angle between dz and z is that between g and e. The code receives syncNu * g. Where |z| or |e| is below
     * 1e-6, or u nearly opposite to v, {@code |u + v| < 0.01}, no rotation is defined well enough: dz = g there.
     */
    ROTATION(CpuKernels.VQ4J_ROTATION),

    /**
     * DiVeQ (Vali et al., Differentiable Vector Quantization, 2025): e = z + |e - z| d, where the direction
     * d = (e - z)/|e - z| is a constant. The derivative of |e - z| with respect to e is d, with respect to z it is -d, so
     *
     * <pre>
     * dz = g + (d.g) (-d) = g - d (d.g)        de = d (d.g)
     * </pre>
     *
     * which sum to g: the task moves the code along d, and the vector across it. Where |e - z| is below 1e-12 there is no
     * direction: dz = g and de = 0. Excludes syncNu > 0, by which the code would receive its part of g a second time,
     * and EMA codebooks, whose codes would not receive it at all.
     */
    DIVEQ(CpuKernels.VQ4J_DIRECTED);

    private final int kind;

    GradientEstimator(int kind) {
        this.kind = kind;
    }

    /** The kernels' number. */
    int kind() {
        return kind;
    }
}
