package io.github.vq4j;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A safetensors file, open for reading: named tensors and a map of text. The header is checked when the file is opened;
 * tensors are read when they are asked for. A file is taken as written by anybody: what it says of sizes is checked
 * against the size it has, so that reading takes no more memory than the file takes on the disk.
 *
 * <p>The format: the length of the header, 8 bytes, little-endian; the header, JSON in UTF-8, at most 100 MB; the
 * tensors, row-major, little-endian, without gaps. They are copied out of the file, so that none has to be aligned.
 * Those of types that Java has no arrays of can be read as bytes.
 *
 * <p>Not thread-safe.
 */
public final class SafetensorsFile implements StateSource, AutoCloseable {
    static final long MAX_HEADER_BYTES = 100_000_000;
    static final int MAX_TENSORS = 100_000;
    static final String METADATA = "__metadata__";
    private static final int MAX_AXES = 64;
    private static final int CHUNK_BYTES = 1 << 16;

    /** What a zip archive begins with: "PK", 3, 4. */
    private static final int ZIP = 0x04034b50;

    static final Map<String, Integer> ELEMENT_BITS = elementBits();

    private record Entry(String type, long[] shape, long begin, long end) {}

    /** Takes {@code count} elements, number {@code at} the first of them. */
    private interface ChunkReader {
        void take(ByteBuffer chunk, int at, int count);
    }

    private final Path path;
    private final FileChannel channel;
    private final Map<String, String> metadata = new HashMap<>();
    private final Map<String, Entry> entries = new TreeMap<>();
    private final long dataStart;
    private final long dataBytes;

    private SafetensorsFile(Path path, FileChannel channel) throws IOException {
        this.path = path;
        this.channel = channel;
        long size = size();
        if (size < Long.BYTES) {
            throw malformed("no safetensors file: need at least 8 bytes, got " + size);
        }
        long headerBytes = read(0, Long.BYTES).getLong();
        long most = Math.min(MAX_HEADER_BYTES, size - Long.BYTES);
        if (headerBytes < 0 || headerBytes > most) {
            if ((int) headerBytes == ZIP) {
                throw malformed("no safetensors file but a zip archive, as torch.save writes; save it by safetensors");
            }
            throw malformed("no safetensors file: need a header of at most " + most + " bytes in a file of " + size
                    + ", got " + Long.toUnsignedString(headerBytes));
        }
        dataStart = Long.BYTES + headerBytes;
        dataBytes = size - dataStart;
        try {
            readHeader(new JsonReader(text(read(Long.BYTES, (int) headerBytes))));
        } catch (IllegalArgumentException bad) {
            throw malformed(bad.getMessage());
        }
        checkLayout();
    }

    /**
     * Opens a file and checks its header.
     *
     * @throws IOException if it cannot be read or is not a safetensors file; the message says why
     */
    public static SafetensorsFile open(Path path) throws IOException {
        if (Files.isDirectory(path)) {
            throw new IOException(path + ": need a safetensors file, got a folder");
        }
        FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
        try {
            return new SafetensorsFile(path, channel);
        } catch (IOException | RuntimeException | Error failure) {
            channel.close();
            throw failure;
        }
    }

    /** The names of the tensors, sorted. */
    @Override
    public Set<String> names() {
        return Collections.unmodifiableSet(entries.keySet());
    }

    /** The text that goes with the tensors. */
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    /** Whether there is a tensor of this name. */
    @Override
    public boolean has(String name) {
        return entries.containsKey(name);
    }

    /** The type of a tensor's elements as the format names it: "F32", "I64", "BF16". */
    @Override
    public String type(String name) throws IOException {
        return entry(name).type;
    }

    /** The sizes of a tensor's axes. */
    @Override
    public long[] shape(String name) throws IOException {
        return entry(name).shape.clone();
    }

    /** Where in the file a tensor's bytes begin, for those who read or map a part of it themselves. */
    public long position(String name) throws IOException {
        return dataStart + entry(name).begin;
    }

    /** The elements of an F32 tensor. */
    @Override
    public float[] floats(String name) throws IOException {
        Entry entry = entry(name, "F32");
        float[] values = new float[arrayLength(name, entry, Float.BYTES)];
        read(entry, Float.BYTES, (chunk, at, count) -> chunk.asFloatBuffer().get(values, at, count));
        return values;
    }

    /** The elements of an F64 tensor. */
    @Override
    public double[] doubles(String name) throws IOException {
        Entry entry = entry(name, "F64");
        double[] values = new double[arrayLength(name, entry, Double.BYTES)];
        read(entry, Double.BYTES, (chunk, at, count) -> chunk.asDoubleBuffer().get(values, at, count));
        return values;
    }

