package io.github.vq4j;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads the golden files: safetensors whose headers are flat JSON. */
final class Safetensors {
    private static final Pattern METADATA = Pattern.compile("\"__metadata__\":\\s*\\{((?:[^\"}]|\"(?:[^\"\\\\]|\\\\.)*\")*)}");
    private static final Pattern PAIR = Pattern.compile("\"((?:[^\"\\\\]|\\\\.)*)\":\\s*\"((?:[^\"\\\\]|\\\\.)*)\"");
    private static final Pattern TENSOR = Pattern.compile("\"([^\"]+)\":\\s*\\{\"dtype\":\\s*\"(\\w+)\",\\s*\"shape\":\\s*"
            + "\\[([^]]*)],\\s*\"data_offsets\":\\s*\\[(\\d+),\\s*(\\d+)]}");

    private record Entry(String type, long[] shape, ByteBuffer bytes) {}

    private final Map<String, String> metadata = new HashMap<>();
    private final Map<String, Entry> entries = new HashMap<>();

    Safetensors(Path file) throws IOException {
        ByteBuffer all = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        int length = Math.toIntExact(all.getLong());
        String header = new String(all.array(), Long.BYTES, length, StandardCharsets.UTF_8);
        Matcher meta = METADATA.matcher(header);
        if (meta.find()) {
            Matcher pair = PAIR.matcher(meta.group(1));
            while (pair.find()) {
                metadata.put(pair.group(1), pair.group(2).replace("\\\"", "\""));
            }
        }
        int start = Long.BYTES + length;
        Matcher tensor = TENSOR.matcher(header);
        while (tensor.find()) {
            int begin = Integer.parseInt(tensor.group(4));
            ByteBuffer bytes = all.slice(start + begin, Integer.parseInt(tensor.group(5)) - begin);
            long[] shape = tensor.group(3).isBlank()
                    ? new long[0]
                    : Arrays.stream(tensor.group(3).split(",\\s*")).mapToLong(Long::parseLong).toArray();
            entries.put(tensor.group(1), new Entry(tensor.group(2), shape, bytes.order(ByteOrder.LITTLE_ENDIAN)));
        }
    }

    String metadata(String key, String absent) {
        return metadata.getOrDefault(key, absent);
    }

    boolean has(String name) {
        return entries.containsKey(name);
    }

    long[] shape(String name) {
        return entry(name, null).shape;
    }

    float[] floats(String name) {
        float[] values = new float[entry(name, "F32").bytes.remaining() / Float.BYTES];
        entry(name, "F32").bytes.asFloatBuffer().get(values);
        return values;
    }

    int[] ints(String name) {
        long[] values = new long[entry(name, "I64").bytes.remaining() / Long.BYTES];
        entry(name, "I64").bytes.asLongBuffer().get(values);
        return Arrays.stream(values).mapToInt(Math::toIntExact).toArray();
    }

    private Entry entry(String name, String type) {
        Entry entry = entries.get(name);
        if (entry == null || (type != null && !entry.type.equals(type))) {
            throw new IllegalArgumentException("no tensor " + name + " of type " + type + " in " + entries.keySet());
        }
        return new Entry(entry.type, entry.shape, entry.bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN));
    }
}
