/** Figures of the paper, drawn anew with the library's layers. */
@NullMarked
package io.github.vq4j.examples.figures;

import org.jspecify.annotations.NullMarked;
