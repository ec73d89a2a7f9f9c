package io.github.vq4j;

/**
 * What {@link NearestCodes#find} gives.
 *
 * @param codes INT32, shape of z without the feature axis, and one more axis of size k: the nearest codes of every row,
 *     nearest first
 * @param distances FLOAT32, shape of the codes: the row's distance to each of them
 */
public record Neighbors(Tensor codes, Tensor distances) implements AutoCloseable {
    /** Gives the memory of both tensors back. */
    @Override
    public void close() {
        codes.close();
        distances.close();
    }
}
