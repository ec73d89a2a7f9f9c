package io.github.vq4j.cli.vectors;

import io.github.vq4j.SafetensorsFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Vectors of little-endian numbers, one row after the other: .npy (NumPy, float16, float32 or float64), .safetensors (F16,
 * BF16, F32 or F64) and .fvecs (float32, each row behind its number of features).
 */
final class BinaryVectors implements VectorReader {
    private static final byte[] NPY_MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final Pattern NPY_SHAPE = Pattern.compile("'shape': \\((\\d+), (\\d+)\\)");
    private static final Pattern NPY_FLOATS = Pattern.compile("'descr': '<f([248])'");
    private static final int MOST_NPY_HEADER = 1 << 16;
    private static final int CHUNK_BYTES = 1 << 20;

    /** What the numbers are, by the names of safetensors. */
    private enum Element {
        F16(Short.BYTES),
        BF16(Short.BYTES),
        F32(Float.BYTES),
        F64(Double.BYTES);

        private final int bytes;

        Element(int bytes) {
            this.bytes = bytes;
        }

        static Element ofNpy(String bytes) {
            return switch (bytes) {
                case "2" -> F16;
                case "4" -> F32;
                default -> F64;
            };
        }
    }

    /** Where the rows lie: each is {@code prefixBytes}, then its features. */
    private record Layout(long start, long rows, int features, int prefixBytes, Element element) {
        long rowBytes() {
            return prefixBytes + (long) features * element.bytes;
        }
    }

    private final Path path;
    private final FileChannel channel;
    private final Layout layout;
    private long done;

    private BinaryVectors(Path path, FileChannel channel, Layout layout) throws IOException {
        this.path = path;
        this.channel = channel;
        this.layout = layout;
        if (layout.features < 1 || layout.rows < 1) {
            throw malformed(
                    "need at least one row of at least one feature, got " + layout.rows + " x " + layout.features);
        }
        long rowsThere = (channel.size() - layout.start) / layout.rowBytes();
        if (rowsThere < layout.rows) {
            throw malformed("need " + layout.rows + " rows of " + layout.rowBytes() + " bytes, got " + rowsThere);
        }
    }

    private interface Opener {
        BinaryVectors open(FileChannel channel) throws IOException;
    }

    private static BinaryVectors opened(Path path, Opener opener) throws IOException {
        FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
        try {
            return opener.open(channel);
        } catch (IOException | RuntimeException | Error failure) {
            channel.close();
            throw failure;
        }
    }

    static BinaryVectors ofFvecs(Path path) throws IOException {
        return opened(path, channel -> {
            int first = read(path, channel, 0, Integer.BYTES).getInt();
            int features = features(path, Integer.toString(first));
            if (features < 1) {
                throw malformed(path, "need a first row of at least one feature, got " + features);
            }
            Layout one = new Layout(0, 1, features, Integer.BYTES, Element.F32);
            if (channel.size() % one.rowBytes() != 0) {
                throw malformed(
                        path, "need whole rows of " + one.rowBytes() + " bytes, got " + channel.size() + " bytes");
            }
            long rows = channel.size() / one.rowBytes();
            return new BinaryVectors(path, channel, new Layout(0, rows, features, Integer.BYTES, Element.F32));
        });
    }

    static BinaryVectors ofNpy(Path path) throws IOException {
        return opened(path, channel -> {
            ByteBuffer begin = read(path, channel, 0, NPY_MAGIC.length + 2);
            byte[] magic = new byte[NPY_MAGIC.length];
            begin.get(magic);
            int version = begin.get();
            if (!Arrays.equals(magic, NPY_MAGIC) || version < 1 || version > 3) {
                throw malformed(path, "need NumPy's format, version 1 to 3");
            }
            int sizeBytes = version == 1 ? Short.BYTES : Integer.BYTES;
            ByteBuffer size = read(path, channel, begin.capacity(), sizeBytes);
            long headerBytes =
                    version == 1 ? Short.toUnsignedInt(size.getShort()) : Integer.toUnsignedLong(size.getInt());
            if (headerBytes > MOST_NPY_HEADER) {
                throw malformed(path, "need a header of at most " + MOST_NPY_HEADER + " bytes, got " + headerBytes);
            }
            long start = begin.capacity() + sizeBytes + headerBytes;
            String header = StandardCharsets.UTF_8
                    .decode(read(path, channel, start - headerBytes, (int) headerBytes))
                    .toString();
            Matcher shape = NPY_SHAPE.matcher(header);
            Matcher floats = NPY_FLOATS.matcher(header);
            if (!floats.find() || !header.contains("'fortran_order': False") || !shape.find()) {
                throw malformed(path, "need a matrix of <f2, <f4 or <f8 in C order, got " + header.strip());
            }
            Element element = Element.ofNpy(floats.group(1));
            return new BinaryVectors(
                    path,
                    channel,
                    new Layout(start, rows(path, shape.group(1)), features(path, shape.group(2)), 0, element));
        });
    }

