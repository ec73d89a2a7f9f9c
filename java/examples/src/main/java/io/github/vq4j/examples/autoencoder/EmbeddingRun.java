package io.github.vq4j.examples.autoencoder;

import java.awt.Color;
import java.util.List;

/**
 * What was seen of vectors and codes while a method trained.
 *
 * @param name in the file of figures
 * @param title in pictures
 * @param colour of its curves
 */
record EmbeddingRun(
        String name,
        String title,
        Color colour,
        List<EmbeddingHistory.Frame> frames,
        List<EmbeddingHistory.Divergence> divergences) {}
