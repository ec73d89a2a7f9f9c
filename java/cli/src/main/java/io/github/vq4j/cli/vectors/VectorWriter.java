package io.github.vq4j.cli.vectors;

import io.github.vq4j.cli.PartFile;
import io.github.vq4j.cli.SafetensorsHeader;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;

/** Writes vectors one after the other, as .npy, .fvecs, .safetensors (a tensor "vectors") or .csv. */
public final class VectorWriter implements Closeable {
    /** The formats by the ends of their names. */
    public static final String FORMATS = ".npy, .fvecs, .safetensors, .csv";

    private static final String TENSOR = "vectors";
    private static final int NPY_ALIGNMENT = 64;
    private static final int NPY_BEFORE_HEADER = 10;

    private enum Format {
        NPY,
        FVECS,
        SAFETENSORS,
        CSV
    }

    private final Format format;
    private final int features;
    private final PartFile file;

    /**
     * Starts a file in the format that its name ends with.
     *
     * @param rows how many vectors will be written
     * @throws IOException if the format is unknown, or the file cannot be written
     */
    public VectorWriter(Path path, long rows, int features) throws IOException {
        format = formatOf(path);
        this.features = features;
        file = new PartFile(path);
        if (format == Format.NPY) {
            file.write(npyHeader(rows));
        } else if (format == Format.SAFETENSORS) {
            long bytes = Math.multiplyExact(rows, (long) features * Float.BYTES);
            file.write(SafetensorsHeader.of(Map.of(), TENSOR, "F32", bytes, rows, features));
        }
    }

    /**
     * Refuses a path whose format cannot be written.
     *
     * @throws IOException that names those that can
     */
    public static void checkFormat(Path path) throws IOException {
        formatOf(path);
    }

    /**
     * Appends vectors.
     *
     * @param values rows x features
     */
    public void write(float[] values) throws IOException {
        int rows = values.length / features;
        if (format == Format.CSV) {
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < values.length; i++) {
                text.append(values[i]).append((i + 1) % features == 0 ? '\n' : ',');
            }
            file.write(ByteBuffer.wrap(text.toString().getBytes(StandardCharsets.UTF_8)));
            return;
        }
        int prefix = format == Format.FVECS ? 1 : 0;
        ByteBuffer bytes =
                ByteBuffer.allocate(rows * (prefix + features) * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int n = 0; n < rows; n++) {
            if (prefix > 0) {
                bytes.putInt(features);
            }
            for (int d = 0; d < features; d++) {
                bytes.putFloat(values[n * features + d]);
            }
        }
        file.write(bytes.flip());
    }

    /** Gives the file its name. */
    public void finish() throws IOException {
        file.finish();
    }

    @Override
    public void close() throws IOException {
        file.close();
    }

    private static Format formatOf(Path path) throws IOException {
        String name = path.toString().toLowerCase(Locale.ROOT);
        for (Format format : Format.values()) {
            if (name.endsWith("." + format.name().toLowerCase(Locale.ROOT))) {
                return format;
            }
        }
        throw new IOException("need an output that ends in one of " + FORMATS + ", got " + path);
    }

    private ByteBuffer npyHeader(long rows) {
        String header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + rows + ", " + features + "), }";
        int length = header.length() + 1;
        int padded = (NPY_BEFORE_HEADER + length + NPY_ALIGNMENT - 1) / NPY_ALIGNMENT * NPY_ALIGNMENT;
        byte[] text =
                (header + " ".repeat(padded - NPY_BEFORE_HEADER - length) + "\n").getBytes(StandardCharsets.US_ASCII);
        return ByteBuffer.allocate(padded)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0})
                .putShort((short) text.length)
                .put(text)
                .flip();
    }
}
