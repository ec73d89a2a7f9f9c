/**
 * Vector quantization in libtorch models: {@link io.github.vq4j.torch.VectorQuantModule} for layers with codebooks and
 * {@link io.github.vq4j.torch.CodebookFreeModule} for FSQ, LFQ and BSQ, on bytedeco's pytorch preset.
 *
 * <p>Kernels read and write the memory of libtorch's tensors: rows, gradients and parameters are not copied between the
 * two; rows of 16 bits are widened. Handles follow JavaCPP's rules: close them, work inside a
 * {@link org.bytedeco.javacpp.PointerScope}, or leave them to the garbage collector.
 */
@NullMarked
package io.github.vq4j.torch;

import org.jspecify.annotations.NullMarked;
