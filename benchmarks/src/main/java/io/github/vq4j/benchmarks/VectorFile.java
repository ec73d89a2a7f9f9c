package io.github.vq4j.benchmarks;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;

/** Real vectors from a file in the fvecs format of nearest-neighbour benchmarks: each row its int32 size, then fp32 values. */
final class VectorFile {
    private static final int BUFFER = 1 << 16;
    private static final int MOST_FOLDERS_DOWN = 3;

    private VectorFile() {}

    /** The file itself, or the first .fvecs or .fvecs.gz in a folder. */
    static Optional<Path> find(Path place) throws IOException {
        try (Stream<Path> files = Files.walk(place, MOST_FOLDERS_DOWN)) {
            return files.filter(Files::isRegularFile)
                    .filter(file -> file.getFileName().toString().matches(".*\\.fvecs(\\.gz)?"))
                    .sorted()
                    .findFirst();
        }
    }

    /**
     * Reads all rows.
     *
     * @throws IOException if the file is not of this format, has rows of different sizes, or none
     */
    static Matrix read(Path file) throws IOException {
        List<float[]> rows = new ArrayList<>();
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(open(file), BUFFER))) {
            for (byte[] size = in.readNBytes(Integer.BYTES); size.length > 0; size = in.readNBytes(Integer.BYTES)) {
                rows.add(row(file, in, size, rows));
            }
        }
        if (rows.isEmpty()) {
            throw new IOException(file + " has no vectors");
        }
        int columns = rows.get(0).length;
        float[] values = new float[Math.multiplyExact(rows.size(), columns)];
        for (int n = 0; n < rows.size(); n++) {
            System.arraycopy(rows.get(n), 0, values, n * columns, columns);
        }
        Matrix matrix = new Matrix(rows.size(), columns);
        matrix.put(values);
        return matrix;
    }

    private static InputStream open(Path file) throws IOException {
        InputStream in = Files.newInputStream(file);
        return file.toString().endsWith(".gz") ? new GZIPInputStream(in, BUFFER) : in;
    }

    private static float[] row(Path file, DataInputStream in, byte[] size, List<float[]> before) throws IOException {
        if (size.length < Integer.BYTES) {
            throw new EOFException(file + " ends within the size of row " + before.size());
        }
        int columns = ByteBuffer.wrap(size).order(ByteOrder.LITTLE_ENDIAN).getInt();
        if (columns < 1 || !before.isEmpty() && columns != before.get(0).length) {
            throw new IOException(
                    "need rows of one size, at least 1, got " + columns + " in row " + before.size() + " of " + file);
        }
        byte[] bytes = in.readNBytes(Math.multiplyExact(columns, Float.BYTES));
        if (bytes.length < columns * Float.BYTES) {
            throw new EOFException(file + " ends within row " + before.size());
        }
        float[] row = new float[columns];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(row);
        return row;
    }
}
