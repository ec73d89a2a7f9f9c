package io.github.vq4j.cli;

import io.github.vq4j.CodePacking;
import io.github.vq4j.SafetensorsFile;
import io.github.vq4j.Tensor;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * Packed codes of a file of vectors: a safetensors file with one tensor {@code codes}, U8, the codes of all rows as
 * {@link CodePacking} puts them, and in its metadata the number of {@code rows} and the SHA-256 of the {@code codebook}
 * file that they belong to. Written and read in batches.
 */
final class CodesFile {
    private static final String TENSOR = "codes";
    static final String FORMAT = "vq4j.codes";

    private CodesFile() {}

    /** What ties codes to their codebook. */
    static String fingerprint(Path codebook) throws IOException {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            return HexFormat.of().formatHex(digest.digest(Files.readAllBytes(codebook)));
        } catch (NoSuchAlgorithmException missing) {
            throw new IllegalStateException(missing);
        }
    }

    /** Writes codes, batch by batch. */
    static final class Writer implements Closeable {
        private final CodePacking packing;
        private final PartFile file;

        Writer(Path path, CodePacking packing, OptionalInt codesOfRow, String codebook, long rows) throws IOException {
            this.packing = packing;
            long bytes = packing.bytes(Math.multiplyExact(rows, codesOfRow.orElse(1)));
            Map<String, String> metadata = Map.of("format", FORMAT, "rows", Long.toString(rows), "codebook", codebook);
            file = new PartFile(path);
            file.write(SafetensorsHeader.of(metadata, TENSOR, "U8", bytes, bytes));
        }

        /** Appends codes; of a multiple of 8 rows, but for the last batch. */
        void write(Tensor codes) throws IOException {
            file.write(ByteBuffer.wrap(packing.pack(codes)));
        }

        void finish() throws IOException {
            file.finish();
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }

    /** Reads codes, batch by batch. */
    static final class Reader implements Closeable {
        private final Path path;
        private final CodePacking packing;
        private final OptionalInt codesOfRow;
        private final FileChannel channel;
        private final long rows;
        private long position;
        private long done;

        Reader(Path path, CodePacking packing, OptionalInt codesOfRow, String codebook) throws IOException {
            this.path = path;
            this.packing = packing;
            this.codesOfRow = codesOfRow;
            try (SafetensorsFile file = SafetensorsFile.open(path)) {
                Map<String, String> metadata = file.metadata();
                if (!FORMAT.equals(metadata.get("format")) || !file.has(TENSOR)) {
                    throw malformed("need a file of codes that encode wrote");
                }
                if (!codebook.equals(metadata.get("codebook"))) {
                    throw malformed("need the codebook file that its codes were made with, got one with SHA-256 "
                            + codebook + " instead of " + metadata.get("codebook"));
                }
                rows = rowsOf(metadata.get("rows"));
                long[] shape = file.shape(TENSOR);
                if (!file.type(TENSOR).equals("U8") || shape.length != 1) {
                    throw malformed("need codes of type U8 on one axis, got " + file.type(TENSOR) + " of shape "
                            + Arrays.toString(shape));
                }
                long bytes = shape[0];
                if (rows < 1
                        || rows > Long.MAX_VALUE / codesOfRow.orElse(1) / Integer.SIZE
                        || packing.bytes(rows * codesOfRow.orElse(1)) != bytes) {
                    throw malformed("need the codes of " + rows + " rows, got " + bytes + " bytes");
                }
                position = file.position(TENSOR);
            }
            channel = FileChannel.open(path, StandardOpenOption.READ);
        }

        long rows() {
            return rows;
        }

        /** The codes of the next rows, a multiple of 8 or all that are left. */
        Tensor read(int wanted) throws IOException {
            int count = (int) Math.min(wanted, rows - done);
            ByteBuffer bytes = ByteBuffer.allocate((int) packing.bytes((long) count * codesOfRow.orElse(1)));
            while (bytes.hasRemaining()) {
                if (channel.read(bytes, position + bytes.position()) < 0) {
                    throw malformed("ends in the middle of its codes");
                }
            }
            try {
                Tensor codes = codesOfRow.isPresent()
                        ? packing.unpack(bytes.array(), count, codesOfRow.getAsInt())
                        : packing.unpack(bytes.array(), count);
                position += bytes.capacity();
                done += count;
                return codes;
            } catch (IllegalArgumentException damaged) {
                throw malformed(
                        "need codes of its codebook, got in " + count + " rows from row " + done
                                + " on, counted from 0: " + damaged.getMessage(),
                        damaged);
            }
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }

        private long rowsOf(String text) throws IOException {
            try {
                return Long.parseLong(text);
            } catch (NumberFormatException bad) {
                throw malformed("need a number of rows, got " + text);
            }
        }

        private IOException malformed(String what) {
            return malformed(what, null);
        }

        private IOException malformed(String what, @Nullable Exception cause) {
            return new IOException(path + ": " + what, cause);
        }
    }
}
