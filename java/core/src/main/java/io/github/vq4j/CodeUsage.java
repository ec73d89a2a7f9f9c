package io.github.vq4j;

import io.github.vq4j.internal.Batch;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/** How the codes of a batch are used, of any number of codes. The numbers arrive with the batch that computes them. */
final class CodeUsage {
    private final Batch batch;
    private final Batch.@Nullable Fetched<double[]> entropy;
    private final Batch.@Nullable Fetched<long[]> used;

    /**
     * What is at these places of a batch, one number each; null both where no row takes part.
     *
     * @param entropy of the histogram, in nats
     * @param used how many codes occur
     */
    CodeUsage(Batch batch, @Nullable DoublePointer entropy, @Nullable LongPointer used) {
        this.batch = batch;
        this.entropy = entropy == null ? null : batch.fetch(entropy, 1);
        this.used = used == null ? null : batch.fetch(used, 1);
    }

    double perplexity() {
        batch.await();
        // StrictMath has the same bits on every machine.
        return entropy == null ? 1 : StrictMath.exp(entropy.get()[0]);
    }

    long activeCodes() {
        batch.await();
        return used == null ? 0 : used.get()[0];
    }
}
