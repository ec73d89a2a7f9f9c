package io.github.vq4j;

import io.github.vq4j.internal.Batch;
import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import java.util.Objects;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;

/**
 * Lookup-free quantization (LFQ): every feature becomes a bit, its sign. There is no codebook; a loss keeps rows near
 * their codes, sure of them, and spread over all of them. Yu et al., <i>Language Model Beats Diffusion: Tokenizer is
 * Key to Visual Generation</i>, ICLR 2024, arXiv 2310.05737. With {@link Builder#spherical} binary spherical
 * quantization (BSQ): rows are scaled to length 1 first. Zhao, Xiong, Kraehenbuehl, <i>Image and Video Tokenization
 * with Binary Spherical Quantization</i>, arXiv 2406.07548.
 *
 * <p>With tau the inverse temperature and sg the stop-gradient:
 *
 * <pre>
 * u = z, s = 1 (LFQ)     u = z / |z|, s = 1 / sqrt(D) (BSQ)
 * output_d = s where u_d > 0, else -s, with the gradient of u     code = sum over d of 2^d where u_d > 0
 * p_nd = sigmoid(2 tau s u_nd), the bit's probability under softmax(tau u.c) over all 2^D codes c
 * H(p) = -p ln p - (1 - p) ln(1 - p)
 * commitmentLoss = mean((u - sg(output))^2)
 * sampleEntropy  = mean over n of sum over d of H(p_nd), the entropy of the softmax
 * batchEntropy   = sum over d of H(mean over n of p_nd), that of the mean softmax, bits taken as independent
 * loss = commitmentWeight commitmentLoss + entropyWeight (sampleEntropy - diversityGamma batchEntropy)
 * </pre>
 *
 * <p>All of it is computed per bit, never over the 2^D codes. {@link #backward} gives the gradient of task(output) +
 * alpha * loss. Made by {@link #builder}. A call that throws has changed nothing. {@link #encode} and {@link #decode}
 * may run in several threads at once as long as nothing else runs; the rest is not thread-safe.
 */
public final class LookupFreeQuant extends CodebookFreeQuant<LookupFreeQuantized> {
    private final boolean spherical;
    private final double inverseTemperature;
    private final float scale;
    private final double sharpness;
    private final double commitmentWeight;
    private final double entropyWeight;
    private final double diversityGamma;

    private LookupFreeQuant(Builder options, Kernels kernels) {
        super(
                kernels,
                options.featureSize,
                1L << options.featureSize,
                options.dim,
                options.spherical ? Norm.UNIT : Norm.NONE);
        spherical = options.spherical;
        inverseTemperature = options.inverseTemperature;
        scale = options.spherical ? (float) (1 / Math.sqrt(options.featureSize)) : 1;
        sharpness = 2 * options.inverseTemperature * scale;
        commitmentWeight = options.commitmentWeight;
        entropyWeight = options.entropyWeight;
        diversityGamma = options.diversityGamma;
    }

    /**
     * Starts the description of a layer.
     *
     * @param featureSize D, the number of bits of a code, 1 to 31
     */
    public static Builder builder(int featureSize) {
        return new Builder(featureSize);
    }

    /**
     * The gradient of z of task(output) + alpha * loss, for the last {@link #forward}, which is used up by it: every
     * backward needs a forward of its own.
     *
     * @param gradOutput gradient of the task loss with respect to the output, FLOAT32 of its shape; null for zero
     * @param alpha weight of the loss, finite
     * @throws IllegalStateException without a forward
     * @throws NotFiniteException if the gradient has a NaN or an infinity
     */
    public Gradients backward(@Nullable Tensor gradOutput, double alpha) {
        return backpropagate(gradOutput, alpha, null);
    }

    /**
     * As {@link #backward(Tensor, double)}, with the gradient of z written into memory of the caller's.
     *
     * @param gradInput FLOAT32 of the shape of z, not overlapping z; may be gradOutput itself; its contents are
     *     undefined after an error
     */
    public Gradients backward(@Nullable Tensor gradOutput, double alpha, Tensor gradInput) {
        return backpropagate(gradOutput, alpha, Objects.requireNonNull(gradInput, "gradInput"));
    }

    @Override
    public LookupFreeQuant train() {
        super.train();
        return this;
    }

    @Override
    public LookupFreeQuant eval() {
        super.eval();
        return this;
    }

    /** s: 1, or 1 / sqrt(D) where the layer is spherical. */
    public float scale() {
        return scale;
    }

    @Override
    public LookupFreeQuant copy(Backend backend) {
        LookupFreeQuant copy = builder(featureSize())
                .dim(dim)
                .spherical(spherical)
                .inverseTemperature(inverseTemperature)
                .commitmentWeight(commitmentWeight)
                .entropyWeight(entropyWeight)
                .diversityGamma(diversityGamma)
                .backend(backend)
                .build();
        return isTraining() ? copy : copy.eval();
    }

