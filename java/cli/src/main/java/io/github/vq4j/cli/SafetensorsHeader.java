package io.github.vq4j.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/** The beginning of a safetensors file of one tensor, whose bytes are written behind it as they come. */
public final class SafetensorsHeader {
    private static final int ALIGNMENT = 8;

    private SafetensorsHeader() {}

    /**
     * The same bytes for the same arguments. Spaces behind it align the tensor, as the format's own library does.
     *
     * @param type as the format names it: F32, U8
     * @param bytes that the tensor takes
     */
    public static ByteBuffer of(Map<String, String> metadata, String tensor, String type, long bytes, long... shape)
            throws IOException {
        Map<String, Object> described = new LinkedHashMap<>();
        described.put("dtype", type);
        described.put("shape", shape);
        described.put("data_offsets", new long[] {0, bytes});
        Map<String, Object> header = new LinkedHashMap<>();
        if (!metadata.isEmpty()) {
            header.put("__metadata__", new TreeMap<>(metadata));
        }
        header.put(tensor, described);
        byte[] text = new ObjectMapper().writeValueAsString(header).getBytes(StandardCharsets.UTF_8);
        byte[] padded = Arrays.copyOf(text, (text.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
        Arrays.fill(padded, text.length, padded.length, (byte) ' ');
        return ByteBuffer.allocate(Long.BYTES + padded.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(padded.length)
                .put(padded)
                .flip();
    }
}
