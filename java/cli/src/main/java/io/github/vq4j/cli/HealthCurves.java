package io.github.vq4j.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What {@code CodebookHealth.writeCsv} has written, as a curve for each codebook and measure. */
final class HealthCurves {
    private final Path path;
    private final List<String> names;
    private final Map<Integer, List<double[]>> rowsOfCodebooks = new TreeMap<>();

    /**
     * Reads a file.
     *
     * @throws IOException if it cannot be read, or is not one of a codebook's health
     */
    HealthCurves(Path path) throws IOException {
        this.path = path;
        try (TextLines lines = new TextLines(path)) {
            String first = lines.next();
            names = first == null ? List.of() : List.of(first.split(","));
            int codebook = indexOf("codebook");
            for (String line = lines.next(); line != null; line = lines.next()) {
                double[] row = numbers(line, lines.number());
                rowsOfCodebooks
                        .computeIfAbsent((int) row[codebook], any -> new ArrayList<>())
                        .add(row);
            }
        }
        if (rowsOfCodebooks.isEmpty()) {
            throw new IOException(path + ": need at least one observation, got none");
        }
    }

    /** The numbers of the codebooks. */
    List<Integer> codebooks() {
        return List.copyOf(rowsOfCodebooks.keySet());
    }

    /** A measure over the observations of a codebook, by the name of its column. */
    double[] curve(int codebook, String name) throws IOException {
        int column = indexOf(name);
        return rowsOfCodebooks.get(codebook).stream()
                .mapToDouble(row -> row[column])
                .toArray();
    }

    private int indexOf(String name) throws IOException {
        int index = names.indexOf(name);
        if (index < 0) {
            throw new IOException(
                    path + ": need a column " + name + ", as CodebookHealth.writeCsv writes, got " + names);
        }
        return index;
    }

    private double[] numbers(String line, long number) throws IOException {
        String[] fields = line.split(",", -1);
        if (fields.length != names.size()) {
            throw new IOException(path + ": need " + names.size() + " fields in every line, got " + fields.length
                    + " in line " + number);
        }
        try {
            return Arrays.stream(fields).mapToDouble(HealthCurves::number).toArray();
        } catch (NumberFormatException bad) {
            throw new IOException(path + ": need numbers in line " + number + ", got " + line, bad);
        }
    }

    private static double number(String field) {
        return switch (field) {
            case "true" -> 1;
            case "false" -> 0;
            case "" -> Double.NaN;
            default -> Double.parseDouble(field);
        };
    }
}
