package io.github.vq4j.examples.autoencoder;

/**
 * A finished run.
 *
 * @param method what was trained
 * @param summary its figures
 * @param curves what was measured in every iteration
 * @param reconstructions the first held-out images after encoding and decoding, in [-1, 1]
 */
record RunResult(Method method, RunSummary summary, Curves curves, float[] reconstructions) {}
