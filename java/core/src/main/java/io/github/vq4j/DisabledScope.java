package io.github.vq4j;

import java.util.List;

/**
 * While it is open, layers are identities: made by {@link Quantizer#disabled}. Their forward is that of a batch whose
 * rows are all masked out ({@link RowMask}): output = z, codes of -1, distances and losses of 0, a perplexity of 1 (that
 * of no codes), and nothing of the layer changes, in training mode neither. The backward that belongs to such a forward,
 * whenever it comes, gives the task's gradient as that of z, whatever alpha, and zero gradients of the parameters.
 * {@link Quantizer#encode} and {@link Quantizer#decode} are as ever.
 *
 * <p>Scopes nest and may end in any order: a layer quantizes again when the last scope of it is closed. Not
 * thread-safe.
 */
public final class DisabledScope implements AutoCloseable {
    private final List<Quantizer> layers;
    private boolean closed;

    DisabledScope(Quantizer... layers) {
        this.layers = List.of(layers);
        this.layers.forEach(Quantizer::checkOpen);
        this.layers.forEach(Quantizer::enterDisabled);
    }

    /** Restores what was before; a second call does nothing. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            layers.forEach(Quantizer::leaveDisabled);
        }
    }
}
