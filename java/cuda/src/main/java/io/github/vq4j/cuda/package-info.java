/**
 * vq4j beside other libraries on a CUDA device, through bytedeco's CUDA presets: layers on a stream of the caller's, events
 * between streams, device memory of other libraries as tensors. Nothing of CUDA is loaded before vq4j has found a device.
 */
@NullMarked
package io.github.vq4j.cuda;

import org.jspecify.annotations.NullMarked;
