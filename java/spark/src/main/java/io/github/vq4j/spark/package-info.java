/**
 * Vector quantization of Spark's vector columns: {@link io.github.vq4j.spark.VectorQuantizer} fits codebooks and gives a
 * {@link io.github.vq4j.spark.VectorQuantizerModel}, which encodes, in the conventions of Spark ML.
 *
 * <p>The native library comes to the executors in vq4j's jars, as {@code spark.jars} or {@code --packages} bring them.
 * Tasks that run at the same time in one executor share its threads ({@code vq4j.threads}).
 */
@NullMarked
package io.github.vq4j.spark;

import org.jspecify.annotations.NullMarked;
