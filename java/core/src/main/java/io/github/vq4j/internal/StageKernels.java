package io.github.vq4j.internal;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;

/** Stages of a residual layer: beams, and how many stages a sample keeps: the section "stages of a residual layer" of {@code vq4j/operations.h}. */
public final class StageKernels extends KernelSection {
    StageKernels(Kernels kernels) {
        super(kernels);
    }

    /**
     * How many stages each row uses, drawn by sample.
     *
     * @param order the rows' numbers, {@code count} of them; null for all
     */
    public void drawStages(
            long seed,
            long step,
            LongPointer order,
            long count,
            long rows,
            long samples,
            int least,
            int most,
            IntPointer stages) {
        check(
                onCuda()
                        ? CudaKernels.drawStages(stream(), seed, step, order, count, rows, samples, least, most, stages)
                        : CpuKernels.drawStages(seed, step, order, count, rows, samples, least, most, stages));
    }

    /** One stage of a beam search; sizes as in the C API. */
    public void extendBeams(
            FloatPointer distances,
            IntPointer codes,
            IntPointer paths,
            long rows,
            long beams,
            long candidates,
            long stages,
            long stage,
            long kept,
            LongPointer parents,
            IntPointer newCodes,
            IntPointer newPaths,
            FloatPointer newDistances) {
        check(
                onCuda()
                        ? CudaKernels.extendBeams(
                                stream(),
                                distances,
                                codes,
                                paths,
                                rows,
                                beams,
                                candidates,
                                stages,
                                stage,
                                kept,
                                parents,
                                newCodes,
                                newPaths,
                                newDistances)
                        : CpuKernels.extendBeams(
                                distances,
                                codes,
                                paths,
                                rows,
                                beams,
                                candidates,
                                stages,
                                stage,
                                kept,
                                parents,
                                newCodes,
                                newPaths,
                                newDistances));
    }

    /** Every row's path with the least distance. */
    public void chooseBeams(
            FloatPointer distances, IntPointer paths, long rows, long beams, long stages, IntPointer best) {
        check(
                onCuda()
                        ? CudaKernels.chooseBeams(stream(), distances, paths, rows, beams, stages, best)
                        : CpuKernels.chooseBeams(distances, paths, rows, beams, stages, best));
    }
}
