package io.github.vq4j.examples.data;

/**
 * Images to train on and to test with.
 *
 * @param training images to train on
 * @param heldOut images of the same size that training never sees
 * @param origin where they come from, for people
 */
public record ImageSet(Images training, Images heldOut, String origin) {
    @Override
    public String toString() {
        return origin + ": " + training.count() + " images to train on, " + heldOut.count() + " held out, "
                + training.height() + " x " + training.width();
    }
}