    /** The elements of an I32 tensor. */
    @Override
    public int[] ints(String name) throws IOException {
        Entry entry = entry(name, "I32");
        int[] values = new int[arrayLength(name, entry, Integer.BYTES)];
        read(entry, Integer.BYTES, (chunk, at, count) -> chunk.asIntBuffer().get(values, at, count));
        return values;
    }

    /** The elements of an I64 tensor. */
    @Override
    public long[] longs(String name) throws IOException {
        Entry entry = entry(name, "I64");
        long[] values = new long[arrayLength(name, entry, Long.BYTES)];
        read(entry, Long.BYTES, (chunk, at, count) -> chunk.asLongBuffer().get(values, at, count));
        return values;
    }

    /** The bytes of a tensor of any type, little-endian. */
    public byte[] bytes(String name) throws IOException {
        Entry entry = entry(name);
        byte[] values = new byte[arrayLength(name, entry, 1)];
        read(entry, 1, (chunk, at, count) -> chunk.get(values, at, count));
        return values;
    }

    /** Closes the file; a second call does nothing. */
    @Override
    public void close() throws IOException {
        channel.close();
    }

    @Override
    public String toString() {
        return path + " (" + entries.size() + " tensors)";
    }

    /** The size of all tensors together. */
    long dataBytes() {
        return dataBytes;
    }

    /** An error that names the file. */
    IOException malformed(String what) {
        return new IOException(path + ": " + what);
    }

    // ---- header ------------------------------------------------------------------------------------------------

