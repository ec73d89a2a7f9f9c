package io.github.vq4j.docs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Lines of a source between {@code // docs: NAME} and {@code // docs: end}. */
final class Region {
    private Region() {}

    /**
     * The lines, moved to the left.
     *
     * @throws IllegalArgumentException if there is no such region
     */
    static List<String> read(Path file, String name) throws IOException {
        List<String> lines = Files.readAllLines(file);
        List<String> region = new ArrayList<>();
        boolean inside = false;
        for (String line : lines) {
            String word = line.strip();
            if (word.equals("// docs: " + name)) {
                inside = true;
            } else if (inside && word.equals("// docs: end")) {
                return leftAligned(region);
            } else if (inside) {
                region.add(line);
            }
        }
        throw new IllegalArgumentException(file + ": need a region \"// docs: " + name + "\" with its end, got none");
    }

    static List<String> leftAligned(List<String> lines) {
        int margin = lines.stream()
                .filter(line -> !line.isBlank())
                .mapToInt(line -> line.length() - line.stripLeading().length())
                .min()
                .orElse(0);
        return lines.stream()
                .map(line -> line.isBlank() ? "" : line.substring(margin))
                .toList();
    }
}
