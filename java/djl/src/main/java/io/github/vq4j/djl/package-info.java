/**
 * Vector quantization in models of the Deep Java Library: {@link io.github.vq4j.djl.VectorQuantBlock}, for its PyTorch
 * engine on the CPU.
 *
 * <p>Kernels read and write the memory of DJL's arrays: rows, outputs, gradients of rows and parameters are not copied
 * between the two.
 */
@NullMarked
package io.github.vq4j.djl;

import org.jspecify.annotations.NullMarked;
