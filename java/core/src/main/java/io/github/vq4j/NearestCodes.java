package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import java.util.Arrays;
import java.util.Objects;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * The k nearest codes of rows, and their distances. With C the codebook, K x D:
 *
 * <pre>
 * codes_n = the k codes c of least distance(z_n, C_c), nearest first, of equally near ones the lowest first
 * </pre>
 *
 * <p>Codes are compared by the scores of {@link VectorQuant}, so that with k = 1 they are its codes, bit for bit on every
 * backend; with {@link Distance#COSINE} by the product of the row with the codes scaled to length 1. Distances are computed
 * from the row and the code themselves, and therefore ascend up to rounding.
 *
 * <p>The codebook is copied. Immutable: {@link #find} may run in several threads at once.
 */
public final class NearestCodes implements AutoCloseable {
    private final Kernels kernels;
    private final Distance distance;
    private final int k;
    private final int dim;
    private final long numCodes;
    private final long featureSize;
    private final Memory<FloatPointer> codebook;
    private final Memory<Pointer> packed;
    private volatile boolean closed;

    private NearestCodes(Builder options, Kernels kernels) {
        this.kernels = kernels;
        distance = options.distance;
        k = options.k;
        dim = options.dim;
        options.codebook.checkUsable("codebook", DataType.FLOAT32, kernels);
        numCodes = options.codebook.size(0);
        featureSize = options.codebook.size(1);
        long packedBytes = kernels.assignment.packedCodebookBytes(numCodes, featureSize);
        codebook = Memory.floats(kernels, options.codebook.size());
        packed = Memory.bytes(kernels, packedBytes);
        try {
            options.codebook.copyTo(kernels, codebook.pointer());
            if (distance == Distance.COSINE) {
                kernels.assignment.packDirections(codebook.pointer(), numCodes, featureSize, packed.pointer());
            } else {
                kernels.assignment.packCodebook(codebook.pointer(), numCodes, featureSize, packed.pointer());
            }
        } catch (RuntimeException | Error failure) {
            close();
            throw failure;
        }
    }

    /**
     * Starts the description of a search.
     *
     * @param codebook FLOAT32, K x D, at least one code
     */
    public static Builder builder(Tensor codebook) {
        return new Builder(codebook);
    }

    /**
     * Finds the nearest codes.
     *
     * @param z FLOAT32 with D on axis dim, at least one row
     * @return results where z lies: on the host for a host tensor, on the device for a device tensor
     * @throws NotFiniteException if z has a NaN or an infinity
     */
    public Neighbors find(Tensor z) {
        int axis = checkInput(z);
        Rows rows = Rows.of(z.shape(), axis);
        Kernels place = z.device() == Device.CUDA ? kernels : Kernels.cpu();
        long[] shape = shapeOfCodes(z.shape(), axis);
        Tensor codes = Tensor.allocate(place, DataType.INT32, shape);
        Tensor distances = null;
        try (NativeFloats input = new NativeFloats(kernels);
                NativeFloats output = new NativeFloats(kernels);
                Memory<IntPointer> found = Memory.ints(kernels, codes.size())) {
            distances = Tensor.allocate(place, DataType.FLOAT32, shape);
            FloatPointer values = input.read(z);
            kernels.assignment.assignTopK(values, rows, packed.pointer(), numCodes, k, found.pointer());
            codes.copyFrom(kernels, found.pointer());
            kernels.assignment.codeDistances(
                    values, rows, codebook.pointer(), found.pointer(), k, distance.kind(), output.room(distances));
            output.deliver(distances);
            return new Neighbors(codes, distances);
        } catch (RuntimeException | Error failure) {
            codes.close();
            if (distances != null) {
                distances.close();
            }
            throw failure;
        }
    }

    /** Gives the memory back; a second call does nothing. */
    @Override
    public void close() {
        closed = true;
        codebook.close();
        packed.close();
    }

    private int checkInput(Tensor z) {
        if (closed) {
            throw new IllegalStateException(
                    "this NearestCodes of " + numCodes + " codes x " + featureSize + " features is closed");
        }
        z.checkUsable("z", DataType.FLOAT32, kernels);
        int axis = dim < 0 ? z.rank() + dim : dim;
        if (axis < 0 || axis >= z.rank() || z.size(axis) != featureSize) {
            throw new IllegalArgumentException("need the codebook's " + featureSize + " features on axis " + dim
                    + ", got shape " + Arrays.toString(z.shape()));
        }
        if (z.size() == 0) {
            throw new IllegalArgumentException("need at least one row, got shape " + Arrays.toString(z.shape()));
        }
        return axis;
    }

    /** The shape of the input, the feature axis taken out and k put at the end. */
    private long[] shapeOfCodes(long[] shape, int axis) {
        long[] codes = shape.clone();
        System.arraycopy(shape, axis + 1, codes, axis, shape.length - axis - 1);
        codes[codes.length - 1] = k;
        return codes;
    }

    /** Options of {@link NearestCodes}. */
    public static final class Builder {
        private final Tensor codebook;
        private Distance distance = Distance.SQUARED_EUCLIDEAN;
        private int k = 1;
        private int dim = 1;
        private @Nullable Backend backend;

        private Builder(Tensor codebook) {
            if (codebook.rank() != 2 || codebook.size() == 0) {
                throw new IllegalArgumentException("need a codebook of K x D, at least one code, got " + codebook);
            }
            this.codebook = codebook;
        }

        /** Which codes are near; {@link Distance#SQUARED_EUCLIDEAN} by default. */
        public Builder distance(Distance distance) {
            this.distance = Objects.requireNonNull(distance, "distance");
            return this;
        }

        /** How many codes a row gets, 1 to K; 1 by default. Meant for k much less than K. */
        public Builder k(int k) {
            Arguments.atLeastOne("k", k);
            if (k > codebook.size(0)) {
                throw new IllegalArgumentException(
                        "need k <= " + codebook.size(0) + ", the number of codes, got k = " + k);
            }
            this.k = k;
            return this;
        }

        /** Axis of the features; negative counts from the end; 1 by default. */
        public Builder dim(int dim) {
            this.dim = dim;
            return this;
        }

        /** Where to compute; {@link Backend#best} by default. */
        public Builder backend(Backend backend) {
            this.backend = Objects.requireNonNull(backend, "backend");
            return this;
        }

        /**
         * The search described.
         *
         * @throws NotFiniteException if the codebook has a NaN or an infinity
         */
        public NearestCodes build() {
            return new NearestCodes(this, (backend == null ? Backend.best() : backend).kernels());
        }
    }
}