    @Override
    public String toString() {
        return "LookupFreeQuant of " + featureSize() + " bits" + place();
    }

    @Override
    void assign(CodebookFreePass pass, @Nullable Halves unread, @Nullable FloatPointer output) {
        kernels.codebookFree.signQuantize(unread, pass.normalised, pass.rows, scale, output, pass.codes());
    }

    @Override
    void look(IntPointer codes, Rows rows, FloatPointer output) {
        kernels.codebookFree.signDecode(codes, rows, scale, output);
    }

    @Override
    LookupFreeQuantized result(CodebookFreePass pass, Batch batch, Tensor output, Tensor codes, CodeUsage usage) {
        LookupFreeQuantized.Weights weights =
                new LookupFreeQuantized.Weights(commitmentWeight, entropyWeight, diversityGamma);
        if (pass.isEmpty()) {
            return new LookupFreeQuantized(output, codes, weights, null, usage);
        }
        DoublePointer losses = pass.losses.atLeast(3);
        kernels.codebookFree.signLosses(
                pass.normalised, pass.rows, scale, sharpness, losses, pass.meanLogits.atLeast(featureSize()));
        return new LookupFreeQuantized(output, codes, weights, batch.fetch(losses, 3), usage);
    }

    @Override
    void differentiate(
            CodebookFreePass pass, @Nullable FloatPointer gradient, double alpha, FloatPointer normalisedGradient) {
        kernels.codebookFree.signGradient(
                pass.normalised,
                gradient,
                pass.rows,
                scale,
                sharpness,
                2 * alpha * commitmentWeight / pass.rows.elements(),
                alpha * entropyWeight / pass.rows.count(),
                diversityGamma,
                pass.meanLogits.atLeast(featureSize()),
                normalisedGradient);
    }

    /** Options of {@link LookupFreeQuant}. */
    public static final class Builder {
        /** The most bits that an int32 code has. */
        private static final int MOST_BITS = 31;

        private static final double LARGEST_INVERSE_TEMPERATURE = 1e30;

        private final int featureSize;
        private int dim = 1;
        private boolean spherical;
        private double inverseTemperature = 100;
        private double commitmentWeight = 0.25;
        private double entropyWeight = 0.1;
        private double diversityGamma = 1;
        private @Nullable Backend backend;

        private Builder(int featureSize) {
            if (featureSize < 1 || featureSize > MOST_BITS) {
                throw new IllegalArgumentException("need 1 <= featureSize <= " + MOST_BITS + ", got " + featureSize);
            }
            this.featureSize = featureSize;
        }

        /** The axis of the features; negative counts from the end. 1 by default: B x D x H x W images. */
        public Builder dim(int dim) {
            this.dim = dim;
            return this;
        }

        /** Scales rows to length 1 and codes to 1 / sqrt(D): binary spherical quantization. Off by default. */
        public Builder spherical(boolean spherical) {
            this.spherical = spherical;
            return this;
        }

        /** tau, above 0 and at most 1e30. 100 by default. */
        public Builder inverseTemperature(double inverseTemperature) {
            if (!(inverseTemperature > 0 && inverseTemperature <= LARGEST_INVERSE_TEMPERATURE)) {
                throw new IllegalArgumentException("need 0 < inverseTemperature <= " + LARGEST_INVERSE_TEMPERATURE
                        + ", got " + inverseTemperature);
            }
            this.inverseTemperature = inverseTemperature;
            return this;
        }

        /** Weight of the commitment loss. 0.25 by default. */
        public Builder commitmentWeight(double commitmentWeight) {
            this.commitmentWeight = Arguments.notNegative("commitmentWeight", commitmentWeight);
            return this;
        }

        /** Weight of both entropies. 0.1 by default. */
        public Builder entropyWeight(double entropyWeight) {
            this.entropyWeight = Arguments.notNegative("entropyWeight", entropyWeight);
            return this;
        }

        /** Weight of the batch's entropy against the sample's. 1 by default. */
        public Builder diversityGamma(double diversityGamma) {
            this.diversityGamma = Arguments.notNegative("diversityGamma", diversityGamma);
            return this;
        }

        /** Where to compute; {@link Backend#best} by default. */
        public Builder backend(Backend backend) {
            this.backend = Objects.requireNonNull(backend, "backend");
            return this;
        }

        /** The layer described. */
        public LookupFreeQuant build() {
            return new LookupFreeQuant(this, (backend == null ? Backend.best() : backend).kernels());
        }
    }
}
