package io.github.vq4j;

/**
 * The running moments of the statistics affine, copied.
 *
 * @param inputMean D
 * @param inputVariance D, population variance
 * @param codebookMean affineGroups x D
 * @param codebookVariance affineGroups x D, population variance
 */
public record RunningMoments(
        float[] inputMean, float[] inputVariance, float[] codebookMean, float[] codebookVariance) {}
