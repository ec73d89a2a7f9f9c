package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.TrainingPhases;
import io.github.vq4j.examples.Progress;
import io.github.vq4j.examples.data.ImageSet;
import io.github.vq4j.examples.data.Images;
import io.github.vq4j.torch.QuantizedTensors;
import java.util.Locale;
import me.tongfei.progressbar.ProgressBar;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AdamW;
import org.bytedeco.pytorch.AdamWOptions;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** Trains one autoencoder and measures it. The same seed and number of threads give the same figures. */
@SuppressWarnings("try") // Scopes and guards work by being there.
final class TrainingRun {
    /** Images of an iteration. */
    static final int BATCH_SIZE = 256;

    /** Of AdamW. */
    static final double LEARNING_RATE = 3e-4;

    private static final double COMMITMENT_WEIGHT = 10;
    private static final int HELD_OUT_COUNT = 2_000;
    private static final int HELD_OUT_BATCH = 250;

    private final Method method;
    private final ImageSet images;
    private final int iterations;
    private final long seed;
    private final Observer observer;

    /** Looks at a model while it trains. Does nothing unless overridden. */
    interface Observer {
        /** After the forward of an iteration, counted from 1, and before its backward. */
        default void afterForward(int iteration, Autoencoder model, QuantizedTensors quantized) {}

        /** At the end of an iteration; may run the model, as long as it leaves it in training mode. */
        default void afterStep(int iteration, Autoencoder model) {}
    }

    TrainingRun(Method method, ImageSet images, int iterations, long seed) {
        this(method, images, iterations, seed, new Observer() {});
    }

    TrainingRun(Method method, ImageSet images, int iterations, long seed, Observer observer) {
        this.method = method;
        this.images = images;
        this.iterations = iterations;
        this.seed = seed;
        this.observer = observer;
    }

    /** Trains from the start, with a progress bar. */
    RunResult run() {
        torch.manual_seed(seed);
        try (PointerScope scope = new PointerScope();
                Autoencoder model = new Autoencoder(method, seed)) {
            long start = System.nanoTime();
            Curves curves = train(model);
            double seconds = (System.nanoTime() - start) / 1e9;
            model.train(false);
            RunSummary summary = new RunSummary(
                    method.key(),
                    seed,
                    iterations,
                    Curves.lastMean(curves.taskLoss),
                    Curves.lastMean(curves.commitmentLoss),
                    Curves.lastMean(curves.activePercent),
                    Curves.lastMean(curves.perplexity),
                    testLoss(model),
                    seconds);
            return new RunResult(method, summary, curves, reconstructions(model));
        }
    }

    private Curves train(Autoencoder model) {
        Curves curves = new Curves(iterations);
        Batches batches = new Batches(images.training(), BATCH_SIZE, seed);
        AdamW optimizer = new AdamW(model.parameters(), new AdamWOptions(LEARNING_RATE));
        TrainingPhases phases = method.phases();
        try (ProgressBar bar =
                Progress.ofSteps(method.paddedTitle(), iterations).build()) {
            for (int i = 0; i < iterations; i++) {
                // Gives the tensors of a step back at its end instead of when the garbage collector comes by.
                try (PointerScope step = new PointerScope()) {
                    Tensor batch = tensor(images.training(), batches.next());
                    Autoencoder.Reconstruction result = model.forward(batch);
                    Tensor taskLoss = torch.l1_loss(result.images(), batch);
                    QuantizedTensors quantized = result.quantized();
                    observer.afterForward(i + 1, model, quantized);
                    optimizer.zero_grad();
                    objective(taskLoss, quantized.loss(), phases == null ? null : phases.next())
                            .backward();
                    optimizer.step();
                    observer.afterStep(i + 1, model);
                    curves.taskLoss[i] = taskLoss.item_float();
                    curves.commitmentLoss[i] = quantized.loss().item_float();
                    curves.activePercent[i] =
                            100.0 * quantized.activeCodes() / model.quantizer().numCodes();
                    curves.perplexity[i] = quantized.perplexity();
                    bar.setExtraMessage(String.format(
                            Locale.ROOT,
                            " loss %.4f  perplexity %.1f  active %d",
                            curves.taskLoss[i],
                            curves.perplexity[i],
                            quantized.activeCodes()));
                    bar.step();
                }
            }
        }
        return curves;
    }

    /** One loss, or both. */
    private static Tensor objective(Tensor taskLoss, Tensor layerLoss, TrainingPhases.@Nullable Phase phase) {
        Tensor task = phase == TrainingPhases.Phase.COMMITMENT ? taskLoss.mul(new Scalar(0.0)) : taskLoss;
        double weight = phase == TrainingPhases.Phase.TASK ? 0 : COMMITMENT_WEIGHT;
        return task.add(layerLoss.mul(new Scalar(weight)));
    }

    private double testLoss(Autoencoder model) {
        Images heldOut = images.heldOut();
        int count = Math.min(HELD_OUT_COUNT, heldOut.count());
        double sum = 0;
        for (int from = 0; from < count; from += HELD_OUT_BATCH) {
            int to = Math.min(from + HELD_OUT_BATCH, count);
            try (PointerScope scope = new PointerScope();
                    NoGradGuard noGradients = new NoGradGuard()) {
                Tensor batch = tensor(heldOut, heldOut.scaledRange(from, to));
                sum += (to - from)
                        * (double) torch.l1_loss(model.forward(batch).images(), batch)
                                .item_float();
            }
        }
        return sum / count;
    }

    private float[] reconstructions(Autoencoder model) {
        Images heldOut = images.heldOut();
        int count = Math.min(ReconstructionsPicture.COLUMNS, heldOut.count());
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGradients = new NoGradGuard()) {
            Tensor batch = tensor(heldOut, heldOut.scaledRange(0, count));
            float[] values = new float[count * heldOut.size()];
            model.forward(batch).images().contiguous().data_ptr_float().get(values);
            return values;
        }
    }

    /** Images, B x 1 x H x W. */
    static Tensor tensor(Images images, float[] values) {
        return Tensor.create(values, values.length / images.size(), 1, images.height(), images.width());
    }
}
