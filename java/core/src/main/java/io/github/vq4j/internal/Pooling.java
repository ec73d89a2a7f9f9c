package io.github.vq4j.internal;

/**
 * The windows of a pooling over images, the same along height and width.
 *
 * @param kernel pixels of a window along one axis
 * @param stride pixels from window to window
 * @param padding pixels added at both ends, at most half of the window
 * @param dilation pixels from one pixel of a window to the next
 */
public record Pooling(int kernel, int stride, int padding, int dilation) {
    /** Refuses a padding of more than half of the window. */
    public Pooling {
        long window = dilation * (kernel - 1L) + 1;
        if (padding > window / 2) {
            throw new IllegalArgumentException(
                    "need padding <= " + window / 2 + ", half of the window of " + window + " pixels, got " + padding);
        }
    }

    /** Pixels from a window's first to its last, both included. */
    public long window() {
        return dilation * (kernel - 1L) + 1;
    }

    /** How many windows there are along an axis of {@code size} pixels. */
    public long outputs(long size) {
        return (size + 2L * padding - window()) / stride + 1;
    }
}
