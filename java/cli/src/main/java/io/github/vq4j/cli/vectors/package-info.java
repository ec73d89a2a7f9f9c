/** Files of vectors. */
@org.jspecify.annotations.NullMarked
package io.github.vq4j.cli.vectors;
