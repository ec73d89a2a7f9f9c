package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.CodebookHealth;
import io.github.vq4j.CodebookReport;
import io.github.vq4j.Device;
import io.github.vq4j.VectorQuant;
import io.github.vq4j.examples.data.Images;
import io.github.vq4j.torch.QuantizedTensors;
import io.github.vq4j.torch.VectorQuantModule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Watches vectors and codes of a {@link VectorQuant} without norms over a training: frames of both at some iterations, and
 * in every iteration how far they are apart.
 */
@SuppressWarnings("try") // Scopes and guards work by being there.
final class EmbeddingHistory implements TrainingRun.Observer, AutoCloseable {
    private static final int WINDOW = 50;

    private final Images images;
    private final int imageCount;
    private final Set<Integer> frameIterations;
    private final List<Frame> frames = new ArrayList<>();
    private final List<Divergence> divergences = new ArrayList<>();
    private @Nullable CodebookHealth health;

    /**
     * Vectors and codes after an iteration.
     *
     * @param vectors P: what the encoder makes of the held-out images, a vector a patch
     * @param codes C: the effective codebook
     * @param assigned Q: the numbers of the codes that the vectors have, ascending
     */
    record Frame(int iteration, List<float[]> vectors, List<float[]> codes, Set<Integer> assigned) {}

    /**
     * How far the vectors of a training batch and the codes are apart.
     *
     * @param iteration from 1
     * @param meanGap distance of the means, {@link CodebookReport#meanGap}
     * @param deviationGap distance of the standard deviations, {@link CodebookReport#deviationGap}
     * @param meanDistance mean of |z - nearest code|
     * @param perplexity of the batch's codes
     */
    record Divergence(int iteration, double meanGap, double deviationGap, double meanDistance, double perplexity) {}

    /**
     * Takes frames of the first images.
     *
     * @param frameIterations after which a frame is taken, from 1
     */
    EmbeddingHistory(Images images, int imageCount, Set<Integer> frameIterations) {
        this.images = images;
        this.imageCount = Math.min(imageCount, images.count());
        this.frameIterations = frameIterations;
    }

    List<Frame> frames() {
        return frames;
    }

    /** One of every iteration. */
    List<Divergence> divergences() {
        return divergences;
    }

    @Override
    public void afterForward(int iteration, Autoencoder model, QuantizedTensors quantized) {
        if (health == null) {
            health = CodebookHealth.of(layer(model), WINDOW);
        }
        CodebookReport report = health.observe().get(0);
        double distance = torch.sqrt(quantized.distances()).mean().item_float();
        divergences.add(
                new Divergence(iteration, report.meanGap(), report.deviationGap(), distance, report.perplexity()));
    }

    @Override
    public void afterStep(int iteration, Autoencoder model) {
        if (!frameIterations.contains(iteration)) {
            return;
        }
        VectorQuant layer = layer(model);
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGradients = new NoGradGuard()) {
            Tensor z = model.encode(TrainingRun.tensor(images, images.scaledRange(0, imageCount)))
                    .contiguous();
            Tensor rows = z.permute(0, 2, 3, 1).contiguous();
            float[] vectors = new float[Math.toIntExact(rows.numel())];
            rows.data_ptr_float().get(vectors);
            try (io.github.vq4j.Tensor codes = layer.encode(io.github.vq4j.Tensor.ofAddress(
                            z.data_ptr().address(), Device.HOST, z.size(0), z.size(1), z.size(2), z.size(3)));
                    io.github.vq4j.Tensor codebook = layer.effectiveCodebook()) {
                Set<Integer> assigned = new TreeSet<>();
                for (int code : codes.toIntArray()) {
                    assigned.add(code);
                }
                int features = layer.featureSize();
                frames.add(new Frame(
                        iteration, split(vectors, features), split(codebook.toFloatArray(), features), assigned));
            }
        }
    }

    @Override
    public void close() {
        if (health != null) {
            health.close();
        }
    }

    private static VectorQuant layer(Autoencoder model) {
        return (VectorQuant) ((VectorQuantModule) model.quantizer()).layer();
    }

    private static List<float[]> split(float[] values, int size) {
        List<float[]> parts = new ArrayList<>();
        for (int from = 0; from < values.length; from += size) {
            parts.add(Arrays.copyOfRange(values, from, from + size));
        }
        return parts;
    }
}
