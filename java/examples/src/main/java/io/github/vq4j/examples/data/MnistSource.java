package io.github.vq4j.examples.data;

import java.io.IOException;

/** A place from which MNIST can be fetched. */
interface MnistSource {
    /** For people. */
    String name();

    /**
     * Puts the files that are missing into the cache.
     *
     * @throws IOException if the place cannot be reached or has other files
     */
    void fetch(MnistCache cache) throws IOException;
}
