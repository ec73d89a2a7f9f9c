/** JMH benchmarks of every operation that Java calls, of whole layers, and of what the library has beside them. */
package io.github.vq4j.benchmarks.jmh;
