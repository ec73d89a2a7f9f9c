package io.github.vq4j.internal;

import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/** Finite scalar quantization, signs, and how codes are used: the section "quantizers without a codebook" of {@code vq4j/operations.h}. */
public final class CodebookFreeKernels extends KernelSection {
    CodebookFreeKernels(Kernels kernels) {
        super(kernels);
    }

    /**
     * Finite scalar quantization.
     *
     * @param levels one a feature, in host memory
     * @param out may be null
     */
    public void finiteScalarQuantize(FloatPointer z, Rows rows, IntPointer levels, FloatPointer out, IntPointer codes) {
        check(
                onCuda()
                        ? CudaKernels.finiteScalarQuantize(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), levels, out, codes)
                        : CpuKernels.finiteScalarQuantize(
                                z, rows.outer(), rows.inner(), rows.features(), levels, out, codes));
    }

    /** As {@link #finiteScalarQuantize}, of z in 16 bits, which is left in z; null: z is there. */
    public void finiteScalarQuantize(
            @Nullable Halves unread, FloatPointer z, Rows rows, IntPointer levels, FloatPointer out, IntPointer codes) {
        if (unread == null) {
            finiteScalarQuantize(z, rows, levels, out, codes);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.finiteScalarQuantizeHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                levels,
                                out,
                                codes,
                                z)
                        : CpuKernels.finiteScalarQuantizeHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                levels,
                                out,
                                codes,
                                z));
    }

    /** The values of codes of {@link #finiteScalarQuantize}. */
    public void finiteScalarDecode(IntPointer codes, Rows rows, IntPointer levels, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.finiteScalarDecode(
                                stream(), codes, rows.outer(), rows.inner(), rows.features(), levels, out)
                        : CpuKernels.finiteScalarDecode(
                                codes, rows.outer(), rows.inner(), rows.features(), levels, out));
    }

    /** Gradient through {@link #finiteScalarQuantize}, straight through its rounding. */
    public void finiteScalarGradient(
            FloatPointer z, FloatPointer gradient, Rows rows, IntPointer levels, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.finiteScalarGradient(
                                stream(), z, gradient, rows.outer(), rows.inner(), rows.features(), levels, out)
                        : CpuKernels.finiteScalarGradient(
                                z, gradient, rows.outer(), rows.inner(), rows.features(), levels, out));
    }

    /**
     * Sign codes: a bit a feature, of value scale or -scale.
     *
     * @param out may be null
     */
    public void signQuantize(FloatPointer z, Rows rows, float scale, FloatPointer out, IntPointer codes) {
        check(
                onCuda()
                        ? CudaKernels.signQuantize(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), scale, out, codes)
                        : CpuKernels.signQuantize(z, rows.outer(), rows.inner(), rows.features(), scale, out, codes));
    }

    /** As {@link #signQuantize}, of z in 16 bits, which is left in z; null: z is there. */
    public void signQuantize(
            @Nullable Halves unread, FloatPointer z, Rows rows, float scale, FloatPointer out, IntPointer codes) {
        if (unread == null) {
            signQuantize(z, rows, scale, out, codes);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.signQuantizeHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                scale,
                                out,
                                codes,
                                z)
                        : CpuKernels.signQuantizeHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                scale,
                                out,
                                codes,
                                z));
    }

    /** The values of sign codes. */
    public void signDecode(IntPointer codes, Rows rows, float scale, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.signDecode(
                                stream(), codes, rows.outer(), rows.inner(), rows.features(), scale, out)
                        : CpuKernels.signDecode(codes, rows.outer(), rows.inner(), rows.features(), scale, out));
    }

    /**
     * Losses of sign codes.
     *
     * @param losses 3: squared error, entropy of a row's bits, entropy of the mean bits
     * @param meanLogits D, for {@link #signGradient}
     */
    public void signLosses(
            FloatPointer z, Rows rows, float scale, double sharpness, DoublePointer losses, DoublePointer meanLogits) {
        check(
                onCuda()
                        ? CudaKernels.signLosses(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                scale,
                                sharpness,
                                losses,
                                meanLogits)
                        : CpuKernels.signLosses(
                                z, rows.outer(), rows.inner(), rows.features(), scale, sharpness, losses, meanLogits));
    }

    /** Gradient of the input of sign codes, straight-through plus losses. A null gradient counts as zero. */
    public void signGradient(
            FloatPointer z,
            FloatPointer gradient,
            Rows rows,
            float scale,
            double sharpness,
            double commitment,
            double entropy,
            double diversity,
            DoublePointer meanLogits,
            FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.signGradient(
                                stream(),
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                scale,
                                sharpness,
                                commitment,
                                entropy,
                                diversity,
                                meanLogits,
                                out)
                        : CpuKernels.signGradient(
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                scale,
                                sharpness,
                                commitment,
                                entropy,
                                diversity,
                                meanLogits,
                                out));
    }

    /** Entropy of the histogram of codes, and how many codes occur; for any number of codes. */
    public void codeUsage(IntPointer codes, long rows, long codesCount, DoublePointer entropy, LongPointer used) {
        check(
                onCuda()
                        ? CudaKernels.codeUsage(stream(), codes, rows, codesCount, entropy, used)
                        : CpuKernels.codeUsage(codes, rows, codesCount, entropy, used));
    }
}
