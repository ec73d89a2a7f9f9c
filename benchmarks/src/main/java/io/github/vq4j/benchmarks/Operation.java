package io.github.vq4j.benchmarks;

/** What rows of a comparison measure. */
enum Operation {
    /** Nearest codes of rows. */
    ASSIGNMENT("assignment"),
    /** Nearest codes of rows with filters that rule out codes, and without. */
    PRUNING("pruning"),
    /** Sums of rows by code. */
    SCATTER("scatter"),
    /** Means and variances of the features. */
    MOMENTS("moments"),
    /** Vectors of codes. */
    LOOKUP("lookup"),
    /** Mean squared error of rows to their codes. */
    LOSS("loss"),
    /** A step of AdamW. */
    OPTIMIZER("AdamW step"),
    /** Forward, backward and an optimiser's step of a layer. */
    TRAINING_STEP("training step"),
    /** A whole fit of k-means. */
    KMEANS("k-means fit"),
    /** Packed codes of rows. */
    ENCODE("encode"),
    /** Vectors of packed codes. */
    DECODE("decode"),
    /** One small call through Java. */
    LATENCY("latency");

    private final String label;

    Operation(String label) {
        this.label = label;
    }

    /** Its name in tables and files. */
    String label() {
        return label;
    }
}
