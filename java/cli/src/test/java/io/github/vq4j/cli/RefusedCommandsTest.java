package io.github.vq4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.github.vq4j.Checkpoint;
import io.github.vq4j.SafetensorsFile;
import io.github.vq4j.SafetensorsWriter;
import io.github.vq4j.VectorQuant;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What commands refuse is said in one line, and every file stays as it was. */
class RefusedCommandsTest extends CommandTest {
    @Test
    void aFileThatIsMissing() throws IOException {
        refuses("there is no file", "fit missing.npy -o c.safetensors");
        refuses("c.safetensors", "inspect c.safetensors");
    }

    @Test
    void aFolderInThePlaceOfAFile() throws IOException {
        fit();
        Files.createDirectory(folder.resolve("d.npy"));
        refuses("d.npy: need codebooks that fit wrote, or a checkpoint of a layer, got a folder", "inspect d.npy");
        refuses("need a file of vectors, got " + folder.resolve("d.npy") + ", which is a folder", "fit d.npy -o e.st");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--codes 0 | need --codes of at least 1, got 0",
                "--groups 0 | need --groups of at least 1, got 0",
                "--groups -5 | need --groups of at least 1, got -5",
                "--stages -1 | need --stages of at least 1, got -1",
                "--epochs -3 | need --epochs of at least 0, got -3",
                "--sample 0 | need --sample of at least 1, got 0",
                "--batch 0 | need --batch of at least 1, got 0",
                "--groups 5 | groups",
                "--groups 3 --stages 2 | mutually exclusive",
                "--codes 2000000000 --groups 4 | need --codes times --groups of at most 2147483647, got 2000000000 and 4",
                "--codes 2000000000 --stages 2 | need --codes times --stages of at most 2147483647, got 2000000000 and 2",
                "--norm BATCH | expected one of [NONE, UNIT] (case-sensitive) but was 'BATCH'",
                "--tensor foo | need a .safetensors file with --tensor foo, got "
            })
    void optionsOfFit(String options, String message) throws IOException {
        write("v.npy", clusters(1));
        refuses(message, "fit v.npy -o c.safetensors " + options);
    }

    @Test
    void optionsOfInspectWithoutWhatTheyNeed() throws IOException {
        fit();
        refuses("need --data", "inspect c.safetensors --neighbors 5");
        refuses("need --data", "inspect c.safetensors --picture use.png");
        refuses("need --data", "inspect c.safetensors --tensor foo");
        refuses("--neighbors of at least 1, got 0", "inspect c.safetensors --data v.npy --neighbors 0");
        refuses("--neighbors below", "inspect c.safetensors --data v.npy --neighbors 2000");
    }

    @Test
    void moreRowsOfBenchThanMemoryCanHave() throws IOException {
        fit();
        refuses("need --rows of at most 44739242, got 2000000000", "bench c.safetensors --rows 2000000000");
        refuses("need --rows and --rounds of at least 1, got 0 and 11", "bench c.safetensors --rows 0");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "encode c.safetensors v.npy -o v.codes",
                "decode c.safetensors v.npy -o w.npy",
                "inspect c.safetensors --data v.npy",
                "bench c.safetensors"
            })
    void aLayerWithItsFeaturesOnAnotherAxis(String command) throws IOException {
        write("v.npy", clusters(1));
        save(VectorQuant.builder(FEATURES, 4).dim(2));
        refuses("c.safetensors: need a layer built with dim 1 or -1, as vectors of a file", command);
        run("inspect c.safetensors");
    }

    @ParameterizedTest
    @ValueSource(strings = {"encode c.safetensors v.npy -o v.codes", "inspect c.safetensors --data v.npy"})
    void aLayerThatWaitsForItsInitialisation(String command) throws IOException {
        write("v.npy", clusters(1));
        save(VectorQuant.builder(FEATURES, 4).kmeansInit(true));
        refuses("c.safetensors: codebook 0 of this VectorQuant of 4 codes x " + FEATURES + " features", command);
    }

    private void save(VectorQuant.Builder builder) throws IOException {
        try (VectorQuant layer = builder.build()) {
            Checkpoint.save(folder.resolve("c.safetensors"), layer);
        }
    }

    @Test
    void vectorsOfOtherFeaturesThanTheCodebook() throws IOException {
        fit();
        Files.writeString(folder.resolve("w.csv"), "1,2\n3,4\n");
        String needed = folder.resolve("w.csv") + ": need vectors of 12 features, as the codebook's, got 2";
        refuses(needed, "encode c.safetensors w.csv -o w.codes");
        refuses(needed, "inspect c.safetensors --data w.csv");
    }

    @Test
    void codesOfAnotherCodebook() throws IOException {
        encode();
        run("fit v.npy -o d.safetensors --codes 4 --seed 9");
        refuses("need the codebook file that its codes were made with", "decode d.safetensors v.codes -o back.npy");
    }

    @Test
    void aFileInThePlaceOfAnother() throws IOException {
        encode();
        String needed =
                "v.codes: need codebooks that fit wrote, or a checkpoint of a layer, got codes that encode wrote";
        refuses(needed, "inspect v.codes");
        refuses(needed, "bench v.codes");
        refuses(needed, "encode v.codes v.npy -o w.codes");
        refuses(needed, "decode v.codes c.safetensors -o back.npy");
        new SafetensorsWriter().floats("one", new float[] {5}, 1, 1).write(folder.resolve("t.safetensors"));
        refuses("got tensors alone", "inspect t.safetensors");
        refuses("c.safetensors: need a file of codes", "decode c.safetensors c.safetensors -o back.npy");
    }

    @Test
    void codesThatAreNoBytesOnOneAxis() throws IOException {
        encode();
        Map<String, String> metadata;
        try (SafetensorsFile codes = SafetensorsFile.open(folder.resolve("v.codes"))) {
            metadata = codes.metadata();
        }
        SafetensorsWriter scalar = new SafetensorsWriter().ints("codes", new int[1]);
        metadata.forEach(scalar::metadata);
        scalar.write(folder.resolve("w.codes"));
        String needed = "w.codes: need codes of type U8 on one axis, got I32 of shape []";
        refuses(needed, "decode c.safetensors w.codes -o b.npy");
    }

    @Test
    void codesThatTheCodebookDoesNotHave() throws IOException {
        write("v.npy", clusters(1));
        run("fit v.npy -o c.safetensors --codes 3");
        run("encode c.safetensors v.npy -o v.codes");
        byte[] bytes = Files.readAllBytes(folder.resolve("v.codes"));
        // The last of three rows in the last byte: two bits each, of which 3 is no code.
        bytes[bytes.length - 1] |= 0b110000;
        Files.write(folder.resolve("w.codes"), bytes);
        refuses(
                folder.resolve("w.codes")
                        + ": need codes of its codebook, got in 1003 rows from row 0 on, counted from 0:"
                        + " code 3 at position 1002 is out of range; need 0 <= code < 3",
                "decode c.safetensors w.codes -o b.npy");
    }

    @Test
    void aFormatThatCannotBeWritten() throws IOException {
        encode();
        refuses("ends in one of", "decode c.safetensors v.codes -o back.parquet");
    }

    @ParameterizedTest
    @ValueSource(strings = {"p.txt", "p.pdf", "png.p"})
    void picturesThatDoNotEndInPng(String name) throws IOException {
        fit();
        Files.writeString(folder.resolve("health.csv"), "codebook\n");
        refuses("need a picture that ends in .png, got ", "inspect c.safetensors --data v.npy --picture " + name);
        assertTrue(out.isEmpty(), out);
        refuses("need a picture that ends in .png, got ", "plot health.csv -o " + name);
    }

    @Test
    void anOutputThatIsAnInput() throws IOException {
        encode();
        write("v.fvecs", clusters(1));
        run("fit v.npy -o c.png --codes 4");
        String needed = "need an output other than the input ";
        refuses(needed + folder.resolve("v.npy"), "fit v.npy -o v.npy");
        refuses(needed + folder.resolve("c.safetensors"), "encode c.safetensors v.npy -o c.safetensors");
        refuses(needed + folder.resolve("v.fvecs"), "encode c.safetensors v.fvecs -o v.fvecs");
        refuses(needed + folder.resolve("v.npy"), "decode v.npy v.codes -o v.npy");
        refuses(needed + folder.resolve("v.npy"), "decode c.safetensors v.npy -o v.npy");
        refuses(needed + folder.resolve("c.png"), "inspect c.png --data v.npy --picture c.png");
        refuses(needed + folder.resolve("c.png"), "plot c.png -o c.png");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "fit missing.npy -o nodir/x.codes",
                "encode missing.safetensors missing.npy -o nodir/x.codes",
                "decode missing.safetensors missing.codes -o nodir/x.npy",
                "inspect missing.safetensors --data missing.npy --picture nodir/x.png",
                "plot missing.csv -o nodir/x.png"
            })
    void anOutputInAFolderThatIsMissingBeforeAnythingIsRead(String command) throws IOException {
        refuses("need a folder " + folder.resolve("nodir") + " that exists", command);
    }

    @Test
    void anOutputInAFolderThatCannotBeWrittenTo() throws IOException {
        write("v.npy", clusters(1));
        Path closed = Files.createDirectory(folder.resolve("closed"));
        Files.setPosixFilePermissions(closed, PosixFilePermissions.fromString("r-xr-xr-x"));
        assumeFalse(Files.isWritable(closed), "root writes everywhere");
        refuses("can be written to", "fit v.npy -o closed/x.safetensors");
    }

    @Test
    void rowsThatAreNotFiniteByTheirNumberInTheFile() throws IOException {
        fit();
        float[] values = clusters(8);
        values[900 * FEATURES + 7] = Float.NaN;
        write("bad.npy", values);
        String needed = folder.resolve("bad.npy") + ": need finite numbers of float32, got NaN in row 900, feature 7";
        refuses(needed, "encode c.safetensors bad.npy -o bad.codes");
        refuses(needed, "fit bad.npy -o d.safetensors --codes 4 --sample 10");
        refuses(needed, "fit bad.npy -o d.safetensors --codes 4");
        refuses(needed, "inspect c.safetensors --data bad.npy");
    }

    @Test
    void aHealthThatIsNotText() throws IOException {
        Files.write(folder.resolve("h.csv"), "codebook,perplexity\n0,1\n0,é\n".getBytes(StandardCharsets.ISO_8859_1));
        refuses("h.csv: need text in UTF-8, got other bytes in line 3", "plot h.csv -o h.png");
        Files.writeString(folder.resolve("v.csv"), "1,2\n");
        refuses("need a column codebook", "plot v.csv -o h.png");
    }

    @Test
    void aLinkIsFollowedInsteadOfReplaced() throws IOException {
        fit();
        Path kept = Files.createDirectory(folder.resolve("kept"));
        for (String name : new String[] {"d.safetensors", "d.codes", "d.npy", "d.png"}) {
            Files.createFile(kept.resolve(name));
            Files.createSymbolicLink(folder.resolve(name), Path.of("kept", name));
        }
        run("fit v.npy -o d.safetensors --codes 4");
        run("encode d.safetensors v.npy -o d.codes");
        run("decode d.safetensors d.codes -o d.npy");
        run("inspect d.safetensors --data v.npy --picture d.png");
        for (String name : new String[] {"d.safetensors", "d.codes", "d.npy", "d.png"}) {
            assertEquals(Path.of("kept", name), Files.readSymbolicLink(folder.resolve(name)));
            assertTrue(Files.size(kept.resolve(name)) > 0, name);
        }
        assertArrayEquals(
                Files.readAllBytes(folder.resolve("c.safetensors")), Files.readAllBytes(kept.resolve("d.safetensors")));
    }

    private void fit() throws IOException {
        write("v.npy", clusters(1));
        run("fit v.npy -o c.safetensors --codes 4");
    }

    private void encode() throws IOException {
        fit();
        run("encode c.safetensors v.npy -o v.codes");
    }
}
