/** Images to train on: IDX files of a folder, MNIST from where it can be had, or strokes drawn by the program. */
@NullMarked
package io.github.vq4j.examples.data;

import org.jspecify.annotations.NullMarked;
