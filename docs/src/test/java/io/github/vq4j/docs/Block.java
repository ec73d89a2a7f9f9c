package io.github.vq4j.docs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A fenced block of a page.
 *
 * @param line of the opening fence, from 1
 * @param language after the opening fence
 * @param text without the fences
 * @param origin what the comment above the block says: kind and value, or two empty strings
 */
record Block(Path file, int line, String language, List<String> text, Origin origin) {
    private static final Pattern COMMENT = Pattern.compile("<!-- (snippet|pom|part of|untested): (.*) -->");

    /** Where a block comes from. */
    record Origin(String kind, String value) {}

    /** All of a page. */
    static List<Block> of(Path file) throws IOException {
        List<Block> blocks = new ArrayList<>();
        List<String> lines = Files.readAllLines(file);
        for (int i = 0; i < lines.size(); i++) {
            if (!lines.get(i).startsWith("```")) {
                continue;
            }
            int end = i + 1;
            while (end < lines.size() && !lines.get(end).equals("```")) {
                end++;
            }
            String before = i == 0 ? "" : lines.get(i - 1);
            Matcher comment = COMMENT.matcher(before);
            Origin origin = comment.matches() ? new Origin(comment.group(1), comment.group(2)) : new Origin("", "");
            blocks.add(
                    new Block(file, i + 1, lines.get(i).substring(3), List.copyOf(lines.subList(i + 1, end)), origin));
            i = end;
        }
        return blocks;
    }

    /** The page with other text in this block. */
    void replace(List<String> by) throws IOException {
        List<String> lines = new ArrayList<>(Files.readAllLines(file));
        lines.subList(line, line + text.size()).clear();
        lines.addAll(line, by);
        Files.write(file, lines);
    }

    /** Where it is, for messages. */
    String place() {
        return file + ":" + line;
    }
}
