package io.github.vq4j.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.Backend;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class CompareTest {
    private static final Grid TINY = new Grid(
            "tiny",
            List.of(new Grid.Size(64, 16, 8), new Grid.Size(65, 17, 9)),
            List.of(new Grid.Size(300, 256, 64)),
            List.of(8, 200),
            1,
            List.of(new Grid.Size(64, 16, 8)),
            List.of(new Grid.Size(1000, 16, 8)),
            List.of(new Grid.Size(64, 16, 16)),
            List.of(new Grid.Size(1, 16, 8)),
            List.of(new Grid.Size(500, 4, 8)),
            3,
            8,
            true);

    private static int threadsBefore;

    @TempDir
    private static Path folder;

    private static Report report;

    @BeforeAll
    static void compare() throws Exception {
        threadsBefore = Backend.cpuThreads();
        Path data = Files.createDirectory(folder.resolve("data"));
        writeVectors(data.resolve("vectors.fvecs"), 100, 12);
        Path digits = Files.createDirectory(data.resolve("digits"));
        writeImages(digits.resolve("train-images-idx3-ubyte"), 256, 8);
        writeImages(digits.resolve("t10k-images-idx3-ubyte"), 10, 8);
        Path json = folder.resolve("report.json");
        Compare compare = new Compare();
        new CommandLine(compare)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .parseArgs(
                        "--threads",
                        "2",
                        "--rounds",
                        "3",
                        "--sample",
                        "0",
                        "--peers",
                        "libtorch,faiss",
                        "--data",
                        data.toString(),
                        "--json",
                        json.toString());
        compare.run(TINY);
        report = Report.read(json);
    }

    @AfterAll
    static void restoreThreads() {
        Backend.setCpuThreads(threadsBefore);
    }

    @Test
    void everyOperationIsMeasured() {
        Set<String> operations =
                report.rows().stream().map(Report.Row::operation).collect(Collectors.toSet());
        for (Operation operation : Operation.values()) {
            assertTrue(operations.contains(operation.label()), () -> operation + " in " + operations);
        }
    }

    @Test
    void everyRowHasOurTimeAndItsShareOfTheLimit() {
        for (Report.Row row : report.rows()) {
            Report.Result ours = row.of(Report.OURS);
            assertNotNull(ours, row::toString);
            assertTrue(ours.seconds() > 0, row::toString);
            assertTrue(row.share(ours) > 0, row::toString);
            assertEquals(1, row.timesOurs(ours), row::toString);
            assertTrue(ours.sameBits(), row::toString);
        }
        assertTrue(report.flopsPeak() > 0);
        assertTrue(report.copyRate() > 0);
    }

    @Test
    void codesAreThoseOfExactDistances() {
        for (Report.Row row : rows(Operation.ASSIGNMENT)) {
            assertEquals(1.0, row.of(Report.OURS).equalToFloat64(), row::toString);
        }
    }

    @Test
    void libtorchIsMeasuredBesideUs() {
        for (Report.Row row : rows(Operation.ASSIGNMENT)) {
            assertTrue(row.of("libtorch, matmul + argmin").seconds() > 0, row::toString);
            assertTrue(row.of("libtorch, cdist + top-k").seconds() > 0, row::toString);
        }
        assertTrue(rows(Operation.TRAINING_STEP).get(0).of("libtorch autograd").seconds() > 0);
        assertTrue(rows(Operation.SCATTER).get(0).of("libtorch").seconds() > 0);
    }

    @Test
    void faissIsMeasuredOrSaidToBeMissing() {
        boolean missing = report.contenders().get("FAISS").startsWith("not measured: ");
        assertTrue(missing || report.contenders().get("FAISS").contains(" (OPTIMIZE"), "what it was compiled for");
        for (Report.Row row : rows(Operation.ASSIGNMENT)) {
            assertEquals(missing, row.of("FAISS") == null, row::toString);
            if (!missing) {
                assertEquals(1.0, row.of("FAISS").equalToFloat64(), row::toString);
            }
        }
        assertEquals("not measured", report.contenders().get("GPU"));
        assertEquals("not measured: not asked for", report.contenders().get("Spark ML"));
    }

    @Test
    void realDataHasRowsOfItsOwn() {
        assertEquals(
                List.of("normal", "normal", "vectors.fvecs, trained codebook"),
                rows(Operation.ASSIGNMENT).stream().map(Report.Row::data).toList());
        assertEquals(100, rows(Operation.ASSIGNMENT).get(2).rows());
        assertEquals(12, rows(Operation.ASSIGNMENT).get(2).features());
    }

    /** Of 100 vectors there are no 200 codes, nor of the encoder's 10 images of 2 x 2 vectors. */
    @Test
    void filtersAreMeasuredAgainstScoringEveryCode() {
        assertEquals(
                List.of(
                        "normal 256",
                        "vectors.fvecs 8",
                        "digits, patches of 7 x 7 8",
                        "digits, patches of 7 x 7 200",
                        "digits, patches of 4 x 4 8",
                        "digits, patches of 4 x 4 200",
                        "digits, encoded by an autoencoder 8"),
                rows(Operation.PRUNING).stream()
                        .map(row -> row.data() + " " + row.codes())
                        .toList());
        for (Report.Row row : rows(Operation.PRUNING)) {
            assertEquals(1.0, row.of(Report.OURS).equalToFloat64(), row::toString);
            assertTrue(row.of("every code scored").seconds() > 0, row::toString);
        }
    }

    @Test
    void aContenderThatWouldTakeTooLongIsLeftOutWithANote() {
        Comparison comparison = new Comparison(1, 1, 0, 0.05);
        Contender slow = new KernelCall(CompareTest::pause, () -> new int[1]);
        comparison.measure(task(1e3), List.of(slow));
        Locale before = Locale.getDefault();
        Report.Result result;
        Locale.setDefault(Locale.forLanguageTag("ar-EG")); // Whose digits are others.
        try {
            result = comparison.measure(task(1e6), List.of(slow)).of(Report.OURS);
        } finally {
            Locale.setDefault(before);
        }
        assertNull(result.seconds());
        assertTrue(result.note().matches("not measured: about \\d+ s a call, more than --limit = .*"), result::note);
    }

    @Test
    void partsOfTheFullGridReplaceThoseOfTheShortOne() {
        assertEquals(Grid.SHORT, gridOf());
        assertEquals(Grid.FULL, gridOf("--full"));
        Grid mixed = gridOf("--full=kmeans");
        assertEquals(Grid.FULL.kmeans(), mixed.kmeans());
        assertEquals(Grid.FULL.kmeansMoves(), mixed.kmeansMoves());
        assertEquals(Grid.SHORT.assignments(), mixed.assignments());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--threads 0 | need --threads and --rounds of at least 1, got 0 and 5",
                "--rounds 0 | need --threads and --rounds of at least 1, got ",
                "--sample -1 | need --sample of at least 0 and --limit above 0, got -1.0 and 10.0",
                "--limit NaN | need --sample of at least 0 and --limit above 0, got 0.03 and NaN",
                "--json missing/report.json | need a folder that exists for --json, got missing/report.json",
                "--data missing.fvecs | there is no file missing.fvecs"
            })
    void whatCannotBeMeasuredIsSaidInALineBeforehand(String options, String message) {
        assertFails(message, "compare --only latency --peers faiss " + options);
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "[]", "no JSON", "{\"date\":\"2026-11-30\",\"colour\":\"red\"}"})
    void whatIsNoReportIsSaidInALineAndTheReadmeStays(String text) throws IOException {
        Path json = Files.writeString(folder.resolve("other.json"), text);
        Path readme = Files.writeString(folder.resolve("README.md"), ReadmeTable.BEGIN + ReadmeTable.END);
        assertFails(
                json + ": need what compare of this version wrote, got ",
                "readme --readme " + readme + " --json " + json);
        assertEquals(ReadmeTable.BEGIN + ReadmeTable.END, Files.readString(readme));
    }

    private static void assertFails(String message, String command) {
        StringWriter complained = new StringWriter();
        int status = Main.commandLine().setErr(new PrintWriter(complained)).execute(command.split(" "));
        assertEquals(1, status, complained::toString);
        assertTrue(complained.toString().startsWith(message), complained::toString);
        assertEquals(1, complained.toString().lines().count(), complained::toString);
    }

    private static Grid gridOf(String... arguments) {
        Compare compare = new Compare();
        new CommandLine(compare).setCaseInsensitiveEnumValuesAllowed(true).parseArgs(arguments);
        return compare.grid();
    }

    @Test
    void theMachineIsDescribed() {
        assertTrue(report.machine().cores() > 0);
        assertTrue(report.machine().memoryBytes() > 0);
        assertEquals(2, report.threads());
        assertEquals(3, report.rounds());
        try (var files = Files.list(folder)) {
            assertEquals(
                    0, files.filter(file -> file.toString().endsWith(".part")).count());
        } catch (IOException failure) {
            throw new java.io.UncheckedIOException(failure);
        }
    }

    private static List<Report.Row> rows(Operation operation) {
        return report.rows().stream()
                .filter(row -> row.operation().equals(operation.label()))
                .toList();
    }

    private static Comparison.Task task(double flops) {
        return new Comparison.Task(Operation.ASSIGNMENT, 1, 1, 1, "none", flops, 0, null, null);
    }

    private static void pause() {
        try {
            Thread.sleep(2);
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
        }
    }

    private static void writeImages(Path file, int count, int side) throws IOException {
        byte[] pixels = new byte[count * side * side];
        new java.util.Random(count).nextBytes(pixels);
        try (DataOutputStream out = new DataOutputStream(Files.newOutputStream(file))) {
            for (int number : new int[] {0x803, count, side, side}) {
                out.writeInt(number);
            }
            out.write(pixels);
        }
    }

    private static void writeVectors(Path file, int rows, int columns) throws IOException {
        java.util.Random random = new java.util.Random(1);
        try (DataOutputStream out = new DataOutputStream(Files.newOutputStream(file))) {
            for (int n = 0; n < rows; n++) {
                out.writeInt(Integer.reverseBytes(columns));
                for (int d = 0; d < columns; d++) {
                    out.writeInt(Integer.reverseBytes(Float.floatToIntBits((float) random.nextGaussian())));
                }
            }
        }
    }
}
