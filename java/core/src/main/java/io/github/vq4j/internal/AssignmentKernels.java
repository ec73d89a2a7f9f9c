package io.github.vq4j.internal;

import java.util.Objects;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/** Nearest and drawn codes of rows, and the vectors of codes: the section "assignment" of {@code vq4j/operations.h}. */
public final class AssignmentKernels extends KernelSection {
    AssignmentKernels(Kernels kernels) {
        super(kernels);
    }

    /** Size in bytes of a packed codebook. */
    public long packedCodebookBytes(long codes, long features) {
        long bytes = onCuda()
                ? CudaKernels.packedCodebookBytes(codes, features)
                : CpuKernels.packedCodebookBytes(codes, features);
        if (bytes < 0) {
            throw new IllegalArgumentException(
                    "a codebook of " + codes + " codes x " + features + " features does not fit in 63 bits");
        }
        return bytes;
    }

    /** Prepares a K x D codebook for {@link #assign}. */
    public void packCodebook(FloatPointer codebook, long codes, long features, Pointer packed) {
        check(
                onCuda()
                        ? CudaKernels.packCodebook(stream(), codebook, codes, features, packed)
                        : CpuKernels.packCodebook(codebook, codes, features, packed));
    }

    /** The nearest code of every row. */
    public void assign(FloatPointer z, Rows rows, Pointer packed, long codes, IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.assign(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), packed, codes, out)
                        : CpuKernels.assign(z, rows.outer(), rows.inner(), rows.features(), packed, codes, out));
    }

    /**
     * A code of every row, drawn with probabilities proportional to exp(-|z - c|^2 / temperature).
     *
     * @param step draws of different steps are independent
     */
    public void sampleCodes(
            FloatPointer z,
            Rows rows,
            Pointer packed,
            long codes,
            double temperature,
            long seed,
            long step,
            IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.sampleCodes(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                temperature,
                                seed,
                                step,
                                out)
                        : CpuKernels.sampleCodes(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                temperature,
                                seed,
                                step,
                                out));
    }

    /** As {@link #sampleCodes}, of z in 16 bits, which is left in z; null: z is there. */
    public void sampleCodes(
            @Nullable Halves unread,
            FloatPointer z,
            Rows rows,
            Pointer packed,
            long codes,
            double temperature,
            long seed,
            long step,
            IntPointer out) {
        if (unread == null) {
            sampleCodes(z, rows, packed, codes, temperature, seed, step, out);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.sampleCodesHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                temperature,
                                seed,
                                step,
                                out,
                                z)
                        : CpuKernels.sampleCodesHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                temperature,
                                seed,
                                step,
                                out,
                                z));
    }

    /** Prepares a K x D codebook for assignment by cosine, by {@link #assign} or {@link #assignTopK}. */
    public void packDirections(FloatPointer codebook, long codes, long features, Pointer packed) {
        check(
                onCuda()
                        ? CudaKernels.packDirections(stream(), codebook, codes, features, packed)
                        : CpuKernels.packDirections(codebook, codes, features, packed));
    }

    /** The k nearest codes of every row, nearest first. */
    public void assignTopK(FloatPointer z, Rows rows, Pointer packed, long codes, long k, IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.assignTopK(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), packed, codes, k, out)
                        : CpuKernels.assignTopK(z, rows.outer(), rows.inner(), rows.features(), packed, codes, k, out));
    }

    /** As {@link #assignTopK}, of z in 16 bits, which is left in z; null: z is there. */
    public void assignTopK(
            @Nullable Halves unread, FloatPointer z, Rows rows, Pointer packed, long codes, long k, IntPointer out) {
        if (unread == null) {
            assignTopK(z, rows, packed, codes, k, out);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.assignTopKHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                k,
                                out,
                                z)
                        : CpuKernels.assignTopKHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                k,
                                out,
                                z));
    }

    /** Distance of every row to each of its k codes. */
    public void codeDistances(
            FloatPointer z, Rows rows, FloatPointer codebook, IntPointer codes, long k, int kind, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.codeDistances(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), codebook, codes, k, kind, out)
                        : CpuKernels.codeDistances(
                                z, rows.outer(), rows.inner(), rows.features(), codebook, codes, k, kind, out));
    }

    /**
     * As {@link #assign}, of z in 16 bits, which is left in z; null: z is there.
     *
     * @param z null where z in 16 bits is not read again
     */
    public void assign(
            @Nullable Halves unread, @Nullable FloatPointer z, Rows rows, Pointer packed, long codes, IntPointer out) {
        if (unread == null) {
            assign(Objects.requireNonNull(z, "z"), rows, packed, codes, out);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.assignHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                out,
                                z)
                        : CpuKernels.assignHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                out,
                                z));
    }

    /** How often each code occurs. */
    public void countCodes(IntPointer codes, long rows, long codesCount, LongPointer counts) {
        check(
                onCuda()
                        ? CudaKernels.countCodes(stream(), codes, rows, codesCount, counts)
                        : CpuKernels.countCodes(codes, rows, codesCount, counts));
    }

    /** The codes' vectors, in the layout of {@code rows}. */
    public void lookup(FloatPointer codebook, long codesCount, IntPointer codes, Rows rows, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.lookup(
                                stream(), codebook, codesCount, codes, rows.outer(), rows.inner(), rows.features(), out)
                        : CpuKernels.lookup(
                                codebook, codesCount, codes, rows.outer(), rows.inner(), rows.features(), out));
    }

    /**
     * The rows behind codes of groups of features, whose codebooks stand one below the other; {@code groups} has the codes
     * of a row in the place of features, those of group g from g * codesCount.
     *
     * @param features of a group
     */
    public void lookupGroups(
            FloatPointer codebooks, long codesCount, IntPointer codes, Rows groups, long features, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.lookupGroups(
                                stream(),
                                codebooks,
                                codesCount,
                                codes,
                                groups.outer(),
                                groups.features(),
                                groups.inner(),
                                features,
                                out)
                        : CpuKernels.lookupGroups(
                                codebooks,
                                codesCount,
                                codes,
                                groups.outer(),
                                groups.features(),
                                groups.inner(),
                                features,
                                out));
    }

    /** What the codes leave of the rows: z - e. {@code out} may be {@code z}. */
    public void residual(
            FloatPointer z, Rows rows, FloatPointer codebook, long codesCount, IntPointer codes, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.residual(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codesCount,
                                codes,
                                out)
                        : CpuKernels.residual(
                                z, rows.outer(), rows.inner(), rows.features(), codebook, codesCount, codes, out));
    }

    /** Adds the codes' vectors to a sum; the code -1 adds nothing. */
    public void addLookup(FloatPointer codebook, long codesCount, IntPointer codes, Rows rows, FloatPointer sum) {
        check(
                onCuda()
                        ? CudaKernels.addLookup(
                                stream(), codebook, codesCount, codes, rows.outer(), rows.inner(), rows.features(), sum)
                        : CpuKernels.addLookup(
                                codebook, codesCount, codes, rows.outer(), rows.inner(), rows.features(), sum));
    }
}
