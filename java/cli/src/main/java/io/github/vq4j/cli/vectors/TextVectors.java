package io.github.vq4j.cli.vectors;

import io.github.vq4j.cli.TextLines;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Vectors as text in UTF-8, a line each: numbers separated by commas, semicolons, tabs or spaces; blank lines are passed
 * over. The beginning of the file says once what holds for all lines:
 *
 * <ul>
 *   <li>a first line without numbers is names of columns, and passed over;
 *   <li>so is that of word2vec and fastText, the number of words and the number of features of the line that follows;
 *   <li>a first column is labels, and passed over, if it has no name there, behind a line of word2vec, or if its field in the
 *       first row is a word;
 *   <li>what separates the fields is what does so in the first row.
 * </ul>
 *
 * <p>Any other field has to be a finite number.
 */
final class TextVectors implements VectorReader {
    private static final char SPACES = ' ';
    private static final String MARKS = "\t;,";

    /** What stands in the place of a number, and is not to be taken for a word. */
    private static final Pattern MISSING =
            Pattern.compile("|[+-]?(nan|inf|infinity)|na|n/a|null|none", Pattern.CASE_INSENSITIVE);

    private static final Pattern WHOLE = Pattern.compile("[0-9]+");
    private static final int MOST_SHOWN = 40;

    private final Path path;
    private final TextLines lines;
    private final char separator;
    private final int labels;
    private final int features;
    private final long rows;
    private final long firstLine;

    /** Reads the file once for the number of its rows. */
    TextVectors(Path path) throws IOException {
        this.path = path;
        String[] first;
        boolean counts;
        try (TextLines beginning = new TextLines(path)) {
            String line = filled(beginning);
            firstLine = beginning.number();
            first = line == null ? new String[0] : fields(line, separatorOf(line));
            counts = areCounts(first, filled(beginning));
        }
        boolean named = areNames(first);
        try (TextLines whole = new TextLines(path)) {
            if (named || counts) {
                filled(whole);
            }
            String row = filled(whole);
            if (row == null) {
                throw new IOException(path + ": need at least one line of numbers, got none");
            }
            separator = separatorOf(row);
            String[] fields = fields(row, separator);
            labels = counts || (named && first[0].isEmpty()) || isWord(fields[0]) ? 1 : 0;
            features = fields.length - labels;
            if (features == 0) {
                throw badField(fields[0], 1, whole.number());
            }
            long count = 0;
            for (; row != null; row = filled(whole)) {
                count++;
            }
            rows = count;
            lines = new TextLines(path);
            if (named || counts) {
                filled(lines);
            }
        }
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
            String line = filled(lines);
            if (line == null) {
                break;
            }
            take(fields(line, separator), into, count * features);
            count++;
        }
        return count;
    }

    private void take(String[] fields, float[] into, int at) throws IOException {
        if (fields.length != labels + features) {
            throw new IOException(path + ": need " + (labels > 0 ? "a label and " : "") + features
                    + " numbers in every line, got " + fields.length + " fields in line " + lines.number());
        }
        for (int d = 0; d < features; d++) {
            float value = number(fields[labels + d]);
            if (!Float.isFinite(value)) {
                throw badField(fields[labels + d], labels + d + 1, lines.number());
            }
            into[at + d] = value;
        }
    }

    @Override
    public void close() throws IOException {
        lines.close();
    }

    private IOException badField(String field, int number, long line) {
        String shown = field.length() > MOST_SHOWN ? field.substring(0, MOST_SHOWN) + "..." : field;
        return new IOException(path + ": need a finite number, got \"" + shown + "\" in field " + number + " of line "
                + line + (line == firstLine ? "; a first line is names of columns if no field in it is a number" : ""));
    }

    /** The next line that is not blank. */
    private static @Nullable String filled(TextLines lines) throws IOException {
        String line = lines.next();
        while (line != null && line.isBlank()) {
            line = lines.next();
        }
        return line;
    }

    private static char separatorOf(String line) {
        char mark = (char) MARKS.chars()
                .filter(each -> line.indexOf(each) >= 0)
                .findFirst()
                .orElse(SPACES);
        // Among words, "10,000" is one of them.
        String[] words = fields(line, SPACES);
        boolean numbers = Arrays.stream(words).skip(1).allMatch(TextVectors::isNumber);
        return numbers && words.length > fields(line, mark).length ? SPACES : mark;
    }

    /** Without the spaces around them; where these separate, there are fields between them only. */
    private static String[] fields(String line, char separator) {
        List<String> fields = new ArrayList<>();
        int begin = 0;
        while (begin <= line.length()) {
            int mark = line.indexOf(separator, begin);
            int next = mark < 0 ? line.length() : mark;
            int end = next;
            while (begin < end && line.charAt(begin) == ' ') {
                begin++;
            }
            while (begin < end && line.charAt(end - 1) == ' ') {
                end--;
            }
            if (separator != SPACES || begin < end) {
                fields.add(line.substring(begin, end));
            }
            begin = next + 1;
        }
        return fields.toArray(new String[0]);
    }

    private static boolean areNames(String[] fields) {
        boolean unnamed = fields.length > 1 && fields[0].isEmpty();
        return fields.length > 0 && Arrays.stream(fields).skip(unnamed ? 1 : 0).allMatch(TextVectors::isWord);
    }

    /** Whether a first line is word2vec's. Two numbers may be a vector, too, which a second row of two numbers is. */
    private static boolean areCounts(String[] first, @Nullable String second) {
        if (second == null || first.length != 2 || !Arrays.stream(first).allMatch(WHOLE.asMatchPredicate())) {
            return false;
        }
        String[] row = fields(second, separatorOf(second));
        return first[1].equals(Integer.toString(row.length - 1)) && (row.length > 2 || isWord(row[0]));
    }

    private static boolean isWord(String field) {
        return !isNumber(field) && !MISSING.matcher(field).matches();
    }

    private static boolean isNumber(String field) {
        return !Float.isNaN(number(field));
    }

    /** NaN if it is none. {@link Float#parseFloat} would take "4f" and "0x1p3" too. */
    private static float number(String field) {
        for (int i = 0; i < field.length(); i++) {
            if ("0123456789+-.eE".indexOf(field.charAt(i)) < 0) {
                return Float.NaN;
            }
        }
        try {
            return Float.parseFloat(field);
        } catch (NumberFormatException none) {
            return Float.NaN;
        }
    }
}
