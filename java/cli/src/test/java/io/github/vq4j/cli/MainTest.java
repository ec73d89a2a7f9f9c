package io.github.vq4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.vq4j.CodebookHealth;
import io.github.vq4j.CodebookReport;
import io.github.vq4j.FrozenQuantizer;
import io.github.vq4j.GroupVectorQuant;
import io.github.vq4j.Tensor;
import io.github.vq4j.cli.vectors.VectorReader;
import io.github.vq4j.cli.vectors.VectorWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** The commands one after the other, as a user runs them. */
class MainTest {
    private static final int FEATURES = 12;
    private static final int ROWS = 1003;

    @TempDir
    private Path folder;

    private String out = "";
    private String error = "";

    @ParameterizedTest
    @ValueSource(strings = {"--codes 20", "--codes 16 --groups 3", "--codes 8 --stages 4", "--codes 5 --norm UNIT"})
    void decodedCodesAreWhatTheLibraryGives(String options) throws IOException {
        float[] values = clusters(1);
        write("v.npy", values);
        run("fit v.npy -o c.safetensors " + options);
        run("encode c.safetensors v.npy -o v.codes");
        run("decode c.safetensors v.codes -o back.fvecs");
        try (FrozenQuantizer quantizer = FrozenQuantizer.load(folder.resolve("c.safetensors"));
                Tensor codes = quantizer.encode(Tensor.of(values, ROWS, FEATURES));
                Tensor expected = quantizer.decode(codes)) {
            assertArrayEquals(expected.toFloatArray(), read("back.fvecs"));
            long packed = quantizer.packing().bytes(codes.size());
            assertTrue(Files.size(folder.resolve("v.codes")) - packed < 400);
        }
    }

    @Test
    void fitFindsTheClusters() throws IOException {
        write("v.csv", clusters(2));
        JsonNode results = json("fit v.csv -o c.safetensors --codes 4");
        assertEquals(ROWS, results.get("rows").asInt());
        // The clusters' own deviation is 0.01.
        assertEquals(1e-4, results.get("mean squared error").asDouble(), 2e-5);
        assertEquals(0, results.get("codes never used").asInt());
        assertEquals(FEATURES * 32 / 2.0, results.get("compression").asDouble());
    }

    @Test
    void fitOfMoreRowsThanTheSampleGoesOverAllOfThem() throws IOException {
        write("v.npy", clusters(3));
        double alone = json("fit v.npy -o c.safetensors --codes 16 --sample 20 --epochs 0")
                .get("mean squared error")
                .asDouble();
        double further = json("fit v.npy -o c.safetensors --codes 16 --sample 20 --epochs 30 --batch 50")
                .get("mean squared error")
                .asDouble();
        assertTrue(further < 0.99 * alone, further + " after " + alone);
    }

    @Test
    void theSameSeedGivesTheSameFile() throws IOException {
        write("v.npy", clusters(4));
        run("fit v.npy -o a.safetensors --codes 16 --sample 500 --seed 3");
        run("fit v.npy -o b.safetensors --codes 16 --sample 500 --seed 3");
        run("fit v.npy -o c.safetensors --codes 16 --sample 500 --seed 4");
        byte[] first = Files.readAllBytes(folder.resolve("a.safetensors"));
        assertArrayEquals(first, Files.readAllBytes(folder.resolve("b.safetensors")));
        assertFalse(Arrays.equals(first, Files.readAllBytes(folder.resolve("c.safetensors"))));
    }

    @Test
    void inspectMeasuresNeighboursAndDraws() throws IOException {
        write("v.fvecs", clusters(5));
        run("fit v.fvecs -o c.safetensors --codes 4");
        JsonNode results = json("inspect c.safetensors --data v.fvecs --neighbors 10 --picture use.png");
        assertEquals(1e-4, results.get("mean squared error").asDouble(), 2e-5);
        // Within a cluster all decode to the same vector: some neighbours are found, and not all.
        double recall = results.get("recall@10").asDouble();
        assertTrue(recall > 0.01 && recall < 0.5, "" + recall);
        assertTrue(ImageIO.read(folder.resolve("use.png").toFile()).getWidth() > 100);
    }

    @Test
    void plotDrawsTheHealthOfEveryCodebook() throws IOException {
        try (GroupVectorQuant layer = GroupVectorQuant.builder(FEATURES, 8, 2).build();
                CodebookHealth health = CodebookHealth.of(layer, 3)) {
            for (int step = 0; step < 5; step++) {
                layer.forward(Tensor.of(clusters(step), ROWS, FEATURES)).close();
                health.observe();
            }
            health.writeCsv(folder.resolve("health.csv"));
            HealthCurves curves = new HealthCurves(folder.resolve("health.csv"));
            assertEquals(List.of(0, 1), curves.codebooks());
            assertArrayEquals(
                    health.history().stream()
                            .filter(report -> report.codebook() == 1)
                            .mapToDouble(CodebookReport::perplexity)
                            .toArray(),
                    curves.curve(1, "perplexity"));
        }
        run("plot health.csv -o health.png");
        assertTrue(ImageIO.read(folder.resolve("health.png").toFile()).getWidth() > 1000);
        write("v.csv", clusters(1));
        fails("need a column codebook", "plot v.csv -o health.png");
    }

