package io.github.vq4j;

import io.github.vq4j.internal.Batch;
import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import java.util.Arrays;
import java.util.Objects;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;

/**
 * Finite scalar quantization (FSQ): every feature is bounded and rounded to one of a few levels; the code of a row is
 * the number that its levels make. There is no codebook, nothing to train and no loss. Mentzer, Minnen, Agustsson,
 * Tschannen, <i>Finite Scalar Quantization: VQ-VAE Made Simple</i>, ICLR 2024, arXiv 2309.15505.
 *
 * <p>With L levels of feature d:
 *
 * <pre>
 * h = (L - 1)(1 + 1e-3) / 2     o = 0.5 for even L, 0 for odd     b = tanh(z + artanh(o / h)) h - o
 * digit  = round(b) + floor(L / 2), the nearest even on a tie, kept within [0, L - 1]
 * output = round(b) / floor(L / 2), in [-1, 1]
 * code   = sum over d of digit_d * product of the levels before d
 * dz     = g (1 - tanh^2(z + artanh(o / h))) h / floor(L / 2)     (straight through the rounding)
 * </pre>
 *
 * <p>Made by {@link #builder}. A call that throws has changed nothing. {@link #encode} and {@link #decode} may run in
 * several threads at once as long as nothing else runs; the rest is not thread-safe.
 */
public final class FiniteScalarQuant extends CodebookFreeQuant<FiniteScalarQuantized> {
    private final int[] levels;
    private final Memory<IntPointer> nativeLevels;

    private FiniteScalarQuant(Builder options, Kernels kernels) {
        super(kernels, options.levels.length, options.numCodes, options.dim, Norm.NONE);
        levels = options.levels;
        nativeLevels = Memory.ints(Kernels.cpu(), levels.length);
        nativeLevels.pointer().put(levels);
    }

    /**
     * Starts the description of a layer.
     *
     * @param levels how many levels each of the D features has, at least 2, their product at most 2^31 - 1; the paper
     *     recommends 8, 5, 5, 5 for about 1,000 codes and 7, 5, 5, 5, 5 for about 4,000
     */
    public static Builder builder(int... levels) {
        return new Builder(levels);
    }

    /**
     * The gradient of z for the last {@link #forward}, which is used up by it: every backward needs a forward of its
     * own.
     *
     * @param gradOutput gradient of the task loss with respect to the output, FLOAT32 of its shape
     * @throws IllegalStateException without a forward
     * @throws NotFiniteException if the gradient has a NaN or an infinity
     */
    public Gradients backward(Tensor gradOutput) {
        return backpropagate(Objects.requireNonNull(gradOutput, "gradOutput"), 0, null);
    }

    /**
     * As {@link #backward(Tensor)}, with the gradient of z written into memory of the caller's.
     *
     * @param gradInput FLOAT32 of the shape of z, not overlapping z; may be gradOutput itself; its contents are
     *     undefined after an error
     */
    public Gradients backward(Tensor gradOutput, Tensor gradInput) {
        return backpropagate(
                Objects.requireNonNull(gradOutput, "gradOutput"), 0, Objects.requireNonNull(gradInput, "gradInput"));
    }

    @Override
    public FiniteScalarQuant train() {
        super.train();
        return this;
    }

    @Override
    public FiniteScalarQuant eval() {
        super.eval();
        return this;
    }

    /** How many levels each feature has, in a new array. */
    public int[] levels() {
        return levels.clone();
    }

    @Override
    public FiniteScalarQuant copy(Backend backend) {
        FiniteScalarQuant copy = builder(levels).dim(dim).backend(backend).build();
        return isTraining() ? copy : copy.eval();
    }

    @Override
    public String toString() {
        return "FiniteScalarQuant of levels " + Arrays.toString(levels) + place();
    }

    @Override
    void assign(CodebookFreePass pass, @Nullable Halves unread, @Nullable FloatPointer output) {
        kernels.codebookFree.finiteScalarQuantize(
                unread, pass.normalised, pass.rows, nativeLevels.pointer(), output, pass.codes());
    }

    @Override
    void look(IntPointer codes, Rows rows, FloatPointer output) {
        kernels.codebookFree.finiteScalarDecode(codes, rows, nativeLevels.pointer(), output);
    }

    @Override
    FiniteScalarQuantized result(CodebookFreePass pass, Batch batch, Tensor output, Tensor codes, CodeUsage usage) {
        return new FiniteScalarQuantized(output, codes, usage);
    }

    @Override
    void differentiate(
            CodebookFreePass pass, @Nullable FloatPointer gradient, double alpha, FloatPointer normalisedGradient) {
        kernels.codebookFree.finiteScalarGradient(
                pass.normalised, gradient, pass.rows, nativeLevels.pointer(), normalisedGradient);
    }

    @Override
    public void close() {
        super.close();
        nativeLevels.close();
    }

    /** Options of {@link FiniteScalarQuant}. */
    public static final class Builder {
        private final int[] levels;
        private final long numCodes;
        private int dim = 1;
        private @Nullable Backend backend;

        private Builder(int[] levels) {
            if (levels.length == 0) {
                throw new IllegalArgumentException("need the levels of at least one feature, got none");
            }
            long product = 1;
            for (int level : levels) {
                if (level < 2) {
                    throw new IllegalArgumentException(
                            "need at least 2 levels for every feature, got " + Arrays.toString(levels));
                }
                product *= level;
                if (product > Integer.MAX_VALUE) {
                    throw new IllegalArgumentException("need a product of the levels of at most " + Integer.MAX_VALUE
                            + ", got levels " + Arrays.toString(levels));
                }
            }
            this.levels = levels.clone();
            numCodes = product;
        }

        /** The axis of the features; negative counts from the end. 1 by default: B x D x H x W images. */
        public Builder dim(int dim) {
            this.dim = dim;
            return this;
        }

        /** Where to compute; {@link Backend#best} by default. */
        public Builder backend(Backend backend) {
            this.backend = Objects.requireNonNull(backend, "backend");
            return this;
        }

        /** The layer described. */
        public FiniteScalarQuant build() {
            return new FiniteScalarQuant(this, (backend == null ? Backend.best() : backend).kernels());
        }
    }
}
