package io.github.vq4j;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.function.Supplier;

/** Layers of every kind with many options together, and the training steps that bring all of their state about. */
final class TrainedLayer {
    static final int FEATURES = 32;

    /** Rows: more than a chunk of 256. */
    private static final long[] SHAPE = {3, FEATURES, 89};

    private static final int SIZE = 3 * FEATURES * 89;

    private TrainedLayer() {}

    /** Builders by what they are to show. */
    static Map<String, Supplier<QuantizerBuilder<?>>> builders() {
        Map<String, Supplier<QuantizerBuilder<?>>> all = new LinkedHashMap<>();
        all.put("plain", () -> VectorQuant.builder(FEATURES, 17));
        all.put("k-means and replacement", () -> VectorQuant.builder(FEATURES, 40)
                .kmeansInit(true)
                .replaceFreq(2)
                .seed(-5));
        all.put("learned affine, sync, replacement", () -> VectorQuant.builder(FEATURES, 48)
                .affineLr(2)
                .affineGroups(3)
                .syncNu(2)
                .replaceFreq(1)
                .beta(0.3));
        all.put("statistics affine, batch norm", () -> VectorQuant.builder(FEATURES, 24)
                .statisticsAffine(true)
                .affineGroups(2)
                .norm(Norm.BATCH)
                .replaceFreq(3));
        all.put(
                "group norm, unit codes",
                () -> VectorQuant.builder(FEATURES, 24).norm(Norm.GROUP).codebookNorm(CodebookNorm.UNIT));
        all.put(
                "unit rows, balls, negative dim",
                () -> VectorQuant.builder(FEATURES, 24).dim(-2).norm(Norm.UNIT).codebookNorm(CodebookNorm.MAX_NORM));
        all.put("alternated with SGD", () -> VectorQuant.builder(FEATURES, 24)
                .alternated(Optimizer.sgd(3, 0.9), 2, true)
                .replaceFreq(1));
        all.put("alternated with AdamW under affine", () -> VectorQuant.builder(FEATURES, 24)
                .alternated(Optimizer.adamW(1e-2, 0.1).betas(0.8, 0.9).epsilon(1e-6), 1, false)
                .affineLr(1)
                .kmeansInit(true));
        all.put("moving averages", () -> VectorQuant.builder(FEATURES, 40)
                .ema(0.8)
                .emaExpiry(0.5)
                .replacementPolicy(ReplacementPolicy.FARTHEST_INPUT)
                .norm(Norm.UNIT)
                .codebookNorm(CodebookNorm.UNIT)
                .gradientEstimator(GradientEstimator.ROTATION));
        all.put("moving averages after k-means", () -> VectorQuant.builder(FEATURES, 24)
                .ema(0.9)
                .kmeansInit(true)
                .replaceFreq(1)
                .replacementPolicy(ReplacementPolicy.SPLIT_BUSIEST));
        all.put("groups of moving averages", () -> GroupVectorQuant.builder(FEATURES, 32, 2)
                .ema(0.7)
                .replaceFreq(2)
                .replacementPolicy(ReplacementPolicy.KMEANS_INPUT));
        all.put("groups", () -> GroupVectorQuant.builder(FEATURES, 64, 4)
                .kmeansInit(true)
                .replaceFreq(2)
                .affineLr(1));
        all.put("groups, statistics affine, alternated", () -> GroupVectorQuant.builder(FEATURES, 36, 2)
                .statisticsAffine(true)
                .alternated(Optimizer.sgd(1), 1, false)
                .norm(Norm.INSTANCE));
        all.put("groups that share", () -> GroupVectorQuant.builder(FEATURES, 33, 8)
                .share(true)
                .norm(Norm.BATCH)
                .replaceFreq(1));
        all.put("stages", () -> ResidualVectorQuant.builder(FEATURES, 60, 3)
                .kmeansInit(true)
                .replaceFreq(2)
                .stageLosses(true));
        all.put("stages, affine, alternated", () -> ResidualVectorQuant.builder(FEATURES, 60, 3)
                .affineLr(0.5)
                .affineGroups(2)
                .alternated(Optimizer.adam(1e-3), 1, true)
                .norm(Norm.MAX_NORM));
        all.put("stages of moving averages that share", () -> ResidualVectorQuant.builder(FEATURES, 20, 3)
                .share(true)
                .ema(0.7)
                .emaExpiry(0.9)
                .gradientEstimator(GradientEstimator.ROTATION));
        all.put("stages with dropout, beam search", () -> ResidualVectorQuant.builder(FEATURES, 60, 4)
                .quantizerDropout(1, true)
                .beamWidth(3)
                .kmeansInit(true)
                .gradientEstimator(GradientEstimator.DIVEQ)
                .seed(11));
        all.put("stages that share", () -> ResidualVectorQuant.builder(FEATURES, 31, 3)
                .share(true)
                .replaceFreq(1)
                .syncNu(0.5));
        all.put("codes drawn, alternated", () -> VectorQuant.builder(FEATURES, 24)
                .samplingTemperature(30)
                .alternated(Optimizer.sgd(1), 1, true)
                .replaceFreq(2));
        all.put("codes drawn for moving averages of stages that share", () -> ResidualVectorQuant.builder(
                        FEATURES, 20, 2)
                .share(true)
                .samplingTemperature(20)
                .quantizerDropout(1, true)
                .ema(0.8));
        all.put("linear codebook, affine, orthogonal", () -> VectorQuant.builder(FEATURES, 40)
                .linearCodebook(true)
                .affineLr(1)
                .affineGroups(2)
                .orthogonalWeight(3)
                .syncNu(0.5)
                .gradientEstimator(GradientEstimator.ROTATION));
        all.put("groups of linear codebooks", () -> GroupVectorQuant.builder(FEATURES, 40, 4)
                .linearCodebook(true)
                .norm(Norm.BATCH)
                .samplingTemperature(5));
        all.put("stages that share a linear codebook, dropout", () -> ResidualVectorQuant.builder(FEATURES, 21, 3)
                .share(true)
                .linearCodebook(true)
                .quantizerDropout(1, false)
                .stageLosses(true));
        all.put("lookup in 6 dimensions, k-means, replacement", () -> VectorQuant.builder(FEATURES, 30)
                .lookupSize(6)
                .kmeansInit(true)
                .replaceFreq(1)
                .orthogonalWeight(1)
                .norm(Norm.BATCH));
        all.put("groups of moving averages in 8 dimensions", () -> GroupVectorQuant.builder(FEATURES, 30, 2)
                .lookupSize(8)
                .ema(0.8)
                .emaExpiry(0.5)
                .norm(Norm.UNIT));
        all.put("stages of linear codebooks in 4 dimensions", () -> ResidualVectorQuant.builder(FEATURES, 30, 3)
                .lookupSize(4)
                .linearCodebook(true)
                .quantizerDropout(2, true)
                .gradientEstimator(GradientEstimator.DIVEQ));
        return all;
    }

    static Tensor batch(int number) {
        return Tensor.of(normal(1000 + number), SHAPE);
    }

    /** Steps with these numbers; the learning rate changes as a schedule's does. */
    static void train(Quantizer layer, Optimizer optimizer, int from, int to) {
        for (int step = from; step < to; step++) {
            optimizer.setLearningRate(0.01 / (1 + step));
            try (Quantized q = layer.forward(batch(step));
                    Gradients gradients = layer.backward(Tensor.of(normal(2000 + step), SHAPE), 5)) {
                optimizer.step(layer);
            }
        }
    }

    static float[] normal(long seed) {
        Random random = new Random(seed);
        float[] values = new float[SIZE];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