    static BinaryVectors ofSafetensors(Path path, @Nullable String tensor) throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            Set<String> names = file.names();
            if (names.isEmpty()) {
                throw malformed(path, "need a tensor of vectors, got none");
            }
            if (tensor == null && names.size() != 1) {
                throw malformed(path, "need --tensor with one of " + names);
            }
            String name = tensor == null ? names.iterator().next() : tensor;
            long[] shape = file.shape(name);
            String type = file.type(name);
            Element element = Arrays.stream(Element.values())
                    .filter(known -> known.name().equals(type))
                    .findFirst()
                    .orElse(null);
            if (element == null || shape.length != 2) {
                throw malformed(
                        path,
                        "need tensor " + name + " to be a matrix of one of " + Arrays.toString(Element.values())
                                + ", got " + type + " " + Arrays.toString(shape));
            }
            Layout layout =
                    new Layout(file.position(name), shape[0], features(path, Long.toString(shape[1])), 0, element);
            return opened(path, channel -> new BinaryVectors(path, channel, layout));
        }
    }

    @Override
    public long rows() {
        return layout.rows;
    }

    @Override
    public int features() {
        return layout.features;
    }

    @Override
    public int read(float[] into) throws IOException {
        int wanted = (int) Math.min(into.length / layout.features, layout.rows - done);
        int chunkRows = (int) Math.max(1, CHUNK_BYTES / layout.rowBytes());
        for (int n = 0; n < wanted; n += chunkRows) {
            int rows = Math.min(chunkRows, wanted - n);
            ByteBuffer bytes = read(
                    path,
                    channel,
                    layout.start + (done + n) * layout.rowBytes(),
                    Math.toIntExact(rows * layout.rowBytes()));
            for (int row = 0; row < rows; row++) {
                takeRow(bytes, done + n + row, into, (n + row) * layout.features);
            }
        }
        done += wanted;
        return wanted;
    }

    private void takeRow(ByteBuffer bytes, long row, float[] into, int at) throws IOException {
        if (layout.prefixBytes > 0) {
            int features = bytes.getInt();
            if (features != layout.features) {
                throw malformed("need " + layout.features + " features in every row, got " + features + " in row " + row
                        + ", counted from 0");
            }
        }
        for (int d = 0; d < layout.features; d++) {
            double value = element(bytes);
            into[at + d] = (float) value;
            if (!Float.isFinite(into[at + d])) {
                throw malformed("need finite numbers of float32, got " + value + " in row " + row + ", feature " + d
                        + ", both counted from 0");
            }
        }
    }

    private double element(ByteBuffer bytes) {
        return switch (layout.element) {
            case F16 -> ofHalf(bytes.getShort());
            case BF16 -> Float.intBitsToFloat(bytes.getShort() << Short.SIZE);
            case F32 -> bytes.getFloat();
            case F64 -> bytes.getDouble();
        };
    }

    /** Of IEEE 754's binary16: a sign, 5 bits of exponent, 10 of fraction. */
    private static double ofHalf(short half) {
        int exponent = half >> 10 & 0x1f;
        int fraction = half & 0x3ff;
        double size;
        if (exponent == 0x1f) {
            size = fraction == 0 ? Double.POSITIVE_INFINITY : Double.NaN;
        } else if (exponent == 0) {
            size = Math.scalb((double) fraction, -24);
        } else {
            size = Math.scalb((double) (0x400 + fraction), exponent - 25);
        }
        return half < 0 ? -size : size;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    private static long rows(Path path, String number) throws IOException {
        try {
            return Long.parseLong(number);
        } catch (NumberFormatException tooLarge) {
            throw malformed(path, "need a number of rows below 2^63, got " + number);
        }
    }

    private static int features(Path path, String number) throws IOException {
        long features = rows(path, number);
        if (features > Integer.MAX_VALUE / Double.BYTES) {
            throw malformed(path, "need at most " + Integer.MAX_VALUE / Double.BYTES + " features, got " + number);
        }
        return (int) features;
    }

    private static ByteBuffer read(Path path, FileChannel channel, long from, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes, from + bytes.position()) < 0) {
                throw malformed(path, "ends after " + channel.size() + " bytes, in the middle of what it should have");
            }
        }
        return bytes.flip();
    }

    private IOException malformed(String what) {
        return malformed(path, what);
    }

    private static IOException malformed(Path path, String what) {
        return new IOException(path + ": " + what);
    }
}
