package io.github.vq4j;

/** Where a {@link Tensor}'s memory lies. */
public enum Device {
    /** The Java heap, or native memory of the process. */
    HOST,
    /** Memory of a CUDA device. */
    CUDA
}