    private static String text(ByteBuffer utf8) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(utf8).toString();
        } catch (CharacterCodingException notUtf8) {
            throw new IllegalArgumentException("need a header in UTF-8, got other bytes", notUtf8);
        }
    }

    private void readHeader(JsonReader header) {
        boolean[] metadataSeen = {false};
        header.readObject(name -> {
            if (name.equals(METADATA) && !metadataSeen[0]) {
                metadataSeen[0] = true;
                header.readObject(key -> checkFirst(metadata.put(key, header.readString()), key));
                return;
            }
            checkFirst(name.equals(METADATA) ? name : null, name);
            if (entries.size() == MAX_TENSORS) {
                throw new IllegalArgumentException("need at most " + MAX_TENSORS + " tensors, got more");
            }
            checkFirst(entries.put(name, readEntry(name, header)), name);
        });
        header.readEnd();
    }

    private static void checkFirst(@Nullable Object before, String name) {
        if (before != null) {
            throw new IllegalArgumentException("need each name once in the header, got \"" + name + "\" twice");
        }
    }

    private static Entry readEntry(String name, JsonReader header) {
        Map<String, Object> fields = new HashMap<>();
        header.readObject(field -> {
            Object value =
                    switch (field) {
                        case "dtype" -> header.readString();
                        case "shape" -> readCounts(name, header, MAX_AXES);
                        case "data_offsets" -> readCounts(name, header, 2);
                        default ->
                            throw new IllegalArgumentException(
                                    "need dtype, shape and data_offsets of tensor " + name + ", got \"" + field + "\"");
                    };
            checkFirst(fields.put(field, value), name + "." + field);
        });
        if (fields.size() != 3 || ((long[]) fields.get("data_offsets")).length != 2) {
            throw new IllegalArgumentException(
                    "need dtype, shape and two data_offsets of tensor " + name + ", got " + fields.keySet());
        }
        long[] offsets = (long[]) fields.get("data_offsets");
        return new Entry((String) fields.get("dtype"), (long[]) fields.get("shape"), offsets[0], offsets[1]);
    }

    private static long[] readCounts(String name, JsonReader header, int most) {
        List<Long> counts = new ArrayList<>();
        header.readArray(() -> {
            if (counts.size() == most) {
                throw new IllegalArgumentException("need at most " + most + " numbers in a list of tensor " + name);
            }
            counts.add(header.readCount());
        });
        return counts.stream().mapToLong(Long::longValue).toArray();
    }

    /** The tensors fill the rest of the file: no gap, no overlap, and as many bytes each as the shape needs. */
    private void checkLayout() throws IOException {
        List<Map.Entry<String, Entry>> inOrder = new ArrayList<>(entries.entrySet());
        inOrder.sort(Comparator.comparingLong((Map.Entry<String, Entry> tensor) -> tensor.getValue().begin)
                .thenComparingLong(tensor -> tensor.getValue().end));
        long end = 0;
        for (Map.Entry<String, Entry> tensor : inOrder) {
            Entry entry = tensor.getValue();
            String what = "tensor " + tensor.getKey();
            long bytes = bytesOf(what, entry);
            String place = "bytes " + entry.begin + " to " + entry.end;
            if (entry.end < entry.begin || entry.end > dataBytes) {
                throw malformed("need " + what + " within " + dataBytes + " bytes of data, got " + place);
            }
            if (entry.end - entry.begin != bytes) {
                throw malformed("need " + bytes + " bytes for " + what + " " + describe(entry) + ", got " + place);
            }
            if (entry.begin != end) {
                throw malformed(
                        "need " + what + " to begin at byte " + end + ", where the one before ends, got " + place);
            }
            end = entry.end;
        }
        if (end != dataBytes) {
            throw malformed("need " + end + " bytes of data for the tensors, got " + dataBytes);
        }
    }

    private long bytesOf(String what, Entry entry) throws IOException {
        Integer elementBits = ELEMENT_BITS.get(entry.type);
        if (elementBits == null) {
            throw malformed("need " + what + " of a type among " + new TreeMap<>(ELEMENT_BITS).keySet() + ", got \""
                    + entry.type + "\"");
        }
        long bits = elementBits;
        try {
            for (long axis : entry.shape) {
                bits = Math.multiplyExact(bits, axis);
            }
        } catch (ArithmeticException overflow) {
            throw malformed("the sizes of " + what + " " + describe(entry) + " overflow 63 bits");
        }
        if (bits % Byte.SIZE != 0) {
            throw malformed("need whole bytes for " + what + " " + describe(entry) + ", got " + bits + " bits");
        }
        return bits / Byte.SIZE;
    }

    private static String describe(Entry entry) {
        return entry.type + Arrays.toString(entry.shape);
    }

    // ---- data --------------------------------------------------------------------------------------------------

    private Entry entry(String name) throws IOException {
        Entry entry = entries.get(name);
        if (entry == null) {
            throw malformed("need a tensor " + name + ", got "
                    + (entries.size() > 20 ? entries.size() + " others" : entries.keySet()));
        }
        return entry;
    }

    private Entry entry(String name, String type) throws IOException {
        Entry entry = entry(name);
        if (!entry.type.equals(type)) {
            throw malformed("need tensor " + name + " of " + type + ", got " + describe(entry));
        }
        return entry;
    }

    private int arrayLength(String name, Entry entry, int elementBytes) throws IOException {
        long count = (entry.end - entry.begin) / elementBytes;
        if (count > Integer.MAX_VALUE - 8) {
            throw malformed("tensor " + name + " " + describe(entry) + " does not fit in one array");
        }
        return (int) count;
    }

    private void read(Entry entry, int elementBytes, ChunkReader reader) throws IOException {
        int done = 0;
        for (long at = entry.begin; at < entry.end; at += CHUNK_BYTES) {
            int count = (int) Math.min(CHUNK_BYTES, entry.end - at) / elementBytes;
            reader.take(read(dataStart + at, count * elementBytes), done, count);
            done += count;
        }
    }

    private ByteBuffer read(long from, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
        try {
            while (bytes.hasRemaining()) {
                if (channel.read(bytes, from + bytes.position()) < 0) {
                    throw malformed("need " + (from + count) + " bytes, got an end after " + (from + bytes.position()));
                }
            }
        } catch (ClosedChannelException closed) {
            throw unreadable(closed);
        }
        return bytes.flip();
    }

    private long size() throws IOException {
        try {
            return channel.size();
        } catch (ClosedChannelException closed) {
            throw unreadable(closed);
        }
    }

    /** Of a channel, which is closed by an interrupt too and says nothing. */
    private IOException unreadable(ClosedChannelException closed) {
        String why = closed instanceof ClosedByInterruptException
                ? "the thread has been interrupted, which closes the file"
                : "the file is closed";
        return new IOException(path + ": " + why, closed);
    }

    private static Map<String, Integer> elementBits() {
        Map<String, Integer> bits = new HashMap<>();
        bits.put("F4", 4);
        List.of("F6_E2M3", "F6_E3M2").forEach(type -> bits.put(type, 6));
        List.of("BOOL", "U8", "I8").forEach(type -> bits.put(type, 8));
        List.of("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ").forEach(type -> bits.put(type, 8));
        List.of("U16", "I16", "F16", "BF16").forEach(type -> bits.put(type, 16));
        List.of("U32", "I32", "F32").forEach(type -> bits.put(type, 32));
        List.of("U64", "I64", "F64", "C64").forEach(type -> bits.put(type, 64));
        return Map.copyOf(bits);
    }
}
