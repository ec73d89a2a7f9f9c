package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.examples.data.ImageSet;
import io.github.vq4j.examples.data.Images;
import java.io.IOException;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * What a trained encoder makes of images: the vectors that its layer looks up in the codebook.
 *
 * @param vectors one after another; not a copy
 * @param features of each
 */
public record EncodedImages(float[] vectors, int features) {
    private static final int MOST_IMAGES = 2_000;

    /**
     * Trains the demo's autoencoder with all of the techniques that the demo compares, with a progress bar, and encodes
     * held-out images, up to 2,000.
     *
     * @param iterations batches of 256 images that it trains
     * @param seed of weights, codebook and order of the images
     * @throws IOException if the images are too few or their sides not multiples of 4
     */
    public static EncodedImages afterTraining(ImageSet images, int iterations, long seed) throws IOException {
        TrainingOptions.checkTrainable(images);
        HeldOutEncoder encoder = new HeldOutEncoder(images.heldOut(), iterations);
        new TrainingRun(Method.REPLACEMENT, images, iterations, seed, encoder).run();
        return encoder.result;
    }

    /** Encodes when the last iteration has ended. */
    private static final class HeldOutEncoder implements TrainingRun.Observer {
        private final Images heldOut;
        private final int lastIteration;
        private EncodedImages result;

        HeldOutEncoder(Images heldOut, int lastIteration) {
            this.heldOut = heldOut;
            this.lastIteration = lastIteration;
        }

        @Override
        @SuppressWarnings("try") // Scopes and guards work by being there.
        public void afterStep(int iteration, Autoencoder model) {
            if (iteration < lastIteration) {
                return;
            }
            try (PointerScope scope = new PointerScope();
                    NoGradGuard noGradients = new NoGradGuard()) {
                float[] pixels = heldOut.scaledRange(0, Math.min(MOST_IMAGES, heldOut.count()));
                Tensor rows = model.encode(TrainingRun.tensor(heldOut, pixels))
                        .permute(0, 2, 3, 1)
                        .contiguous();
                float[] values = new float[Math.toIntExact(rows.numel())];
                rows.data_ptr_float().get(values);
                result = new EncodedImages(values, (int) rows.size(-1));
            }
        }
    }
}
