package io.github.vq4j.examples.autoencoder;

import com.fasterxml.jackson.annotation.JsonPropertyOrder;

/**
 * A run in figures, an object of report.json.
 *
 * @param name the method's name on the command line
 * @param seed of network, layer and order of the images
 * @param iterations batches trained
 * @param taskLoss mean absolute error of a pixel in [-1, 1]; this and the next three are means over the last 50 iterations
 * @param commitmentLoss of the layer
 * @param activePercent share of the codes that a batch uses
 * @param perplexity of a batch's codes
 * @param testLoss task loss on held-out images, in inference mode
 * @param seconds of training
 */
@JsonPropertyOrder({
    "name",
    "seed",
    "iterations",
    "taskLoss",
    "commitmentLoss",
    "activePercent",
    "perplexity",
    "testLoss",
    "seconds"
})
record RunSummary(
        String name,
        long seed,
        int iterations,
        double taskLoss,
        double commitmentLoss,
        double activePercent,
        double perplexity,
        double testLoss,
        double seconds) {}
