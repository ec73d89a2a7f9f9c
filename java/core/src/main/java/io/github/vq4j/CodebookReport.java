package io.github.vq4j;

/**
 * How one codebook did on one batch, by {@link CodebookHealth}. P are the N rows of D features that it quantized, as it
 * saw them (normalised; sub-vectors of a group, residuals of a stage), C its K effective codes.
 *
 * @param observation number of the observation, from 1
 * @param codebook number of the codebook within its layer
 * @param perplexity exp(-sum p ln p) of the batch's histogram of codes, between 1 and K
 * @param windowPerplexity the same of the sum of the last training batches' histograms; NaN before the first
 * @param activeCodes codes that the batch uses
 * @param deadCodes codes that none of the last training batches uses; K before the first one
 * @param meanGap |mean(P) - mean(C)|, with the mean of each feature over all rows and over all codes
 * @param deviationGap |deviation(P) - deviation(C)|, with the standard deviation of each feature, the population's
 * @param quantizationError mean of (z - e)^2 over all elements of the batch
 * @param secondBestGap how much worse the second-best code would be, on the scale of quantizationError: mean of
 *     (|z - second-best code|^2 - |z - best code|^2) / D over one in 64 rows, but at least 32, if there are so many, and
 *     at most 128, evenly spread in the batch; those of the first stage where stages share the codebook; NaN for K = 1
 * @param collapsed whether the window is full and its perplexity below a tenth of what it can reach, the lesser of K and
 *     the number of its rows, or all its rows have one code though there are several of both
 */
public record CodebookReport(
        long observation,
        int codebook,
        double perplexity,
        double windowPerplexity,
        int activeCodes,
        int deadCodes,
        double meanGap,
        double deviationGap,
        double quantizationError,
        double secondBestGap,
        boolean collapsed) {}
