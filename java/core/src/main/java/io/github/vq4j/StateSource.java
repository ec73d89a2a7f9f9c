package io.github.vq4j;

import java.io.IOException;
import java.util.Set;

/** Named tensors that state is read from, with the types of safetensors: F32, I32, I64 and F64. */
interface StateSource {
    Set<String> names();

    boolean has(String name);

    String type(String name) throws IOException;

    long[] shape(String name) throws IOException;

    float[] floats(String name) throws IOException;

    int[] ints(String name) throws IOException;

    long[] longs(String name) throws IOException;

    double[] doubles(String name) throws IOException;
}
