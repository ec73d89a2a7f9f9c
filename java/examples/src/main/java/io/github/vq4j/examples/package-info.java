/** What the examples share. */
@NullMarked
package io.github.vq4j.examples;

import org.jspecify.annotations.NullMarked;