    @Test
    void benchCountsRows() throws IOException {
        write("v.fvecs", clusters(6));
        run("fit v.fvecs -o c.safetensors --codes 4");
        JsonNode results = json("bench c.safetensors --rows 100 --rounds 3");
        assertTrue(results.get("encoded rows per second").asDouble() > 100);
    }

    @Test
    void filesLargerThanTheHeapGoThrough() throws IOException {
        int features = 256;
        long rows = Runtime.getRuntime().maxMemory() / features / Float.BYTES + 1000;
        try (VectorWriter writer = new VectorWriter(folder.resolve("large.npy"), rows, features)) {
            float[] some = new float[1000 * features];
            for (long done = 0; done < rows; done += 1000) {
                Arrays.fill(some, done % 2000 == 0 ? 1 : -1);
                writer.write(Arrays.copyOf(some, (int) Math.min(1000, rows - done) * features));
            }
            writer.finish();
        }
        JsonNode results = json("fit large.npy -o c.safetensors --codes 2 --sample 1000");
        assertEquals(0, results.get("mean squared error").asDouble(), 1e-6);
        run("encode c.safetensors large.npy -o codes");
        run("decode c.safetensors codes -o back.npy");
        assertEquals(Files.size(folder.resolve("large.npy")), Files.size(folder.resolve("back.npy")));
        try (VectorReader back = VectorReader.open(folder.resolve("back.npy"), null)) {
            float[] first = new float[features];
            back.read(first);
            assertEquals(1, first[0], 1e-3);
        }
    }

    @Test
    void whatIsWrongIsOneLine() throws IOException {
        write("v.npy", clusters(7));
        fails("there is no file", "fit missing.npy -o c.safetensors");
        fails("groups", "fit v.npy -o c.safetensors --groups 5");
        fails("mutually exclusive", "fit v.npy -o c.safetensors --groups 3 --stages 2");
        fails("--sample of at least 1, got 0", "fit v.npy -o c.safetensors --sample 0");
        fails("need --data", "inspect c.safetensors --neighbors 5");
        fails("c.safetensors", "inspect c.safetensors");
        run("fit v.npy -o c.safetensors --codes 4");
        run("fit v.npy -o d.safetensors --codes 4 --seed 9");
        run("encode c.safetensors v.npy -o v.codes");
        fails("need the codebook file that its codes were made with", "decode d.safetensors v.codes -o back.npy");
        fails("need a file of codes", "decode c.safetensors d.safetensors -o back.npy");
        fails("ends in one of", "decode c.safetensors v.codes -o back.parquet");
        fails("--neighbors below", "inspect c.safetensors --data v.npy --neighbors 2000");
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(
                    0,
                    files.filter(file -> file.toString().matches(".*(back|part).*"))
                            .count());
        }
    }

    @Test
    void aRowThatIsNotFiniteLeavesNoOutput() throws IOException {
        float[] values = clusters(8);
        write("v.npy", values);
        run("fit v.npy -o c.safetensors --codes 4");
        values[500 * FEATURES] = Float.NaN;
        write("bad.npy", values);
        fails("500", "encode c.safetensors bad.npy -o bad.codes");
        assertFalse(Files.exists(folder.resolve("bad.codes")));
    }

    /** Rows of four clusters. */
    private static float[] clusters(long seed) {
        Random random = new Random(seed);
        float[] centres = new float[4 * FEATURES];
        for (int i = 0; i < centres.length; i++) {
            centres[i] = (float) random.nextGaussian();
        }
        float[] values = new float[ROWS * FEATURES];
        for (int i = 0; i < values.length; i++) {
            int cluster = i / FEATURES % 4;
            values[i] = centres[cluster * FEATURES + i % FEATURES] + 0.01f * (float) random.nextGaussian();
        }
        return values;
    }

    private void write(String name, float[] values) throws IOException {
        try (VectorWriter writer = new VectorWriter(folder.resolve(name), values.length / FEATURES, FEATURES)) {
            writer.write(values);
            writer.finish();
        }
    }

    private float[] read(String name) throws IOException {
        try (VectorReader reader = VectorReader.open(folder.resolve(name), null)) {
            float[] values = new float[Math.toIntExact(reader.rows() * reader.features())];
            assertEquals(reader.rows(), reader.read(values));
            return values;
        }
    }

    private JsonNode json(String command) throws IOException {
        run(command + " --json");
        return new ObjectMapper().readTree(out);
    }

    private void run(String command) {
        assertEquals(0, execute(command), error);
    }

    private void fails(String message, String command) {
        assertTrue(execute(command) != 0, command);
        assertTrue(error.contains(message), error);
        assertFalse(error.contains("\tat "), error);
    }

    private int execute(String command) {
        StringWriter printed = new StringWriter();
        StringWriter complained = new StringWriter();
        CommandLine commandLine =
                Main.commandLine().setOut(new PrintWriter(printed)).setErr(new PrintWriter(complained));
        String[] arguments = Arrays.stream(command.split(" "))
                .map(word -> word.matches("[\\w]+\\.?\\w*") && isFile(word)
                        ? folder.resolve(word).toString()
                        : word)
                .toArray(String[]::new);
        int status = commandLine.execute(arguments);
        out = printed.toString();
        error = complained.toString();
        return status;
    }

    private static boolean isFile(String word) {
        return word.contains(".") || word.equals("codes");
    }
}
