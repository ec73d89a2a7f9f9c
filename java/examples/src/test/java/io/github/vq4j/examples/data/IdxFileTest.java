package io.github.vq4j.examples.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole files are read; of others the error names the file, what was seen and what is needed. */
class IdxFileTest {
    private static final byte[] PIXELS = {0, 1, 2, 127, -128, -1, 6, 7, 8, 9, 10, 11};

    @TempDir
    private Path folder;

    private Path file;

    @BeforeEach
    void nameTheFile() {
        file = folder.resolve("some-images");
    }

    @Test
    void readsAPlainFile() throws IOException {
        Files.write(file, IdxBytes.images(2, 2, 3, PIXELS));
        checkImages(IdxFile.readImages(file));
    }

    @Test
    void readsACompressedFileWhateverItsName() throws IOException {
        Files.write(file, IdxBytes.gzip(IdxBytes.images(2, 2, 3, PIXELS)));
        checkImages(IdxFile.readImages(file));
    }

    @Test
    void scalesBytesToMinusOneToOne() throws IOException {
        Files.write(file, IdxBytes.images(2, 2, 3, PIXELS));
        Images images = IdxFile.readImages(file);
        float[] second = images.scaled(1);
        assertArrayEquals(images.scaledRange(1, 2), second);
        assertEquals(6 / 127.5f - 1, second[0]);
        float[] first = images.scaled(0);
        assertEquals(-1f, first[0]);
        assertEquals(128 / 127.5f - 1, first[4]);
        assertEquals(1f, first[5]);
    }

    @Test
    void refusesAFileThatIsNotThere() {
        assertThrows(NoSuchFileException.class, () -> IdxFile.readImages(file));
    }

    @Test
    void refusesAnEmptyFileAndAShortHeader() throws IOException {
        Files.write(file, new byte[0]);
        refused("16 bytes", "got 0");
        Files.write(file, Arrays.copyOf(IdxBytes.images(2, 2, 3, PIXELS), 15));
        refused("16 bytes", "got 15");
    }

    @Test
    void refusesLabels() throws IOException {
        byte[] labels = IdxBytes.images(2, 2, 3, PIXELS);
        labels[3] = 1;
        Files.write(file, labels);
        refused("00000803", "00000801");
    }

    @Test
    void refusesSizesThatAreNotPositiveOrTooLarge() throws IOException {
        Files.write(file, IdxBytes.images(2, 0, 3, PIXELS));
        refused("at least 1", "2 x 0 x 3");
        Files.write(file, IdxBytes.images(-2, 2, 3, PIXELS));
        refused("at least 1", "-2 x 2 x 3");
        Files.write(file, IdxBytes.images(1 << 30, 1 << 30, 1 << 30, PIXELS));
        refused("at most", "1073741824 x 1073741824 x 1073741824");
    }

    @Test
    void refusesMissingPixelsWithoutMakingRoomForAllThatTheHeaderPromises() throws IOException {
        Files.write(file, IdxBytes.images(60_000, 28, 1_000, PIXELS));
        refused("60000 x 28 x 1000 = 1680000000", "got 12");
    }

    @Test
    void refusesPixelsTooMany() throws IOException {
        Files.write(file, IdxBytes.images(1, 2, 3, PIXELS));
        refused("1 x 2 x 3 = 6", "more");
    }

    @Test
    void refusesACompressedFileThatIsCutOff() throws IOException {
        byte[] whole = IdxBytes.gzip(IdxBytes.images(2, 2, 3, PIXELS));
        Files.write(file, Arrays.copyOf(whole, whole.length - 9));
        refused("whole gzip file", "damaged");
        Files.write(file, Arrays.copyOf(whole, 5));
        refused("whole gzip file", "damaged");
    }

    @Test
    void refusesACompressedFileThatIsCorrupt() throws IOException {
        byte[] bytes = IdxBytes.gzip(IdxBytes.images(2, 2, 3, PIXELS));
        // The checksum at the end.
        bytes[bytes.length - 8] ^= 1;
        Files.write(file, bytes);
        refused("whole gzip file", "damaged");
    }

    @Test
    void refusesAFolderWithoutFilesOrWithImagesOfTwoSizes() throws IOException {
        IOException missing = assertThrows(IOException.class, () -> ImageFolder.read(folder));
        assertTrue(missing.getMessage().contains("train-images-idx3-ubyte.gz"), missing.getMessage());
        Files.write(folder.resolve("train-images-idx3-ubyte"), IdxBytes.images(2, 2, 3, PIXELS));
        Files.write(folder.resolve("t10k-images-idx3-ubyte.gz"), IdxBytes.gzip(IdxBytes.images(2, 3, 2, PIXELS)));
        IOException different = assertThrows(IOException.class, () -> ImageFolder.read(folder));
        assertTrue(different.getMessage().contains("2 x 3 and 3 x 2"), different.getMessage());
    }

    private void refused(String... words) {
        IOException refusal = assertThrows(IOException.class, () -> IdxFile.readImages(file));
        assertTrue(refusal.getMessage().contains(file.toString()), refusal.getMessage());
        for (String word : words) {
            assertTrue(refusal.getMessage().contains(word), refusal.getMessage());
        }
    }

    private static void checkImages(Images images) {
        assertEquals(2, images.count());
        assertEquals(2, images.height());
        assertEquals(3, images.width());
        assertArrayEquals(PIXELS, images.pixels());
    }
}
