package io.github.vq4j;

import java.io.Serializable;
import java.util.Iterator;

/**
 * Rows that lie in parts, on any machines. A cluster framework implements this with what it has for a map over the parts
 * and a reduction of what they give.
 */
public interface DistributedRows {
    /**
     * Runs a task on every part and combines the results, pairwise in any order.
     *
     * @param <T> what the task gives
     * @return the result of all parts, at least one
     */
    <T extends Serializable> T reduce(Task<T> task);

    /**
     * What is to be done where the rows lie.
     *
     * @param <T> what it gives, the same bits in whatever order results are combined
     */
    interface Task<T extends Serializable> extends Serializable {
        /**
         * Works on a part.
         *
         * @param blocks the rows of the part in any order, cut anywhere: FLOAT32 on the host, N x D; N may be 0 and may
         *     differ from block to block, D may not. Each is read before the next one is asked for, so that they may share
         *     memory. Thousands of rows a block keep the kernels busy
         */
        T run(Iterator<Tensor> blocks);

        /** The result of two parts together. The arguments are not used afterwards. */
        T combine(T one, T other);
    }
}
