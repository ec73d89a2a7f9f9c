package io.github.vq4j.benchmarks;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/**
 * The sizes that are measured.
 *
 * @param name in the report
 * @param assignments nearest codes of normal rows, smaller before larger where the features are the same
 * @param pruning nearest codes of normal rows with filters and without
 * @param pruningCodes codes of codebooks trained on real data, for the same
 * @param autoencoderIterations how long the autoencoder is trained whose vectors are one kind of that data
 * @param trainingSteps whole training steps
 * @param memory kernels whose bound is the memory
 * @param productCodes encoding and decoding, K codes in each of {@link #PRODUCT_GROUPS} codebooks
 * @param latency one small call
 * @param kmeans whole fits
 * @param kmeansMoves moves of each fit
 * @param realCodes codes of a codebook trained on real data
 * @param realFits whether k-means is also fitted to real data
 */
record Grid(
        String name,
        List<Size> assignments,
        List<Size> pruning,
        List<Integer> pruningCodes,
        int autoencoderIterations,
        List<Size> trainingSteps,
        List<Size> memory,
        List<Size> productCodes,
        List<Size> latency,
        List<Size> kmeans,
        int kmeansMoves,
        int realCodes,
        boolean realFits) {
    /** Codebooks of product codes. */
    static final int PRODUCT_GROUPS = 8;

    /** Minutes on two cores. */
    static final Grid SHORT = new Grid(
            "short",
            List.of(
                    new Size(8192, 1024, 8),
                    new Size(8192, 1024, 32),
                    new Size(8192, 256, 64),
                    new Size(8192, 1024, 64),
                    new Size(65536, 1024, 64),
                    new Size(8192, 8192, 64),
                    new Size(8192, 1024, 256),
                    new Size(8192, 1024, 768)),
            List.of(new Size(8192, 256, 64), new Size(8192, 256, 768), new Size(8192, 1024, 768)),
            List.of(1024),
            400,
            List.of(new Size(8192, 1024, 32), new Size(8192, 1024, 64)),
            List.of(new Size(1 << 20, 1024, 64)),
            List.of(new Size(65536, 256, 64)),
            List.of(new Size(1, 1024, 64), new Size(64, 1024, 64), new Size(1024, 1024, 64)),
            List.of(new Size(20_000, 128, 32)),
            5,
            1024,
            false);

    /** Everything; hours. */
    static final Grid FULL = new Grid(
            "full",
            fullAssignments(),
            fullPruning(),
            List.of(256, 512, 1024, 4096),
            SHORT.autoencoderIterations,
            List.of(
                    new Size(8192, 1024, 32),
                    new Size(8192, 1024, 64),
                    new Size(8192, 1024, 256),
                    new Size(65536, 1024, 64)),
            SHORT.memory,
            List.of(new Size(65536, 256, 64), new Size(1 << 20, 256, 128)),
            SHORT.latency,
            List.of(new Size(200_000, 256, 32), new Size(1_000_000, 1024, 64)),
            10,
            1024,
            true);

    /** Parts of a grid. */
    enum Part {
        /** Nearest codes. */
        ASSIGNMENT,
        /** Nearest codes with filters and without. */
        PRUNING,
        /** Training steps. */
        TRAINING,
        /** Kernels whose bound is the memory. */
        MEMORY,
        /** Encoding and decoding. */
        CODES,
        /** One small call. */
        LATENCY,
        /** Fits of k-means. */
        KMEANS
    }

    /** The short grid, with these parts of the full one in place of its own. */
    static Grid of(Set<Part> fullParts) {
        if (fullParts.isEmpty()) {
            return SHORT;
        }
        if (fullParts.equals(EnumSet.allOf(Part.class))) {
            return FULL;
        }
        Function<Part, Grid> from = part -> fullParts.contains(part) ? FULL : SHORT;
        return new Grid(
                "short, full " + EnumSet.copyOf(fullParts),
                from.apply(Part.ASSIGNMENT).assignments,
                from.apply(Part.PRUNING).pruning,
                from.apply(Part.PRUNING).pruningCodes,
                from.apply(Part.PRUNING).autoencoderIterations,
                from.apply(Part.TRAINING).trainingSteps,
                from.apply(Part.MEMORY).memory,
                from.apply(Part.CODES).productCodes,
                from.apply(Part.LATENCY).latency,
                from.apply(Part.KMEANS).kmeans,
                from.apply(Part.KMEANS).kmeansMoves,
                SHORT.realCodes,
                from.apply(Part.KMEANS).realFits);
    }

    private static List<Size> fullAssignments() {
        List<Size> sizes = new ArrayList<>();
        for (long features : new long[] {8, 32, 64, 128, 256, 768}) {
            for (long codes : new long[] {256, 1024, 8192, 65536}) {
                for (long rows : new long[] {8192, 65536, 1 << 20}) {
                    sizes.add(new Size(rows, codes, features));
                }
            }
        }
        return sizes;
    }

    private static List<Size> fullPruning() {
        List<Size> sizes = new ArrayList<>();
        for (long features : new long[] {8, 16, 32, 64, 256, 768}) {
            for (long codes : new long[] {256, 1024}) {
                sizes.add(new Size(8192, codes, features));
            }
        }
        return sizes;
    }

    /**
     * Rows, codes, features.
     *
     * @param rows N
     * @param codes K
     * @param features D
     */
    record Size(long rows, long codes, long features) {
        @Override
        public String toString() {
            return rows + " x " + codes + " x " + features;
        }
    }
}
