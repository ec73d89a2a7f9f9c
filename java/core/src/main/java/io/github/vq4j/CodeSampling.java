package io.github.vq4j;

/**
 * The draw of codes by which a training pass replaces the nearest ones: a row z gets code k with a probability proportional
 * to exp(-|z - C'_k|^2 / temperature), by the Gumbel-max trick.
 *
 * @param temperature above 0
 * @param seed of the assignment
 * @param step draws of different steps are independent
 */
record CodeSampling(double temperature, long seed, long step) {}
