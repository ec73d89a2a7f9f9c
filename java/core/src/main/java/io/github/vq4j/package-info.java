/**
 * Vector quantization: {@link io.github.vq4j.VectorQuant} and what it takes and gives.
 *
 * <p>Layers, optimisers and tensors are {@link AutoCloseable}: closing twice is harmless, use after close is an
 * {@link IllegalStateException}. Tensors that are forgotten are given back by the garbage collector. Layers and optimisers
 * are not thread-safe, but for {@link io.github.vq4j.VectorQuant#encode} and {@link io.github.vq4j.VectorQuant#decode}.
 */
@NullMarked
package io.github.vq4j;

import org.jspecify.annotations.NullMarked;
