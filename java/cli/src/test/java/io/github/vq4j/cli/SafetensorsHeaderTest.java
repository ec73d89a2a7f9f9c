package io.github.vq4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SafetensorsHeaderTest {
    /** The order of {@link Map#of} is another in every JVM. */
    @Test
    void theSameInEveryJvm() throws IOException {
        assertEquals(
                "{\"__metadata__\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\",\"d\":\"4\"},"
                        + "\"t\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[0,5]}}",
                text(SafetensorsHeader.of(Map.of("d", "4", "b", "2", "a", "1", "c", "3"), "t", "U8", 5, 5))
                        .strip());
    }

    @Test
    void theTensorIsAligned() throws IOException {
        for (String tensor : new String[] {"t", "te", "ten", "tens", "tenso", "tensor", "tensors", "tensors1"}) {
            ByteBuffer header = SafetensorsHeader.of(Map.of(), tensor, "F32", 24, 2, 3);
            assertEquals(0, header.remaining() % 8);
            assertEquals(
                    "{\"" + tensor + "\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}",
                    text(header).stripTrailing());
        }
    }

    private static String text(ByteBuffer header) {
        assertEquals(
                header.remaining() - 8, header.order(ByteOrder.LITTLE_ENDIAN).getLong());
        return StandardCharsets.UTF_8.decode(header).toString();
    }
}
