package io.github.vq4j;

import io.github.vq4j.internal.CpuKernels;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Pooling;
import java.util.Arrays;
import java.util.Objects;
import org.bytedeco.javacpp.FloatPointer;
import org.jspecify.annotations.Nullable;

/**
 * Pooling of the vectors of a B x C x H x W tensor by their lengths, which keeps pooled vectors whole: the C channels of a
 * pixel are one vector x_i, and all channels of a window of kernel x kernel pixels get the same weights.
 *
 * <pre>
 * max:      out = x_i of the largest |x_i|, the first of equally long ones; never one of the padding
 * softmax:  out = sum w_i x_i,  w_i = exp(|x_i|) / sum_j exp(|x_j|), where padding counts as zero vectors
 * output height = (H + 2 padding - dilation (kernel - 1) - 1) / stride + 1, rounded down; width likewise
 * </pre>
 *
 * <p>The weights are constants for the gradient. The same input gives the same bits on every backend. Immutable and
 * thread-safe.
 */
public final class NormWeightedPooling {
    private final Kernels kernels;
    private final Pooling pooling;
    private final int kind;

    private NormWeightedPooling(Builder options, Kernels kernels) {
        this.kernels = kernels;
        kind = options.kind;
        pooling = new Pooling(
                options.kernel,
                options.stride == 0 ? options.kernel : options.stride,
                options.padding,
                options.dilation);
    }

    /**
     * Starts the description of a pooling that picks the longest vector.
     *
     * @param kernel side of the window in pixels, at least 1
     */
    public static Builder max(int kernel) {
        return new Builder(CpuKernels.VQ4J_POOL_MAX, kernel);
    }

    /**
     * Starts the description of a pooling that averages, weighted by the softmax of the lengths.
     *
     * @param kernel side of the window in pixels, at least 1
     */
    public static Builder softmax(int kernel) {
        return new Builder(CpuKernels.VQ4J_POOL_SOFTMAX, kernel);
    }

    /**
     * Pools.
     *
     * @param x FLOAT32, B x C x H x W, not empty, padded at least as large as the window
     * @return B x C x output height x output width, where x lies
     * @throws NotFiniteException if x has a NaN or an infinity; the row is the pixel, counted over B, H and W
     */
    public Tensor forward(Tensor x) {
        long[] outputShape = outputShape(x);
        return computed(
                x, outputShape, (values, out) -> kernels.pooling.normPooling(values, x.shape(), pooling, kind, out));
    }

    /**
     * Gradient of the input.
     *
     * @param x the input of {@link #forward}
     * @param gradOutput FLOAT32 of the output's shape
     * @return gradient of x, of its shape, where x lies
     * @throws NotFiniteException if x or the gradient has a NaN or an infinity
     */
    public Tensor backward(Tensor x, Tensor gradOutput) {
        long[] outputShape = outputShape(x);
        gradOutput.checkUsable("gradOutput", DataType.FLOAT32, kernels);
        if (!gradOutput.hasShape(outputShape)) {
            throw new IllegalArgumentException(
                    "need a gradOutput of the output's shape " + Arrays.toString(outputShape) + ", got " + gradOutput);
        }
        try (NativeFloats gradient = new NativeFloats(kernels)) {
            FloatPointer grad = gradient.read(gradOutput);
            return computed(
                    x,
                    x.shape(),
                    (values, out) -> kernels.pooling.normPoolingGradient(values, grad, x.shape(), pooling, kind, out));
        }
    }

    private interface Computation {
        void run(FloatPointer x, FloatPointer out);
    }

    private Tensor computed(Tensor x, long[] shape, Computation computation) {
        Tensor result = Tensor.allocate(x.device() == Device.CUDA ? kernels : Kernels.cpu(), DataType.FLOAT32, shape);
        try (NativeFloats input = new NativeFloats(kernels);
                NativeFloats output = new NativeFloats(kernels)) {
            computation.run(input.read(x), output.room(result));
            output.deliver(result);
            return result;
        } catch (RuntimeException | Error failure) {
            result.close();
            throw failure;
        }
    }

    private long[] outputShape(Tensor x) {
        x.checkUsable("x", DataType.FLOAT32, kernels);
        if (x.rank() != 4 || x.size() == 0) {
            throw new IllegalArgumentException("need x of B x C x H x W, not empty, got " + x);
        }
        long window = pooling.window();
        if (Math.min(x.size(2), x.size(3)) + 2L * pooling.padding() < window) {
            throw new IllegalArgumentException("need height and width of at least " + (window - 2L * pooling.padding())
                    + " for a window of " + window + " pixels and padding " + pooling.padding() + ", got shape "
                    + Arrays.toString(x.shape()));
        }
        return new long[] {x.size(0), x.size(1), pooling.outputs(x.size(2)), pooling.outputs(x.size(3))};
    }

    /** Options of {@link NormWeightedPooling}. */
    public static final class Builder {
        private final int kind;
        private final int kernel;
        private int stride;
        private int padding;
        private int dilation = 1;
        private @Nullable Backend backend;

        private Builder(int kind, int kernel) {
            this.kind = kind;
            this.kernel = Arguments.atLeastOne("kernel", kernel);
        }

        /** Pixels from window to window; the kernel by default. */
        public Builder stride(int stride) {
            this.stride = Arguments.atLeastOne("stride", stride);
            return this;
        }

        /** Pixels added on all sides, at most half of the window; 0 by default. */
        public Builder padding(int padding) {
            this.padding = Arguments.notNegative("padding", padding);
            return this;
        }

        /** Pixels from one pixel of a window to the next; 1 by default. */
        public Builder dilation(int dilation) {
            this.dilation = Arguments.atLeastOne("dilation", dilation);
            return this;
        }

        /** Where to compute; {@link Backend#best} by default. */
        public Builder backend(Backend backend) {
            this.backend = Objects.requireNonNull(backend, "backend");
            return this;
        }

        /**
         * The pooling described.
         *
         * @throws IllegalArgumentException if the padding is more than half of the window, dilation * (kernel - 1) + 1
         */
        public NormWeightedPooling build() {
            return new NormWeightedPooling(this, (backend == null ? Backend.best() : backend).kernels());
        }
    }
}
