package io.github.vq4j.internal;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/** Parts of tensors taken and put back, packed codes, conversions and fills: the section "tensors" of {@code vq4j/operations.h}. */
public final class TensorKernels extends KernelSection {
    TensorKernels(Kernels kernels) {
        super(kernels);
    }

    /** Some features of every row, as rows of their own. */
    public void takeFeatures(FloatPointer z, Rows rows, long first, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.takeFeatures(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), first, count, out)
                        : CpuKernels.takeFeatures(z, rows.outer(), rows.inner(), rows.features(), first, count, out));
    }

    /**
     * As {@link #takeFeatures}, of rows in 16 bits.
     *
     * @param z receives the same features in their places; null: nothing does
     */
    public void takeFeatures(
            Halves halves, @Nullable FloatPointer z, Rows rows, long first, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.takeFeaturesHalf(
                                stream(),
                                halves.values(),
                                halves.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                first,
                                count,
                                out,
                                z)
                        : CpuKernels.takeFeaturesHalf(
                                halves.values(),
                                halves.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                first,
                                count,
                                out,
                                z));
    }

    /** The reverse of {@link #takeFeatures}. */
    public void putFeatures(FloatPointer part, Rows rows, long first, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.putFeatures(
                                stream(), part, rows.outer(), rows.inner(), rows.features(), first, count, out)
                        : CpuKernels.putFeatures(part, rows.outer(), rows.inner(), rows.features(), first, count, out));
    }

    /** One stage's codes, with an offset added, among those of all stages. */
    public void putCodes(IntPointer codes, Rows rows, long stages, long stage, int offset, IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.putCodes(stream(), codes, rows.outer(), rows.inner(), stages, stage, offset, out)
                        : CpuKernels.putCodes(codes, rows.outer(), rows.inner(), stages, stage, offset, out));
    }

    /**
     * The reverse of {@link #putCodes}; the code -1 stays.
     *
     * @param codesCount of the stage, whose range all other codes must be in; 0: all are taken
     */
    public void takeCodes(
            IntPointer codes, Rows rows, long stages, long stage, int offset, long codesCount, IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.takeCodes(
                                stream(), codes, rows.outer(), rows.inner(), stages, stage, offset, codesCount, out)
                        : CpuKernels.takeCodes(
                                codes, rows.outer(), rows.inner(), stages, stage, offset, codesCount, out));
    }

    /** The rows with these numbers, as a row-major matrix. */
    public void takeRows(FloatPointer z, Rows rows, LongPointer order, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.takeRows(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), order, count, out)
                        : CpuKernels.takeRows(z, rows.outer(), rows.inner(), rows.features(), order, count, out));
    }

    /** As {@link #takeRows}, of rows in 16 bits. */
    public void takeRows(Halves halves, Rows rows, LongPointer order, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.takeRowsHalf(
                                stream(),
                                halves.values(),
                                halves.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                order,
                                count,
                                out)
                        : CpuKernels.takeRowsHalf(
                                halves.values(),
                                halves.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                order,
                                count,
                                out));
    }

    /** The reverse of {@link #takeRows}. */
    public void putRows(FloatPointer part, LongPointer order, long count, Rows rows, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.putRows(
                                stream(), part, order, count, rows.outer(), rows.inner(), rows.features(), out)
                        : CpuKernels.putRows(part, order, count, rows.outer(), rows.inner(), rows.features(), out));
    }

    /**
     * Codes as a stream of bits.
     *
     * @param stages the codes' layout, its features being the stages
     */
    public void packCodes(IntPointer codes, Rows stages, long codesCount, IntPointer words, long wordsCount) {
        check(
                onCuda()
                        ? CudaKernels.packCodes(
                                stream(),
                                codes,
                                stages.outer(),
                                stages.features(),
                                stages.inner(),
                                codesCount,
                                words,
                                wordsCount)
                        : CpuKernels.packCodes(
                                codes,
                                stages.outer(),
                                stages.features(),
                                stages.inner(),
                                codesCount,
                                words,
                                wordsCount));
    }

    /** The reverse of {@link #packCodes}. */
    public void unpackCodes(IntPointer words, long wordsCount, Rows stages, long codesCount, IntPointer codes) {
        check(
                onCuda()
                        ? CudaKernels.unpackCodes(
                                stream(),
                                words,
                                wordsCount,
                                stages.outer(),
                                stages.features(),
                                stages.inner(),
                                codesCount,
                                codes)
                        : CpuKernels.unpackCodes(
                                words,
                                wordsCount,
                                stages.outer(),
                                stages.features(),
                                stages.inner(),
                                codesCount,
                                codes));
    }

    /** Numbers of the rows whose value is above a bound, ascending, and how many there are. */
    public void rowsAbove(IntPointer values, long rows, int bound, LongPointer order, LongPointer count) {
        check(
                onCuda()
                        ? CudaKernels.rowsAbove(stream(), values, rows, bound, order, count)
                        : CpuKernels.rowsAbove(values, rows, bound, order, count));
    }

    /** The codes of the rows with these numbers; {@code rows} has the codes of a row in the place of features. */
    public void takeCodesOfRows(IntPointer codes, Rows rows, LongPointer order, long count, IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.takeCodesOfRows(
                                stream(), codes, rows.outer(), rows.inner(), rows.features(), order, count, out)
                        : CpuKernels.takeCodesOfRows(
                                codes, rows.outer(), rows.inner(), rows.features(), order, count, out));
    }

    /** The reverse of {@link #takeCodesOfRows}. */
    public void putCodesOfRows(IntPointer part, LongPointer order, long count, Rows rows, IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.putCodesOfRows(
                                stream(), part, order, count, rows.outer(), rows.inner(), rows.features(), out)
                        : CpuKernels.putCodesOfRows(
                                part, order, count, rows.outer(), rows.inner(), rows.features(), out));
    }

    /** Sets all codes to one. */
    public void fillCodes(int code, long count, IntPointer out) {
        check(onCuda() ? CudaKernels.fillCodes(stream(), code, count, out) : CpuKernels.fillCodes(code, count, out));
    }

    /** out = a x + b y; {@code out} may be either. */
    public void weightedSum(float a, FloatPointer x, float b, FloatPointer y, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.weightedSum(stream(), a, x, b, y, count, out)
                        : CpuKernels.weightedSum(a, x, b, y, count, out));
    }

    /** Fills with standard normal numbers. */
    public void fillNormal(long seed, long purpose, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.fillNormal(stream(), seed, purpose, count, out)
                        : CpuKernels.fillNormal(seed, purpose, count, out));
    }

    /** Numbers in 16 bits as fp32. */
    public void widen(Halves halves, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.widen(stream(), halves.values(), halves.nativeType(), count, out)
                        : CpuKernels.widen(halves.values(), halves.nativeType(), count, out));
    }

    /** fp32 numbers rounded to 16 bits. */
    public void narrow(FloatPointer values, long count, Halves out) {
        check(
                onCuda()
                        ? CudaKernels.narrow(stream(), values, count, out.nativeType(), out.values())
                        : CpuKernels.narrow(values, count, out.nativeType(), out.values()));
    }
}
