package io.github.vq4j.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ReadmeTableTest {
    /** Tests run in the folder of their module. */
    private static final Path ROOT = Path.of("..");

    @Test
    void theReadmeShowsTheFiguresOfTheCommittedFiles() throws IOException {
        String readme = Files.readString(ROOT.resolve("README.md"));
        assertEquals(
                ReadmeTable.blockOf(Readme.tables(Readme.SHOWN, ROOT)),
                ReadmeTable.blockOf(readme),
                "run: java -jar benchmarks/target/benchmarks.jar readme");
    }

    @Test
    void aRowHasOurRateItsShareOfThePeakAndTheRatioToEachPeer() {
        String table = table(example(8.0e9));
        assertTrue(table.contains("| N x K x D | vq4j | libtorch, matmul + argmin | FAISS |\n"), table);
        assertTrue(
                table.contains(
                        "| assignment, 1000 x 1000 x 2 | 1.00 ms (4.00 GFLOP/s, 50 % of the peak) | 20.0 ms, 20.0 x | – |\n"),
                table);
        assertTrue(
                table.contains("| scatter, 1000 x 10 x 25 | 0.10 ms (1.00 GB/s, 50 % of a copy) |\n")
                        || table.contains("| scatter, 1000 x 10 x 25 | 100 us (1.00 GB/s, 50 % of a copy) |\n"),
                table);
    }

    @Test
    void theFiguresAreWrittenTheSameInEveryCountry() {
        ReadmeTable table = new ReadmeTable(example(8.0e9), "file.json");
        String block = ReadmeTable.blockOf(List.of(table, table));
        Locale before = Locale.getDefault();
        Locale.setDefault(Locale.forLanguageTag("ar-EG"));
        try {
            assertEquals(block, ReadmeTable.blockOf(List.of(table, table)));
        } finally {
            Locale.setDefault(before);
        }
    }

    @Test
    void whatWasNotMeasuredIsSaid() {
        assertTrue(table(example(8.0e9)).endsWith("Not measured: Spark ML: not asked for; GPU.\n"));
    }

    @Test
    void withoutAPeakThereIsNoShare() {
        assertTrue(table(example(null)).contains("| 1.00 ms (4.00 GFLOP/s) |"));
    }

    @Test
    void onlyTheTextBetweenTheMarkersChanges() {
        ReadmeTable table = new ReadmeTable(example(8.0e9), "file.json");
        String readme = "before\n" + ReadmeTable.BEGIN + "old" + ReadmeTable.END + "\nafter\n";
        String written = ReadmeTable.into(readme, List.of(table));
        assertEquals("before\n" + ReadmeTable.BEGIN + table + ReadmeTable.END + "\nafter\n", written);
        assertEquals(table.toString(), ReadmeTable.blockOf(written));
        assertThrows(IllegalArgumentException.class, () -> ReadmeTable.into("no markers", List.of(table)));
        assertThrows(IllegalArgumentException.class, () -> ReadmeTable.into(ReadmeTable.BEGIN, List.of(table)));
    }

    @Test
    void furtherMachinesAreFolded() {
        ReadmeTable table = new ReadmeTable(example(8.0e9), "file.json");
        String block = ReadmeTable.blockOf(List.of(table, table));
        assertTrue(block.startsWith(table + "\n<details>\n<summary>"), block);
        assertTrue(block.endsWith(table + "\n</details>\n"), block);
    }

    @Test
    void theConsoleShowsEveryResult() {
        String text = new ConsoleTable(example(8.0e9)).toString();
        assertTrue(text.contains("assignment  N = 1000  K = 1000  D = 2  normal"), text);
        assertTrue(text.matches("(?s).*vq4j +1\\.00 ms +4\\.00 GFLOP/s +50 % +1\\.0 MiB +99\\.50 % +yes.*"), text);
        assertTrue(text.matches("(?s).*libtorch, matmul \\+ argmin +20\\.0 ms .* 20\\.0 x .*NO.*"), text);
        assertTrue(text.contains("too slow"), text);
        assertTrue(text.contains("Spark ML: not measured: not asked for"), text);
    }

    private static String table(Report report) {
        return new ReadmeTable(report, "file.json").toString();
    }

    private static Report example(Double peak) {
        Map<String, String> contenders = new LinkedHashMap<>();
        contenders.put("vq4j", "avx2, 2 threads");
        contenders.put("libtorch", "2 in this process");
        contenders.put("Spark ML", "not measured: not asked for");
        contenders.put("GPU", "not measured");
        Report.Row assignment = new Report.Row(
                "assignment",
                1000,
                1000,
                2,
                "normal",
                4e6,
                0,
                peak,
                null,
                List.of(
                        new Report.Result("vq4j", 1e-3, 1L << 20, 0.995, true, null, null),
                        new Report.Result("libtorch, matmul + argmin", 2e-2, null, 1.0, false, null, null),
                        new Report.Result("FAISS", null, null, null, null, null, "too slow")));
        Report.Row scatter = new Report.Row(
                "scatter",
                1000,
                10,
                25,
                "normal",
                0,
                1e5,
                null,
                2e9,
                List.of(new Report.Result("vq4j", 1e-4, 0L, null, true, null, null)));
        return new Report(
                "2026-01-01",
                "abc",
                new Machine("A Processor", 2, "avx2", 1L << 30, "Linux 1", "JDK 17"),
                2,
                5,
                "short",
                contenders,
                peak,
                2e9,
                List.of(assignment, scatter));
    }
}
