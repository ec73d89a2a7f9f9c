package io.github.vq4j.internal;

import org.bytedeco.javacpp.FloatPointer;

/** The affine codebook: the section "affine reparameterisation" of {@code vq4j/operations.h}. */
public final class AffineKernels extends KernelSection {
    AffineKernels(Kernels kernels) {
        super(kernels);
    }

    /** scale = 1 + rate * a, shift = rate * o. */
    public void affineLearned(
            FloatPointer a, FloatPointer o, long count, float rate, FloatPointer scale, FloatPointer shift) {
        check(
                onCuda()
                        ? CudaKernels.affineLearned(stream(), a, o, count, rate, scale, shift)
                        : CpuKernels.affineLearned(a, o, count, rate, scale, shift));
    }

    /** scale = sqrt(var_z / (var_c + 1e-8)), shift = mean_z - scale * mean_c. */
    public void affineStatistics(
            FloatPointer meanZ,
            FloatPointer varianceZ,
            FloatPointer meanC,
            FloatPointer varianceC,
            long groups,
            long features,
            FloatPointer scale,
            FloatPointer shift) {
        check(
                onCuda()
                        ? CudaKernels.affineStatistics(
                                stream(), meanZ, varianceZ, meanC, varianceC, groups, features, scale, shift)
                        : CpuKernels.affineStatistics(
                                meanZ, varianceZ, meanC, varianceC, groups, features, scale, shift));
    }

    /** The effective codebook: scale * c + shift, each group of codes with its own. */
    public void affine(
            FloatPointer codebook,
            long codes,
            long features,
            long groups,
            FloatPointer scale,
            FloatPointer shift,
            FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.affine(stream(), codebook, codes, features, groups, scale, shift, out)
                        : CpuKernels.affine(codebook, codes, features, groups, scale, shift, out));
    }

    /** Gradient through {@link #affine}; the gradients of scale and bias may be null. */
    public void affineGradient(
            FloatPointer gradient,
            FloatPointer codebook,
            long codes,
            long features,
            long groups,
            FloatPointer scale,
            float rate,
            FloatPointer out,
            FloatPointer scaleGradient,
            FloatPointer biasGradient) {
        check(
                onCuda()
                        ? CudaKernels.affineGradient(
                                stream(),
                                gradient,
                                codebook,
                                codes,
                                features,
                                groups,
                                scale,
                                rate,
                                out,
                                scaleGradient,
                                biasGradient)
                        : CpuKernels.affineGradient(
                                gradient,
                                codebook,
                                codes,
                                features,
                                groups,
                                scale,
                                rate,
                                out,
                                scaleGradient,
                                biasGradient));
    }
}
