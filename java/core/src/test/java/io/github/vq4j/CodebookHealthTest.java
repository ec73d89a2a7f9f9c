package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The numbers of {@link CodebookReport} against float64, the warning, the files. */
class CodebookHealthTest {
    /** As many as are sampled of so few. */
    private static final int ROWS = 32;

    private static final int FEATURES = 4;

    static List<Backend> backends() {
        return Backends.all();
    }

    // ---- the numbers -----------------------------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("backends")
    void theNumbersFollowTheirDefinitions(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(FEATURES, 9)
                        .dim(-1)
                        .affineLr(2)
                        .backend(backend)
                        .build();
                CodebookHealth health = CodebookHealth.of(layer, 2)) {
            Backends.write(Backends.parameter(layer, "affine.scale"), normal(1, FEATURES));
            Backends.write(Backends.parameter(layer, "affine.bias"), normal(2, FEATURES));
            double[][] codes = rowsOf(layer.effectiveCodebook().toFloatArray());
            List<long[]> histograms = new ArrayList<>();
            for (int step = 0; step < 4; step++) {
                float[] z = normal(10 + step, ROWS * FEATURES);
                try (Quantized q = layer.forward(Tensor.of(z, ROWS, FEATURES))) {
                    CodebookReport report = health.observe().get(0);
                    long[] histogram = new long[9];
                    Arrays.stream(q.codes().toIntArray()).forEach(code -> histogram[code]++);
                    histograms.add(histogram);
                    List<long[]> window = histograms.subList(Math.max(0, step - 1), step + 1);
                    long[] total = IntStream.range(0, 9)
                            .mapToLong(k -> window.stream()
                                    .mapToLong(counts -> counts[k])
                                    .sum())
                            .toArray();
                    assertEquals(step + 1, report.observation());
                    assertEquals(0, report.codebook());
                    assertEquals(q.perplexity(), report.perplexity());
                    assertEquals(q.activeCodes(), report.activeCodes());
                    assertEquals(q.loss(), report.quantizationError());
                    assertEquals(perplexity(total), report.windowPerplexity(), 1e-12);
                    assertEquals(
                            Arrays.stream(total).filter(count -> count == 0).count(), report.deadCodes());
                    checkGeometry(report, codes, rowsOf(z));
                    assertFalse(report.collapsed());
                }
            }
            assertEquals(4, health.history().size());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void everyCodebookHasAReportOfTheRowsThatItSees(Backend backend) {
        float[] z = normal(1, ROWS * FEATURES);
        double[][] rows = rowsOf(z);
        try (GroupVectorQuant layer = GroupVectorQuant.builder(FEATURES, 14, 2)
                        .dim(-1)
                        .backend(backend)
                        .build();
                CodebookHealth health = CodebookHealth.of(layer, 1)) {
            layer.forward(Tensor.of(z, ROWS, FEATURES)).close();
            List<CodebookReport> reports = health.observe();
            assertEquals(2, reports.size());
            for (int group = 0; group < 2; group++) {
                int first = 2 * group;
                double[][] part = Arrays.stream(rows)
                        .map(row -> Arrays.copyOfRange(row, first, first + 2))
                        .toArray(double[][]::new);
                double[][] codes = new Layout(new long[] {7, 2}, 1)
                        .rowsOf(layer.codebook(group).toFloatArray());
                assertEquals(group, reports.get(group).codebook());
                checkGeometry(reports.get(group), codes, part);
                assertEquals(error(codes, part), reports.get(group).quantizationError(), 1e-6);
            }
        }
    }

    /** One codebook for two stages: the rows are those of both, the gap is that of the first. */
    @ParameterizedTest
    @MethodSource("backends")
    void aSharedCodebookHasOneReportOfAllStages(Backend backend) {
        float[] z = normal(1, ROWS * FEATURES);
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, 9, 2)
                        .share(true)
                        .dim(-1)
                        .backend(backend)
                        .build();
                CodebookHealth health = CodebookHealth.of(layer, 1)) {
            double[][] codes = rowsOf(layer.codebook(0).toFloatArray());
            try (Quantized q = layer.forward(Tensor.of(z, ROWS, FEATURES))) {
                List<CodebookReport> reports = health.observe();
                assertEquals(1, reports.size());
                double[][] first = rowsOf(z);
                double[][] second = rowsOf(z);
                int[] assigned = q.codes().toIntArray();
                for (int n = 0; n < ROWS; n++) {
                    for (int d = 0; d < FEATURES; d++) {
                        second[n][d] -= codes[assigned[2 * n]][d];
                    }
                }
                checkGeometry(reports.get(0), codes, first, second);
                assertEquals(error(codes, first, second), reports.get(0).quantizationError(), 1e-6);
                assertEquals(q.activeCodes(), reports.get(0).activeCodes());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theGapIsThatOfRowsSpreadOverTheBatch(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(FEATURES, 9)
                        .dim(-1)
                        .backend(backend)
                        .build();
                CodebookHealth health = CodebookHealth.of(layer, 1)) {
            double[][] codes = rowsOf(layer.codebook().toFloatArray());
            int[][] sizes = {{1, 1}, {31, 31}, {1000, 32}, {3210, 50}, {9001, 128}};
            for (int[] size : sizes) {
                int rows = size[0];
                float[] z = normal(rows, rows * FEATURES);
                layer.forward(Tensor.of(z, rows, FEATURES)).close();
                double[][] all = rowsOf(z);
                double[][] sample = IntStream.range(0, size[1])
                        .mapToObj(i -> all[i * rows / size[1]])
                        .toArray(double[][]::new);
                assertEquals(gap(sample, codes), health.observe().get(0).secondBestGap(), 1e-5);
            }
        }
    }

    /** Whose squared distances fit in fp32, but not their variance. */
    @ParameterizedTest
    @MethodSource("backends")
    void theGapOfLargeNumbersIsANumber(Backend backend) {
        float[] z = large(normal(1, ROWS * FEATURES));
        float[] codes = large(normal(2, 9 * FEATURES));
        try (VectorQuant layer = VectorQuant.builder(FEATURES, 9)
                        .dim(-1)
                        .backend(backend)
                        .build();
                CodebookHealth health = CodebookHealth.of(layer, 1)) {
            layer.setCodebook(0, Tensor.of(codes, 9, FEATURES));
            layer.forward(Tensor.of(z, ROWS, FEATURES)).close();
            double expected = gap(rowsOf(z), rowsOf(codes));
            assertEquals(expected, health.observe().get(0).secondBestGap(), 1e-5 * expected);
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void oneCodeHasNoSecondBest(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(FEATURES, 1)
                        .dim(-1)
                        .backend(backend)
                        .build();
                CodebookHealth health = CodebookHealth.of(layer, 1)) {
            layer.forward(Tensor.of(normal(1, FEATURES), 1, FEATURES)).close();
            CodebookReport report = health.observe().get(0);
            assertTrue(Double.isNaN(report.secondBestGap()));
            assertFalse(report.collapsed(), "one code cannot do better");
        }
    }

    /** The moving averages have changed the codebook since: the report is of the one that quantized. */
    @ParameterizedTest
    @MethodSource("backends")
    void theCodebookIsThatOfTheForward(Backend backend) {
        float[] z = normal(1, ROWS * FEATURES);
        try (VectorQuant layer = VectorQuant.builder(FEATURES, 9)
                        .dim(-1)
                        .ema(0.5)
                        .emaExpiry(8)
                        .backend(backend)
                        .build();
                CodebookHealth health = CodebookHealth.of(layer, 1)) {
            double[][] codes = rowsOf(layer.codebook().toFloatArray());
            layer.forward(Tensor.of(z, ROWS, FEATURES)).close();
            checkGeometry(health.observe().get(0), codes, rowsOf(z));
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theWindowHoldsTrainingBatchesOnly(Backend backend) {
        try (VectorQuant layer =
                        VectorQuant.builder(1, 4).dim(-1).backend(backend).build();
                CodebookHealth health = CodebookHealth.of(layer, 3)) {
            layer.setCodebook(Tensor.of(new float[] {0, 10, 20, 30}, 4, 1));
            layer.eval();
            layer.forward(Tensor.of(new float[] {0, 10}, 2, 1)).close();
            CodebookReport before = health.observe().get(0);
            assertTrue(Double.isNaN(before.windowPerplexity()));
            assertEquals(4, before.deadCodes());
            assertEquals(2, before.activeCodes());
            layer.train();
            layer.forward(Tensor.of(new float[] {20, 20}, 2, 1)).close();
            CodebookReport after = health.observe().get(0);
            assertEquals(1, after.windowPerplexity());
            assertEquals(3, after.deadCodes());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void observingChangesNothing(Backend backend) {
        float[][] codebooks = new float[2][];
        for (int run = 0; run < 2; run++) {
            try (VectorQuant layer = VectorQuant.builder(FEATURES, 9)
                            .dim(-1)
                            .statisticsAffine(true)
                            .replaceFreq(1)
                            .backend(backend)
                            .build();
                    Optimizer optimizer = Optimizer.adam(0.1);
                    CodebookHealth health = CodebookHealth.of(layer, 2)) {
                for (int step = 0; step < 3; step++) {
                    layer.forward(Tensor.of(normal(step, ROWS * FEATURES), ROWS, FEATURES))
                            .close();
                    if (run == 1) {
                        health.observe();
                    }
                    layer.backward(Tensor.of(normal(9, ROWS * FEATURES), ROWS, FEATURES), 1)
                            .close();
                    optimizer.step(layer);
                }
                codebooks[run] = layer.codebook().toFloatArray();
            }
        }
        assertEquals(Arrays.toString(codebooks[0]), Arrays.toString(codebooks[1]));
    }

    // ---- order of calls --------------------------------------------------------------------------------------------

    @Test
    void aForwardMustBePending() {
        VectorQuant layer =
                VectorQuant.builder(FEATURES, 9).dim(-1).backend(Backend.cpu()).build();
        CodebookHealth health = CodebookHealth.of(layer, 1);
        refused(health, "need a forward");
        Tensor z = Tensor.of(normal(1, FEATURES), 1, FEATURES);
        layer.forward(z).close();
        layer.backward(null, 1).close();
        refused(health, "need a forward");
        layer.forward(z).close();
        health.close();
        health.close();
        refused(health, "CodebookHealth of VectorQuant of 9 codes x 4 features on cpu is closed");
        layer.close();
        refused(CodebookHealth.of(layer, 1), "closed");
        assertThrows(IllegalArgumentException.class, () -> CodebookHealth.of(layer, 0));
    }

    private static void refused(CodebookHealth health, String part) {
        String message =
                assertThrows(IllegalStateException.class, health::observe).getMessage();
        assertTrue(message.contains(part), message);
        assertTrue(health.history().isEmpty());
    }

    // ---- collapse --------------------------------------------------------------------------------------------------

    @Test
    void aCollapseIsReportedOnceTheWindowIsFullAndWarnedOfOnce() {
        try (VectorQuant layer = VectorQuant.builder(1, 40)
                        .dim(-1)
                        .backend(Backend.cpu())
                        .build();
                CodebookHealth health = CodebookHealth.of(layer, 3)) {
            float[] codebook = new float[40];
            IntStream.range(0, 40).forEach(k -> codebook[k] = 10 * k);
            layer.setCodebook(Tensor.of(codebook, 40, 1));
            float[] z = new float[100];
            IntStream.range(0, 100).forEach(n -> z[n] = 10 * (n % 2));
            List<Boolean> collapsed = new ArrayList<>();
            Locale country = Locale.getDefault();
            Locale.setDefault(Locale.GERMANY); // where 2.0 is written 2,0
            String log;
            try {
                log = Log.during(() -> {
                    for (int step = 0; step < 6; step++) {
                        layer.forward(Tensor.of(z, 100, 1)).close();
                        collapsed.add(health.observe().get(0).collapsed());
                    }
                });
            } finally {
                Locale.setDefault(country);
            }
            assertEquals(List.of(false, false, true, true, true, true), collapsed);
            assertEquals(
                    1, log.lines().filter(line -> line.contains("collapsed")).count(), log);
            for (String part : List.of(
                    "WARN",
                    "VectorQuant of 40 codes",
                    "3 training batches",
                    "2.0 of 40 codes",
                    "2 of them used",
                    "kmeansInit",
                    "affineLr",
                    "replaceFreq",
                    "syncNu")) {
                assertTrue(log.contains(part), "\"" + part + "\" in: " + log);
            }
        }
    }

    @Test
    void theOptionsNamedAreThoseThatAreOff() {
        try (VectorQuant layer = VectorQuant.builder(1, 8)
                        .dim(-1)
                        .kmeansInit(true)
                        .syncNu(2)
                        .backend(Backend.cpu())
                        .build();
                CodebookHealth health = CodebookHealth.of(layer, 1)) {
            String log = Log.during(() -> {
                layer.forward(Tensor.of(new float[20], 20, 1)).close();
                assertTrue(health.observe().get(0).collapsed());
            });
            assertTrue(log.contains("that help and are off: replaceFreq, affineLr"), log);
        }
    }

    @Test
    void theOptionsNamedAreThoseThatTheLayerCanHave() {
        try (VectorQuant layer = VectorQuant.builder(1, 8)
                        .dim(-1)
                        .ema(0.9)
                        .backend(Backend.cpu())
                        .build();
                CodebookHealth health = CodebookHealth.of(layer, 1)) {
            // Eight codes, all rows on one: no perplexity below a tenth of eight is possible, and yet it is a collapse.
            String log = Log.during(() -> {
                layer.forward(Tensor.of(new float[20], 20, 1)).close();
                assertTrue(health.observe().get(0).collapsed());
            });
            assertTrue(log.contains("emaExpiry") && !log.contains("syncNu") && !log.contains("affineLr"), log);
        }
    }

    @Test
    void aWindowOfFewRowsIsNoCollapse() {
        try (VectorQuant layer = VectorQuant.builder(1, 1000)
                        .dim(-1)
                        .backend(Backend.cpu())
                        .build();
                CodebookHealth health = CodebookHealth.of(layer, 1)) {
            float[] codebook = new float[1000];
            IntStream.range(0, 1000).forEach(k -> codebook[k] = k);
            layer.setCodebook(Tensor.of(codebook, 1000, 1));
            String log = Log.during(() -> {
                layer.forward(Tensor.of(new float[] {3, 7, 100, 200}, 4, 1)).close();
                assertFalse(health.observe().get(0).collapsed());
                layer.forward(Tensor.of(new float[] {3}, 1, 1)).close();
                assertFalse(health.observe().get(0).collapsed());
            });
            assertEquals("", log);
        }
    }

    // ---- files -----------------------------------------------------------------------------------------------------

    @Test
    void filesHoldTheHistory(@TempDir Path folder) throws IOException {
        Path csv = folder.resolve("health.csv");
        Path json = folder.resolve("health.json");
        Files.writeString(csv, "an older file");
        try (VectorQuant layer =
                        VectorQuant.builder(1, 2).dim(-1).backend(Backend.cpu()).build();
                CodebookHealth health = CodebookHealth.of(layer, 2)) {
            health.writeJson(json);
            assertEquals("[\n\n]\n", Files.readString(json));
            layer.setCodebook(Tensor.of(new float[] {0, 10}, 2, 1));
            layer.eval();
            layer.forward(Tensor.of(new float[] {1, 9}, 2, 1)).close();
            health.observe();
            layer.train();
            layer.forward(Tensor.of(new float[] {0, 0}, 2, 1)).close();
            health.observe();
            health.writeCsv(csv);
            health.writeJson(json);
        }
        assertEquals("""
                observation,codebook,perplexity,windowPerplexity,activeCodes,deadCodes,\
                meanGap,deviationGap,quantizationError,secondBestGap,collapsed\r
                1,0,2.0,,2,2,0.0,1.0,1.0,80.0,false\r
                2,0,1.0,1.0,1,1,5.0,5.0,0.0,100.0,false\r
                """, Files.readString(csv));
        assertEquals("""
                [
                  {"observation": 1, "codebook": 0, "perplexity": 2.0, "windowPerplexity": null, "activeCodes": 2, \
                "deadCodes": 2, "meanGap": 0.0, "deviationGap": 1.0, "quantizationError": 1.0, "secondBestGap": 80.0, \
                "collapsed": false},
                  {"observation": 2, "codebook": 0, "perplexity": 1.0, "windowPerplexity": 1.0, "activeCodes": 1, \
                "deadCodes": 1, "meanGap": 5.0, "deviationGap": 5.0, "quantizationError": 0.0, "secondBestGap": 100.0, \
                "collapsed": false}
                ]
                """, Files.readString(json));
        try (var files = Files.list(folder)) {
            assertEquals(2, files.count(), "no temporary file is left");
        }
    }

    @Test
    void aFileThatCannotBeWrittenLeavesTheOldOne(@TempDir Path folder) throws IOException {
        Path directory = Files.createDirectories(folder.resolve("health.csv/inside"));
        try (VectorQuant layer =
                        VectorQuant.builder(1, 2).dim(-1).backend(Backend.cpu()).build();
                CodebookHealth health = CodebookHealth.of(layer, 2)) {
            assertThrows(IOException.class, () -> health.writeCsv(folder.resolve("health.csv")));
            assertThrows(IOException.class, () -> health.writeCsv(folder.resolve("missing/health.csv")));
        }
        assertTrue(Files.isDirectory(directory));
        try (var files = Files.list(folder)) {
            assertEquals(List.of(folder.resolve("health.csv")), files.toList(), "no temporary file is left");
        }
    }

    // ---- float64 ---------------------------------------------------------------------------------------------------

    /** Moment gaps over the rows of all parts; the second-best gap over the first. */
    private static void checkGeometry(CodebookReport report, double[][] codes, double[][]... parts) {
        double[][] rows = Arrays.stream(parts).flatMap(Arrays::stream).toArray(double[][]::new);
        assertEquals(distance(means(rows), means(codes)), report.meanGap(), 1e-5);
        assertEquals(distance(deviations(rows), deviations(codes)), report.deviationGap(), 1e-5);
        assertEquals(gap(parts[0], codes), report.secondBestGap(), 1e-5);
    }

    private static double gap(double[][] rows, double[][] codes) {
        return Arrays.stream(rows)
                .mapToDouble(row -> {
                    double[] sorted = Arrays.stream(codes)
                            .mapToDouble(code -> ReferenceVectorQuant.squared(row, code))
                            .sorted()
                            .toArray();
                    return (sorted[1] - sorted[0]) / row.length;
                })
                .average()
                .orElseThrow();
    }

    private static double error(double[][] codes, double[][]... parts) {
        return Arrays.stream(parts)
                .flatMap(Arrays::stream)
                .mapToDouble(row -> Arrays.stream(codes)
                                .mapToDouble(code -> ReferenceVectorQuant.squared(row, code))
                                .min()
                                .orElseThrow()
                        / row.length)
                .average()
                .orElseThrow();
    }

    private static double[] means(double[][] rows) {
        return IntStream.range(0, rows[0].length)
                .mapToDouble(d ->
                        Arrays.stream(rows).mapToDouble(row -> row[d]).average().orElseThrow())
                .toArray();
    }

    private static double[] deviations(double[][] rows) {
        double[] means = means(rows);
        return IntStream.range(0, means.length)
                .mapToDouble(d -> Math.sqrt(Arrays.stream(rows)
                        .mapToDouble(row -> (row[d] - means[d]) * (row[d] - means[d]))
                        .average()
                        .orElseThrow()))
                .toArray();
    }

    private static double distance(double[] a, double[] b) {
        return Math.sqrt(ReferenceVectorQuant.squared(a, b));
    }

    private static double perplexity(long[] counts) {
        double total = Arrays.stream(counts).sum();
        return Math.exp(-Arrays.stream(counts)
                .filter(count -> count > 0)
                .mapToDouble(count -> count / total * Math.log(count / total))
                .sum());
    }

    private static double[][] rowsOf(float[] values) {
        return new Layout(new long[] {values.length / FEATURES, FEATURES}, 1).rowsOf(values);
    }

    private static float[] large(float[] values) {
        for (int i = 0; i < values.length; i++) {
            values[i] *= 1e12f;
        }
        return values;
    }

    private static float[] normal(long seed, int count) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
