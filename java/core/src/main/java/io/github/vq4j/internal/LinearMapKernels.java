package io.github.vq4j.internal;

import org.bytedeco.javacpp.FloatPointer;
import org.jspecify.annotations.Nullable;

/** Linear maps of rows, with their gradients: the section "linear maps" of {@code vq4j/operations.h}. */
public final class LinearMapKernels extends KernelSection {
    LinearMapKernels(Kernels kernels) {
        super(kernels);
    }

    /**
     * A linear map of every row.
     *
     * @param tensor what {@code z} is called in an error
     * @param bias null for none
     * @param transposed whether the weight is that of the transposed map
     */
    public void linear(
            String tensor,
            FloatPointer z,
            Rows rows,
            FloatPointer weight,
            @Nullable FloatPointer bias,
            long outFeatures,
            boolean transposed,
            FloatPointer out) {
        int turned = transposed ? 1 : 0;
        named(
                tensor,
                () -> check(
                        onCuda()
                                ? CudaKernels.linear(
                                        stream(),
                                        z,
                                        rows.outer(),
                                        rows.inner(),
                                        rows.features(),
                                        weight,
                                        bias,
                                        outFeatures,
                                        turned,
                                        out)
                                : CpuKernels.linear(
                                        z,
                                        rows.outer(),
                                        rows.inner(),
                                        rows.features(),
                                        weight,
                                        bias,
                                        outFeatures,
                                        turned,
                                        out)));
    }

    /** As {@link #linear}, of z in 16 bits, which is left in z; null: z is there. */
    public void linear(
            @Nullable Halves unread,
            FloatPointer z,
            Rows rows,
            FloatPointer weight,
            @Nullable FloatPointer bias,
            long outFeatures,
            FloatPointer out) {
        if (unread == null) {
            linear("z", z, rows, weight, bias, outFeatures, false, out);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.linearHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                weight,
                                bias,
                                outFeatures,
                                0,
                                out,
                                z)
                        : CpuKernels.linearHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                weight,
                                bias,
                                outFeatures,
                                0,
                                out,
                                z));
    }

    /** Gradients of the weight and, unless null, the bias of {@link #linear}. */
    public void linearGradient(
            FloatPointer z,
            FloatPointer gradient,
            Rows rows,
            long outFeatures,
            FloatPointer ofWeight,
            @Nullable FloatPointer ofBias) {
        check(
                onCuda()
                        ? CudaKernels.linearGradient(
                                stream(),
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                outFeatures,
                                ofWeight,
                                ofBias)
                        : CpuKernels.linearGradient(
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                outFeatures,
                                ofWeight,
                                ofBias));
    }
}
