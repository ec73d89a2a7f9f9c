package io.github.vq4j;

import java.io.IOException;
import java.lang.reflect.Array;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Collects named tensors and text, and writes them as a safetensors file ({@link SafetensorsFile} reads it). The same
 * content gives the same bytes, whatever the order it was added in. Arrays are kept, not copied, until they are
 * written.
 */
public final class SafetensorsWriter {
    private static final int CHUNK_BYTES = 1 << 16;
    private static final int ALIGNMENT = 8;

    private record Entry(String type, long[] shape, Object values) {
        int elementBytes() {
            return SafetensorsFile.ELEMENT_BITS.get(type) / Byte.SIZE;
        }

        long bytes() {
            return (long) Array.getLength(values) * elementBytes();
        }
    }

    private final Map<String, String> metadata = new TreeMap<>();
    private final Map<String, Entry> entries = new HashMap<>();

    /** Adds a line of text; a key that is there already is overwritten. */
    public SafetensorsWriter metadata(String key, String value) {
        checkText(key);
        checkText(value);
        metadata.put(key, value);
        return this;
    }

    /** Adds an F32 tensor: as many values as the shape has elements, under a name of its own. */
    public SafetensorsWriter floats(String name, float[] values, long... shape) {
        return add(name, "F32", values, values.length, shape);
    }

    /** Adds an F64 tensor. */
    public SafetensorsWriter doubles(String name, double[] values, long... shape) {
        return add(name, "F64", values, values.length, shape);
    }

    /** Adds an I32 tensor. */
    public SafetensorsWriter ints(String name, int[] values, long... shape) {
        return add(name, "I32", values, values.length, shape);
    }

    /** Adds an I64 tensor. */
    public SafetensorsWriter longs(String name, long[] values, long... shape) {
        return add(name, "I64", values, values.length, shape);
    }

    /**
     * Writes the file, under a temporary name that is moved at the end.
     *
     * @throws IOException if that fails; a file that was there is still there then, and the temporary one is not
     */
    public void write(Path path) throws IOException {
        WholeFile.write(path, this::writeTo);
    }

    /** Writes the bytes of the file. */
    void writeTo(WritableByteChannel channel) throws IOException {
        List<Map.Entry<String, Entry>> inOrder = entries.entrySet().stream()
                // As the format's own library: wide elements first, so that all are aligned.
                .sorted(Comparator.comparingInt((Map.Entry<String, Entry> tensor) ->
                                -tensor.getValue().elementBytes())
                        .thenComparing(Map.Entry::getKey))
                .toList();
        byte[] header = header(inOrder);
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        writeAll(channel, chunk.putLong(header.length).flip());
        writeAll(channel, ByteBuffer.wrap(header));
        for (Map.Entry<String, Entry> tensor : inOrder) {
            writeValues(channel, tensor.getValue(), chunk);
        }
    }

    private SafetensorsWriter add(String name, String type, Object values, int length, long[] shape) {
        checkText(name);
        long size = 1;
        for (long axis : shape) {
            size = axis < 0 ? -1 : Math.multiplyExact(size, axis);
        }
        if (size != length) {
            throw new IllegalArgumentException(
                    "need the elements of shape " + Arrays.toString(shape) + " for tensor " + name + ", got " + length);
        }
        if (name.equals(SafetensorsFile.METADATA) || entries.containsKey(name)) {
            throw new IllegalArgumentException("need each tensor once, got \"" + name + "\" again");
        }
        if (entries.size() == SafetensorsFile.MAX_TENSORS) {
            throw new IllegalArgumentException("need at most " + SafetensorsFile.MAX_TENSORS + " tensors, got more");
        }
        entries.put(name, new Entry(type, shape.clone(), values));
        return this;
    }

    private byte[] header(List<Map.Entry<String, Entry>> inOrder) {
        StringBuilder header = new StringBuilder("{");
        if (!metadata.isEmpty()) {
            header.append(metadata.entrySet().stream()
                    .map(line -> quoted(line.getKey()) + ':' + quoted(line.getValue()))
                    .collect(Collectors.joining(",", quoted(SafetensorsFile.METADATA) + ":{", "}")));
        }
        long begin = 0;
        for (Map.Entry<String, Entry> tensor : inOrder) {
            Entry entry = tensor.getValue();
            long end = begin + entry.bytes();
            header.append(header.length() > 1 ? "," : "")
                    .append(quoted(tensor.getKey()))
                    .append(":{\"dtype\":\"")
                    .append(entry.type)
                    .append("\",\"shape\":")
                    .append(Arrays.toString(entry.shape).replace(" ", ""))
                    .append(",\"data_offsets\":[")
                    .append(begin)
                    .append(',')
                    .append(end)
                    .append("]}");
            begin = end;
        }
        byte[] text = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
        byte[] padded = Arrays.copyOf(text, (text.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
        Arrays.fill(padded, text.length, padded.length, (byte) ' ');
        if (padded.length > SafetensorsFile.MAX_HEADER_BYTES) {
            throw new IllegalStateException(
                    "need a header of at most " + SafetensorsFile.MAX_HEADER_BYTES + " bytes, got " + padded.length);
        }
        return padded;
    }

    private static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char character = text.charAt(i);
            if (character == '"' || character == '\\') {
                quoted.append('\\').append(character);
            } else if (character < ' ') {
                quoted.append(String.format("\\u%04x", (int) character));
            } else {
                quoted.append(character);
            }
        }
        return quoted.append('"').toString();
    }

    private static void checkText(String text) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw new IllegalArgumentException(
                    "need text that UTF-8 can hold, got a lone surrogate in \"" + text + "\"");
        }
    }

    private static void writeValues(WritableByteChannel channel, Entry entry, ByteBuffer chunk) throws IOException {
        int length = Array.getLength(entry.values);
        int count;
        for (int at = 0; at < length; at += count) {
            count = Math.min(length - at, CHUNK_BYTES / entry.elementBytes());
            chunk.clear();
            if (entry.values instanceof float[] array) {
                chunk.asFloatBuffer().put(array, at, count);
            } else if (entry.values instanceof double[] array) {
                chunk.asDoubleBuffer().put(array, at, count);
            } else if (entry.values instanceof int[] array) {
                chunk.asIntBuffer().put(array, at, count);
            } else {
                chunk.asLongBuffer().put((long[]) entry.values, at, count);
            }
            writeAll(channel, chunk.limit(count * entry.elementBytes()));
        }
    }

    private static void writeAll(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
