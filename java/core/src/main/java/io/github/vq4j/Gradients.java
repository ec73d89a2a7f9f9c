package io.github.vq4j;

/**
 * What {@link VectorQuant#backward} gives; the gradients of parameters are in {@link Parameter#gradient}.
 *
 * @param input gradient of the objective with respect to z, of its shape
 */
public record Gradients(Tensor input) implements AutoCloseable {
    /** Gives the memory back, unless the caller brought it. */
    @Override
    public void close() {
        input.close();
    }
}
