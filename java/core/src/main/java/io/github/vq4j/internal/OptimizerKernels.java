package io.github.vq4j.internal;

import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;

/** Steps of optimisers: the section "optimiser steps" of {@code vq4j/operations.h}. */
public final class OptimizerKernels extends KernelSection {
    OptimizerKernels(Kernels kernels) {
        super(kernels);
    }

    /**
     * A step of SGD of each of several tensors.
     *
     * @param tensors 3 of each: parameter, gradient, velocity, which is null without momentum
     * @param unless batches before it on the same stream: where one of them fails there is no step
     */
    public void sgdStep(
            SteppedTensors tensors, List<Batch> unless, double learningRate, double momentum, double weightDecay) {
        try (Memory<LongPointer> memory = unfinished(unless)) {
            LongPointer batches = memory.pointer();
            check(
                    onCuda()
                            ? CudaKernels.sgdStep(
                                    stream(),
                                    tensors.parts(),
                                    tensors.counts(),
                                    tensors.steps(),
                                    tensors.count(),
                                    batches,
                                    batches.limit(),
                                    learningRate,
                                    momentum,
                                    weightDecay)
                            : CpuKernels.sgdStep(
                                    tensors.parts(),
                                    tensors.counts(),
                                    tensors.steps(),
                                    tensors.count(),
                                    batches,
                                    batches.limit(),
                                    learningRate,
                                    momentum,
                                    weightDecay));
        }
    }

    /**
     * A step of Adam, or of AdamW where the decay is decoupled, of each of several tensors.
     *
     * @param tensors 4 of each: parameter, gradient, first and second moment
     * @param unless as in {@link #sgdStep}
     */
    public void adamStep(
            SteppedTensors tensors,
            List<Batch> unless,
            double learningRate,
            double beta1,
            double beta2,
            double epsilon,
            double weightDecay,
            boolean decoupled) {
        int apart = decoupled ? 1 : 0;
        try (Memory<LongPointer> memory = unfinished(unless)) {
            LongPointer batches = memory.pointer();
            check(
                    onCuda()
                            ? CudaKernels.adamStep(
                                    stream(),
                                    tensors.parts(),
                                    tensors.counts(),
                                    tensors.steps(),
                                    tensors.count(),
                                    batches,
                                    batches.limit(),
                                    learningRate,
                                    beta1,
                                    beta2,
                                    epsilon,
                                    weightDecay,
                                    apart)
                            : CpuKernels.adamStep(
                                    tensors.parts(),
                                    tensors.counts(),
                                    tensors.steps(),
                                    tensors.count(),
                                    batches,
                                    batches.limit(),
                                    learningRate,
                                    beta1,
                                    beta2,
                                    epsilon,
                                    weightDecay,
                                    apart));
        }
    }

    /** The numbers of batches that are not finished, and of those before them. */
    private static Memory<LongPointer> unfinished(List<Batch> batches) {
        long[] numbers =
                batches.stream().flatMapToLong(Batch::unfinished).distinct().toArray();
        Memory<LongPointer> memory = Memory.longs(Kernels.cpu(), numbers.length);
        memory.pointer().put(numbers, 0, numbers.length);
        return memory;
    }

    /** Sets the marked rows of a K x D tensor to zero. */
    public void clearRows(FloatPointer values, long codes, long features, IntPointer mask) {
        check(
                onCuda()
                        ? CudaKernels.clearRows(stream(), values, codes, features, mask)
                        : CpuKernels.clearRows(values, codes, features, mask));
    }
}
