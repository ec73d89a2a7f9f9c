package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import java.util.stream.IntStream;
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

    /** The codes to replace, {@code marked} of {@code codes}, and the affine that maps them, at a training step. */
    record Target(
            IntPointer mask, long marked, int codes, EffectiveCodebook.State effective, long affineGroups, long step) {}

    ReplacementVectors(RowSums sums, ReplacementPolicy policy, long seed) {
        this.sums = sums;
        kernels = sums.kernels;
        this.policy = policy;
        this.seed = seed;
        vectors = Scratch.floats(kernels);
        order = Scratch.longs(kernels);
    }

    /**
     * Overwrites the marked codes.
     *
     * @param counts how often the batch uses each code
     * @param batch the rows to take vectors from, measured
     */
    void place(Target target, LongPointer counts, Assignment batch, FloatPointer codebook) {
        long features = batch.rows.features();
        long count = Math.min(target.marked, batch.rows.count());
        switch (policy) {
            case RANDOM_INPUT -> sums.replaceCodes(batch.z, batch.rows, target, NOISE, seed, codebook);
            case KMEANS_INPUT -> {
                FloatPointer centroids = vectors.atLeast(count * features);
                KMeans.builder(Math.toIntExact(count))
                        .seed(seed + 0xD1B54A32D192ED03L * (target.step + 1))
                        .maxIterations(KMEANS_MOVES)
                        .build(kernels)
                        .fit(batch.z, batch.rows, centroids);
                place(target, centroids, count, count, features, codebook);
            }
            case SPLIT_BUSIEST -> {
                long[] busiest = busiest(counts, target);
                LongPointer numbers = order.atLeast(busiest.length);
                kernels.write(busiest, numbers);
                FloatPointer copies = vectors.atLeast(busiest.length * features);
                Rows codes = Rows.matrix(target.codes, features);
                kernels.takeRows(target.effective.effective(), codes, numbers, busiest.length, copies);
                place(target, copies, busiest.length, 0, features, codebook);
            }
            case FARTHEST_INPUT -> {
                LongPointer numbers = order.atLeast(count);
                kernels.farthestRows(batch.distances(), batch.rows.count(), count, numbers);
                FloatPointer rows = vectors.atLeast(count * features);
                kernels.takeRows(batch.z, batch.rows, numbers, count, rows);
                place(target, rows, count, count, features, codebook);
            }
        }
    }

    private void place(
            Target target, FloatPointer chosen, long count, long exact, long features, FloatPointer codebook) {
        kernels.placeCodes(
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

    /** The used codes, at most as many as are to be replaced: the busiest first, of equally busy ones the lowest. */
    private long[] busiest(LongPointer counts, Target target) {
        long[] uses = new long[target.codes];
        kernels.read(counts, uses);
        return IntStream.range(0, uses.length)
                .filter(k -> uses[k] > 0)
                .boxed()
                .sorted((a, b) -> uses[a] == uses[b] ? Integer.compare(a, b) : Long.compare(uses[b], uses[a]))
                .limit(target.marked)
                .mapToLong(Integer::longValue)
                .toArray();
    }

    @Override
    public void close() {
        vectors.close();
        order.close();
    }
}
