package io.github.vq4j.examples.data;

import java.util.List;

/**
 * A file of the MNIST digits.
 *
 * @param fileName its name, without ".gz"
 * @param sha256 checksum of the file when not compressed: copies differ in how they were
 */
record MnistFile(String fileName, String sha256) {
    static final MnistFile TRAINING = new MnistFile(
            "train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db");
    static final MnistFile HELD_OUT =
            new MnistFile("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7");

    /** What an autoencoder needs: no labels. */
    static final List<MnistFile> ALL = List.of(TRAINING, HELD_OUT);
}
