package io.github.vq4j.benchmarks.jmh;

import io.github.vq4j.internal.SteppedTensors;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** Steps of optimisers on a codebook. */
public class OptimizerBenchmark extends OperationData {
    private static final double LEARNING_RATE = 1e-6;

    private FloatPointer first;
    private SteppedTensors ofSgd;
    private SteppedTensors ofAdam;

    @Override
    protected void prepareMore() {
        long count = (long) codes * features;
        FloatPointer codebookGradient = normal(14, count);
        first = floats(count);
        LongPointer steps = longs(2);
        kernels.clear(steps, 2 * Long.BYTES);
        ofSgd = new SteppedTensors(1, 3);
        ofSgd.add(count, steps, List.of(codebook, codebookGradient, first));
        ofAdam = new SteppedTensors(1, 4);
        ofAdam.add(count, steps, List.of(codebook, codebookGradient, first, floats(count)));
    }

    /** With momentum. */
    @Benchmark
    public void sgdStep() {
        kernels.optimizers.sgdStep(ofSgd, List.of(), LEARNING_RATE, 0.9, 0);
    }

    /** AdamW. */
    @Benchmark
    public void adamStep() {
        kernels.optimizers.adamStep(ofAdam, List.of(), LEARNING_RATE, 0.9, 0.999, 1e-8, 0.01, true);
    }

    /** State of every 64th code. */
    @Benchmark
    public void clearRows() {
        kernels.optimizers.clearRows(first, codes, features, mask);
    }
}
