/** The command line {@code vq4j}. */
@org.jspecify.annotations.NullMarked
package io.github.vq4j.cli;
