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
 * <p>Implement it over any transport: threads ({@link #inProcess}), a message-passing library, a cluster framework.
 */
public interface AllReduce {
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
     * The workers of one process, a thread each.
     *
     * @param workers how many, at least 1
     * @return one for every worker; a worker that waits longer than a minute for the others throws
     *     {@link IllegalStateException}
     */
    static List<AllReduce> inProcess(int workers) {
        return InProcessAllReduce.group(workers, Duration.ofMinutes(1));
    }
}
