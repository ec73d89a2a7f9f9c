package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.vq4j.internal.CudaKernels;
import java.util.List;
import java.util.Random;
import org.bytedeco.javacpp.LongPointer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * How many kernels, fills and copies a training step runs on a CUDA device, by the layer's options: for few rows that is its
 * time. docs/kernels.md has the same numbers, and what each of them reads and writes. A number that has to grow needs a
 * reason in its commit.
 */
class DeviceStepsTest {
    private static final int FEATURES = 16;
    private static final int CODES = 40;
    private static final int ROWS = 300;

    @BeforeEach
    void needsCuda() {
        assumeTrue(Backend.whyNoCuda().isEmpty(), () -> Backend.whyNoCuda().orElse(""));
    }

    /** Of one pass each, once layers and graphs are warm. */
    private record Steps(long forward, long backward, long optimizer) {
        static Steps of(QuantizerBuilder<?> options) {
            return of(options, DataType.FLOAT32, ROWS, FEATURES);
        }

        static Steps of(QuantizerBuilder<?> options, DataType type, long... shape) {
            try (Quantizer layer = options.backend(Backend.cuda(0)).seed(3).build();
                    Optimizer optimizer = Optimizer.adam(0.01);
                    Tensor z = numbers(1, type, shape);
                    Tensor gradient = numbers(2, DataType.FLOAT32, shape)) {
                Steps last = new Steps(0, 0, 0);
                for (int step = 0; step < 3; step++) {
                    long start = run();
                    layer.forward(z).close();
                    long forward = run();
                    layer.backward(gradient, 1).close();
                    long backward = run();
                    optimizer.step(layer);
                    last = new Steps(forward - start, backward - forward, run() - backward);
                }
                return last;
            }
        }

        private static long run() {
            try (LongPointer counts = new LongPointer(6)) {
                CudaKernels.batchCounts(counts);
                return counts.get(5);
            }
        }

        private static Tensor numbers(int seed, DataType type, long... shape) {
            Tensor tensor = Tensor.allocate(Backend.cuda(0).kernels(), type, shape);
            Random random = new Random(seed);
            if (type == DataType.FLOAT32) {
                float[] values = new float[(int) tensor.size()];
                for (int i = 0; i < values.length; i++) {
                    values[i] = (float) random.nextGaussian();
                }
                Tensor.of(values, shape).copyTo(Backend.cuda(0).kernels(), tensor.floats());
            } else {
                short[] values = new short[(int) tensor.size()];
                for (int i = 0; i < values.length; i++) {
                    values[i] = (short) (Float.floatToRawIntBits((float) random.nextGaussian()) >>> 16);
                }
                tensor.halves().put(values);
            }
            return tensor;
        }
    }

    private static VectorQuant.Builder layer() {
        return VectorQuant.builder(FEATURES, CODES).dim(-1);
    }

    @Test
    void ofOneCodebook() {
        assertEquals(new Steps(8, 5, 1), Steps.of(layer()));
    }

    /** Blocks share the codes where there are several panels of them for few rows: one more fill. */
    @Test
    void ofManyCodes() {
        assertEquals(
                new Steps(9, 5, 1), Steps.of(VectorQuant.builder(FEATURES, 300).dim(-1)));
    }

    @Test
    void ofCodesThatShareTheTasksGradient() {
        assertEquals(new Steps(8, 5, 1), Steps.of(layer().syncNu(2)));
    }

    @Test
    void ofARotatedGradient() {
        assertEquals(new Steps(8, 7, 1), Steps.of(layer().gradientEstimator(GradientEstimator.ROTATION)));
    }

    @Test
    void ofMorePositionsOfASample() {
        assertEquals(new Steps(8, 6, 1), Steps.of(layer().dim(1), DataType.FLOAT32, 4, FEATURES, 8, 8));
        assertEquals(new Steps(10, 6, 1), Steps.of(layer().dim(1), DataType.FLOAT32, 4, FEATURES, 7, 7));
    }

    /** The kernel that reads them first leaves them in 32 bits. */
    @Test
    void ofNumbersOf16BitsAsMany() {
        List<QuantizerBuilder<?>> layers = List.of(
                layer(),
                layer().statisticsAffine(true),
                layer().norm(Norm.UNIT),
                layer().norm(Norm.BATCH),
                layer().lookupSize(4),
                layer().samplingTemperature(0.5),
                GroupVectorQuant.builder(FEATURES, 4 * CODES, 4).dim(-1),
                GroupVectorQuant.builder(FEATURES, CODES, 4).share(true).dim(-1),
                ResidualVectorQuant.builder(FEATURES, 4 * CODES, 4).dim(-1),
                ResidualVectorQuant.builder(FEATURES, 4 * CODES, 4)
                        .dim(-1)
                        .quantizerDropout(1, false)
                        .beamWidth(2));
        for (QuantizerBuilder<?> options : layers) {
            assertEquals(Steps.of(options), Steps.of(options, DataType.BFLOAT16, ROWS, FEATURES), () -> "" + options);
        }
    }

    @Test
    void ofALearnedAffine() {
        assertEquals(new Steps(10, 8, 1), Steps.of(layer().affineLr(1)));
    }

    @Test
    void ofAStatisticsAffine() {
        assertEquals(new Steps(18, 6, 1), Steps.of(layer().statisticsAffine(true)));
    }

    @Test
    void ofRowsAndCodesOfLengthOne() {
        assertEquals(new Steps(12, 6, 1), Steps.of(layer().norm(Norm.UNIT).codebookNorm(CodebookNorm.UNIT)));
    }

    @Test
    void ofMovingAverages() {
        assertEquals(new Steps(18, 3, 0), Steps.of(layer().ema(0.9)));
    }

    @Test
    void ofReplacedCodes() {
        assertEquals(new Steps(19, 5, 1), Steps.of(layer().replaceFreq(20)));
    }

    @Test
    void ofALinearMap() {
        assertEquals(new Steps(11, 10, 1), Steps.of(layer().linearCodebook(true)));
    }

    @Test
    void ofResidualStages() {
        assertEquals(
                new Steps(39, 17, 1),
                Steps.of(ResidualVectorQuant.builder(FEATURES, 4 * CODES, 4).dim(-1)));
    }

    @Test
    void ofGroups() {
        assertEquals(
                new Steps(48, 22, 1),
                Steps.of(GroupVectorQuant.builder(FEATURES, 4 * CODES, 4).dim(-1)));
    }
}
