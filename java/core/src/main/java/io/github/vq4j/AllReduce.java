package io.github.vq4j;

import java.time.Duration;
import java.util.List;

/**
 * How workers that train one layer on different rows of a batch combine what they have summed. Each worker has a copy of
 * the layer, made with the same options and seed and with this interface to the others
 * ({@link QuantizerBuilder#workers}); all call the same methods of their layers in the same order. Sums travel as
 * integers, whose addition is associative: the codebooks of all workers have the same bits, and the same as those of one
 * worker that has all the rows, however they are spread and in whatever order.
 *
 * <p>A worker closes its own when it has ended or failed, so that nobody waits for it in vain:
 *
 * <pre>{@code
 * try (AllReduce own = workers.get(number);
 *         VectorQuant layer = VectorQuant.builder(64, 512).workers(own).build()) {
 *     // forward, backward and step with this worker's rows
 * }
 * }</pre>
 *
 * <p>Implement it over any transport: threads ({@link #inProcess}), a message-passing library, a cluster framework.
 */
public interface AllReduce extends AutoCloseable {
    /** The number of workers, this one included. */
    int workers();

    /**
     * Replaces every element by its sum over all workers; waits for all of them.
     *
     * @param values of the same length on every worker
     */
    void sum(long[] values);

    /**
     * Replaces every element by its maximum over all workers; waits for all of them.
     *
     * @param values of the same length on every worker
     */
    void max(long[] values);

    /**
     * Says that this worker takes part no more. Others that wait for it, or come later, throw
     * {@link IllegalStateException} where the transport can tell them. A layer does not close what it was given. Does
     * nothing by default.
     */
    @Override
    default void close() {}

    /**
     * The workers of one process, a thread each.
     *
     * @param workers how many, at least 1
     * @return one for every worker. {@link IllegalStateException} is thrown by a worker that waits longer than a minute
     *     for the others, and by all at once when one of them has closed its own, was interrupted or has waited too long
     */
    static List<AllReduce> inProcess(int workers) {
        return InProcessAllReduce.group(workers, Duration.ofMinutes(1));
    }
}
