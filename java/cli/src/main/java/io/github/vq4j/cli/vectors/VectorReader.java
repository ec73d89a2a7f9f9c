package io.github.vq4j.cli.vectors;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Vectors in a file, read one after the other: the file may be larger than memory. */
public interface VectorReader extends Closeable {
    /** The formats by the ends of their names. */
    String FORMATS = ".npy, .fvecs, .safetensors, .csv, .tsv, .txt, .vec";

    /** Those of them that are text. */
    List<String> TEXTS = List.of(".csv", ".tsv", ".txt", ".vec");

    /** How text is taken, for {@code --help}. */
    String TEXT =
            "%nText (.csv, .tsv, .txt, .vec) is UTF-8, a vector a line. A first line without numbers is names of columns,"
                    + " that of word2vec and fastText the number of words and features. The first column is labels, which are"
                    + " passed over, if its name there is empty, behind a line of word2vec, or if the first row begins with a"
                    + " word. Every other field has to be a finite number.";

    /** N. */
    long rows();

    /** D. */
    int features();

    /**
     * Reads the next vectors.
     *
     * @param into as many as fit, a row each
     * @return how many were read; 0 at the end
     * @throws IOException also when the file is not what its beginning says
     */
    int read(float[] into) throws IOException;

    /**
     * Opens a file in the format that its name ends with.
     *
     * @param tensor the name of a tensor of a .safetensors file; null where it has one only, and for other formats
     * @throws IOException if the file cannot be read, or is not one of vectors; the message says why
     */
    static VectorReader open(Path path, @Nullable String tensor) throws IOException {
        String name = path.toString().toLowerCase(Locale.ROOT);
        if (tensor != null && !name.endsWith(".safetensors")) {
            throw new IOException("need a .safetensors file with --tensor " + tensor + ", got " + path);
        }
        if (Files.isDirectory(path)) {
            throw new IOException("need a file of vectors, got " + path + ", which is a folder");
        }
        if (Files.exists(path) && !Files.isRegularFile(path)) {
            // Files are read more than once, at places.
            throw new IOException("need a file of vectors, got " + path + ", which is a pipe or device");
        }
        if (name.endsWith(".npy")) {
            return BinaryVectors.ofNpy(path);
        }
        if (name.endsWith(".fvecs")) {
            return BinaryVectors.ofFvecs(path);
        }
        if (name.endsWith(".safetensors")) {
            return BinaryVectors.ofSafetensors(path, tensor);
        }
        if (TEXTS.stream().anyMatch(name::endsWith)) {
            return new TextVectors(path);
        }
        throw new IOException("need a file of vectors that ends in one of " + FORMATS + ", got " + path);
    }
}
