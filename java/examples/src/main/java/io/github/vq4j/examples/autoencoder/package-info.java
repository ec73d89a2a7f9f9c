/** The main example: what each technique of the layer brings to a convolutional VQ autoencoder. */
@NullMarked
package io.github.vq4j.examples.autoencoder;

import org.jspecify.annotations.NullMarked;
