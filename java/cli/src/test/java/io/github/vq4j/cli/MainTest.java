package io.github.vq4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.vq4j.Checkpoint;
import io.github.vq4j.CodebookHealth;
import io.github.vq4j.CodebookReport;
import io.github.vq4j.FrozenQuantizer;
import io.github.vq4j.GroupVectorQuant;
import io.github.vq4j.Norm;
import io.github.vq4j.Quantizer;
import io.github.vq4j.QuantizerBuilder;
import io.github.vq4j.ResidualVectorQuant;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import io.github.vq4j.cli.vectors.VectorReader;
import io.github.vq4j.cli.vectors.VectorWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.knowm.xchart.style.Styler.LegendPosition;
import picocli.CommandLine;

/** The commands one after the other, as a user runs them. */
class MainTest extends CommandTest {
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

    static Stream<QuantizerBuilder<?>> layersOfOneCodebook() {
        return Stream.of(
                GroupVectorQuant.builder(FEATURES, 20, 3).share(true),
                ResidualVectorQuant.builder(FEATURES, 20, 4).share(true),
                GroupVectorQuant.builder(FEATURES, 20, 1),
                ResidualVectorQuant.builder(FEATURES, 20, 1));
    }

    @ParameterizedTest
    @MethodSource("layersOfOneCodebook")
    void aCodebookThatIsSharedGivesARowSeveralCodes(QuantizerBuilder<?> builder) throws IOException {
        float[] values = clusters(1);
        write("v.npy", values);
        long bits;
        float[] expected;
        try (Quantizer layer = builder.build();
                Tensor codes = layer.encode(Tensor.of(values, ROWS, FEATURES));
                Tensor decoded = layer.decode(codes)) {
            Checkpoint.save(folder.resolve("c.safetensors"), layer);
            expected = decoded.toFloatArray();
            bits = codes.size(1) * layer.packing().bitsOfCode();
        }
        run("encode c.safetensors v.npy -o v.codes");
        run("decode c.safetensors v.codes -o back.npy");
        assertArrayEquals(expected, read("back.npy"));
        assertEquals(bits, json("inspect c.safetensors").get("bits of a row").asInt());
        JsonNode measured = json("inspect c.safetensors --data v.npy");
        assertEquals(bits, measured.get("bits of a row").asInt());
        assertEquals(32.0 * FEATURES / bits, measured.get("compression").asDouble());
    }

    /** The loss of a layer is another number: of a lookup in fewer dimensions, or of all stages. */
    @ParameterizedTest
    @MethodSource("layersWhoseLossIsNotTheError")
    void theErrorIsThatOfDecodedVectors(QuantizerBuilder<?> builder) throws IOException {
        float[] values = clusters(2);
        write("v.npy", values);
        double expected = 0;
        try (Quantizer layer = builder.build();
                Tensor codes = layer.encode(Tensor.of(values, ROWS, FEATURES));
                Tensor decoded = layer.decode(codes)) {
            Checkpoint.save(folder.resolve("c.safetensors"), layer);
            float[] restored = decoded.toFloatArray();
            for (int i = 0; i < values.length; i++) {
                expected += Math.pow((double) values[i] - restored[i], 2) / values.length;
            }
        }
        double told = json("inspect c.safetensors --data v.npy")
                .get("mean squared error")
                .asDouble();
        assertEquals(expected, told, 1e-9 * expected);
    }

    static Stream<QuantizerBuilder<?>> layersWhoseLossIsNotTheError() {
        return Stream.of(
                VectorQuant.builder(FEATURES, 16).dim(-1).lookupSize(2),
                ResidualVectorQuant.builder(FEATURES, 48, 3).dim(-1).stageLosses(true),
                VectorQuant.builder(FEATURES, 16).dim(-1).norm(Norm.UNIT));
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

    @ParameterizedTest
    @CsvSource({
        "--groups 3,GroupVectorQuant,3,9,NONE",
        "--stages 2 --norm UNIT,ResidualVectorQuant,2,6,UNIT",
        "'',VectorQuant,1,3,NONE"
    })
    void inspectSaysWhatACodebookIs(String options, String kind, int codebooks, int bits, String norm)
            throws IOException {
        write("v.fvecs", clusters(5));
        run("fit v.fvecs -o c.safetensors --codes 5 " + options);
        JsonNode results = json("inspect c.safetensors");
        assertTrue(results.get("layer").asText().startsWith(kind + " of "), out);
        assertEquals(FEATURES, results.get("features").asInt());
        assertEquals(norm, results.get("norm").asText());
        assertEquals(codebooks, results.get("codebooks").asInt());
        assertEquals(5, results.get("codes of each").asInt());
        assertEquals(bits, results.get("bits of a row").asInt());
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
            // A legend within the plot would hide curves that are high to the end.
            assertEquals(
                    LegendPosition.OutsideE,
                    HealthPicture.chart(curves, "Perplexity", "perplexity")
                            .getStyler()
                            .getLegendPosition());
        }
        run("plot health.csv -o health.png");
        assertTrue(ImageIO.read(folder.resolve("health.png").toFile()).getWidth() > 1000);
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
    void tooLittleMemoryIsSaidInALine() {
        StringWriter complained = new StringWriter();
        CommandLine commandLine =
                Main.commandLine().addSubcommand("large", new LargeCommand()).setErr(new PrintWriter(complained));
        assertEquals(1, commandLine.execute("large"));
        assertTrue(
                complained.toString().startsWith("vq4j: not enough memory: Java heap space; "), complained::toString);
    }

    @CommandLine.Command
    private static final class LargeCommand implements Runnable {
        @Override
        public void run() {
            throw new OutOfMemoryError("Java heap space");
        }
    }
}
