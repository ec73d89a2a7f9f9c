/** The way to the native kernels. Not public API: may change with any release. */
@NullMarked
package io.github.vq4j.internal;

import org.jspecify.annotations.NullMarked;
