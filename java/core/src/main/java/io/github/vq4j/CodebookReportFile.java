package io.github.vq4j;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;
import java.util.function.Function;

/** Reports as a table in a file. All values are numbers or truth values: nothing needs quotes. */
final class CodebookReportFile {
    private static final List<Column> COLUMNS = List.of(
            new Column("observation", CodebookReport::observation),
            new Column("codebook", CodebookReport::codebook),
            new Column("perplexity", CodebookReport::perplexity),
            new Column("windowPerplexity", CodebookReport::windowPerplexity),
            new Column("activeCodes", CodebookReport::activeCodes),
            new Column("deadCodes", CodebookReport::deadCodes),
            new Column("meanGap", CodebookReport::meanGap),
            new Column("deviationGap", CodebookReport::deviationGap),
            new Column("quantizationError", CodebookReport::quantizationError),
            new Column("secondBestGap", CodebookReport::secondBestGap),
            new Column("collapsed", CodebookReport::collapsed));

    private record Column(String name, Function<CodebookReport, Object> value) {}

    private CodebookReportFile() {}

    /** A line of names, then a line a report; what is not a finite number is left empty. */
    static void writeCsv(Iterable<CodebookReport> reports, Path path) throws IOException {
        StringBuilder text = new StringBuilder();
        text.append(String.join(",", COLUMNS.stream().map(Column::name).toList()))
                .append("\r\n");
        for (CodebookReport report : reports) {
            StringJoiner line = new StringJoiner(",", "", "\r\n");
            COLUMNS.forEach(column -> line.add(text(column.value.apply(report), "")));
            text.append(line);
        }
        write(text, path);
    }

    /** An array of objects, one a report; what is not a finite number is null. */
    static void writeJson(Iterable<CodebookReport> reports, Path path) throws IOException {
        List<String> objects = new ArrayList<>();
        for (CodebookReport report : reports) {
            StringJoiner object = new StringJoiner(", ", "  {", "}");
            COLUMNS.forEach(
                    column -> object.add('"' + column.name + "\": " + text(column.value.apply(report), "null")));
            objects.add(object.toString());
        }
        write("[\n" + String.join(",\n", objects) + "\n]\n", path);
    }

    private static String text(Object value, String missing) {
        return value instanceof Double number && !Double.isFinite(number) ? missing : value.toString();
    }

    private static void write(CharSequence text, Path path) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(text.toString().getBytes(StandardCharsets.US_ASCII));
        WholeFile.write(path, channel -> {
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        });
    }
}
