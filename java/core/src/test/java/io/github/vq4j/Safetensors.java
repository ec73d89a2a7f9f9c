package io.github.vq4j;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Arrays;

/** A golden file, whole numbers as ints. */
final class Safetensors {
    private final SafetensorsFile file;

    Safetensors(Path path) throws IOException {
        file = SafetensorsFile.open(path);
    }

    String metadata(String key, String absent) {
        return file.metadata().getOrDefault(key, absent);
    }

    boolean has(String name) {
        return file.has(name);
    }

    long[] shape(String name) {
        return read(() -> file.shape(name));
    }

    float[] floats(String name) {
        return read(() -> file.floats(name));
    }

    int[] ints(String name) {
        return Arrays.stream(read(() -> file.longs(name)))
                .mapToInt(Math::toIntExact)
                .toArray();
    }

    private interface Reading<T> {
        T read() throws IOException;
    }

    private static <T> T read(Reading<T> reading) {
        try {
            return reading.read();
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }
}
