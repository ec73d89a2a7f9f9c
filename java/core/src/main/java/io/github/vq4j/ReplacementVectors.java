package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;

/** Puts the vectors that a {@link ReplacementPolicy} chooses in the place of codes. Its memory is reused. */
final class ReplacementVectors implements AutoCloseable {
    private static final float NOISE = 0.01f;
    private static final int KMEANS_MOVES = 10;

    private final Kernels kernels;
    private final RowSums sums;
    private final ReplacementPolicy policy;
    private final long seed;
    private final Scratch<FloatPointer> vectors;
    private final Scratch<LongPointer> order;

    /**
     * The codes to replace, {@code marked} of {@code codes}, a number where the kernels run, and the affine that maps them,
     * at a training step.
     */
    record Target(
            IntPointer mask,
            LongPointer marked,
            int codes,
            EffectiveCodebook.State effective,
            long affineGroups,
            long step) {}

    ReplacementVectors(RowSums sums, ReplacementPolicy policy, long seed) {
        this.sums = sums;
        kernels = sums.kernels;
        this.policy = policy;
        this.seed = seed;
        vectors = Scratch.floats(kernels);
        order = Scratch.longs(kernels);
    }

    /** Whether the host has to know how many codes are replaced: as the number of clusters, or to ask other workers. */
    boolean needNumber() {
        return policy == ReplacementPolicy.KMEANS_INPUT || sums.hasWorkers();
    }

    /**
     * Overwrites the marked codes, where there are any.
     *
     * @param counts how often the batch uses each code
     * @param batch the rows to take vectors from, measured
     * @param codebook what the batch has made of the codebook otherwise
     */
    void place(Target target, LongPointer counts, Assignment batch, FloatPointer codebook) {
        long features = batch.rows.features();
        switch (policy) {
            case RANDOM_INPUT -> sums.replaceCodes(batch.z, batch.rows, target, NOISE, seed, codebook);
            case KMEANS_INPUT -> {
                long[] marked = new long[1];
                kernels.read(target.marked, marked);
                long count = Math.min(marked[0], batch.rows.count());
                FloatPointer centroids = vectors.atLeast(count * features);
                KMeans.builder(Math.toIntExact(count))
                        .seed(seed + 0xD1B54A32D192ED03L * (target.step + 1))
                        .maxIterations(KMEANS_MOVES)
                        .build(kernels)
                        .fit(batch.z, batch.rows, centroids);
                place(target, centroids, count, count, features, codebook);
            }
            case SPLIT_BUSIEST -> {
                LongPointer busiest = order.atLeast(target.codes);
                kernels.replacement.busiestCodes(counts, target.codes, target.marked, busiest);
                FloatPointer copies = vectors.atLeast(target.codes * features);
                Rows codes = Rows.matrix(target.codes, features);
                kernels.tensors.takeRows(effective(target, codebook), codes, busiest, target.codes, copies);
                place(target, copies, target.codes, 0, features, codebook);
            }
            case FARTHEST_INPUT -> {
                // As many as there can be marked codes: which of them are used does not depend on it.
                long count = Math.min(target.codes, batch.rows.count());
                LongPointer farthest = order.atLeast(count);
                kernels.replacement.farthestRows(batch.distances(), batch.rows.count(), count, target.marked, farthest);
                FloatPointer rows = vectors.atLeast(count * features);
                kernels.tensors.takeRows(batch.z, batch.rows, farthest, count, rows);
                place(target, rows, count, count, features, codebook);
            }
        }
    }

    /** C' after the batch: moving averages, which have no affine, have moved the codes that the rows were compared with. */
    private static FloatPointer effective(Target target, FloatPointer codebook) {
        return target.effective.scale() == null ? codebook : target.effective.effective();
    }

    private void place(
            Target target, FloatPointer chosen, long count, long exact, long features, FloatPointer codebook) {
        kernels.replacement.placeCodes(
                chosen,
                count,
                target.mask,
                target.codes,
                features,
                target.effective.scale(),
                target.effective.shift(),
                target.affineGroups,
                exact,
                NOISE,
                seed,
                target.step,
                codebook);
    }

    @Override
    public void close() {
        vectors.close();
        order.close();
    }
}
