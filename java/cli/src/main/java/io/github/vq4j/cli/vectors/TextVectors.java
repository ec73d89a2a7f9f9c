package io.github.vq4j.cli.vectors;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Vectors as text, a line each: numbers separated by commas, semicolons, tabs or spaces. A first line without numbers is
 * taken as names of columns, and a first field that is no number as the row's label; both are passed over.
 */
final class TextVectors implements VectorReader {
    private static final Pattern SEPARATORS = Pattern.compile("\\s*[,;\\t]\\s*|\\s+");

    private final Path path;
    private final BufferedReader lines;
    private final long rows;
    private final int features;
    private long lineNumber;

    /** Reads the file once for the number of its rows. */
    TextVectors(Path path) throws IOException {
        this.path = path;
        try (BufferedReader whole = Files.newBufferedReader(path)) {
            long count = 0;
            int width = 0;
            for (String line = whole.readLine(); line != null; line = whole.readLine()) {
                float[] row = count == 0 ? numbers(line) : null;
                if (row != null) {
                    width = row.length;
                }
                if (width > 0 && !line.isBlank()) {
                    count++;
                }
            }
            rows = count;
            features = width;
        }
        if (rows == 0) {
            throw new IOException(path + ": need at least one line of numbers, got none");
        }
        lines = Files.newBufferedReader(path);
    }

    @Override
    public long rows() {
        return rows;
    }

    @Override
    public int features() {
        return features;
    }

    @Override
    public int read(float[] into) throws IOException {
        int count = 0;
        while ((count + 1) * features <= into.length) {
            String line = lines.readLine();
            if (line == null) {
                break;
            }
            lineNumber++;
            float[] row = numbers(line);
            boolean names = row == null && lineNumber == 1;
            if (names || line.isBlank()) {
                continue;
            }
            if (row == null || row.length != features) {
                throw new IOException(path + ": need " + features + " numbers in every line, got " + line.length()
                        + " characters that are " + (row == null ? "no numbers" : row.length + " numbers") + " in line "
                        + lineNumber);
            }
            System.arraycopy(row, 0, into, count * features, features);
            count++;
        }
        return count;
    }

    @Override
    public void close() throws IOException {
        lines.close();
    }

    /** The numbers of a line, after a label; null where there are none or something else is among them. */
    private static float @Nullable [] numbers(String line) {
        String[] fields = SEPARATORS.split(line.strip());
        int begin = isNumber(fields[0]) ? 0 : 1;
        if (begin == fields.length) {
            return null;
        }
        float[] row = new float[fields.length - begin];
        try {
            for (int d = 0; d < row.length; d++) {
                row[d] = Float.parseFloat(fields[begin + d]);
            }
        } catch (NumberFormatException other) {
            return null;
        }
        return row;
    }

    private static boolean isNumber(String field) {
        try {
            Float.parseFloat(field);
            return true;
        } catch (NumberFormatException other) {
            return false;
        }
    }
}
