package io.github.vq4j;

/**
 * What is done to the codebook before it is used. A training forward writes the result back: the stored codebook is
 * projected onto the sphere or into the ball, and gradients are those of the projected codebook. Inference projects a copy.
 */
public enum CodebookNorm {
    /** Nothing. */
    NONE,
    /** Every code is scaled to length 1. */
    UNIT,
    /** Codes longer than 10 are scaled to length 10; others stay as they are. */
    MAX_NORM
}
