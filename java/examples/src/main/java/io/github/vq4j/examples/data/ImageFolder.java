package io.github.vq4j.examples.data;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A folder with IDX files under MNIST's names, plain or with ".gz". Fashion-MNIST and others use the same names. */
public final class ImageFolder {
    private ImageFolder() {}

    /**
     * Reads the images of a folder, or of its folder "mnist" where it is one of several sets.
     *
     * @throws IOException if a file is missing or not whole; the message says which
     */
    public static ImageSet read(Path given) throws IOException {
        Path ofSeveral = given.resolve("mnist");
        Path folder = Files.isDirectory(ofSeveral) ? ofSeveral : given;
        Images training = IdxFile.readImages(find(folder, MnistFile.TRAINING.fileName()));
        Images heldOut = IdxFile.readImages(find(folder, MnistFile.HELD_OUT.fileName()));
        if (training.height() != heldOut.height() || training.width() != heldOut.width()) {
            throw new IOException(folder + ": need training and held-out images of one size, got " + training.height()
                    + " x " + training.width() + " and " + heldOut.height() + " x " + heldOut.width());
        }
        return new ImageSet(training, heldOut, folder.toString());
    }

    private static Path find(Path folder, String name) throws IOException {
        Path plain = folder.resolve(name);
        Path gzip = folder.resolve(name + ".gz");
        if (Files.exists(plain)) {
            return plain;
        }
        if (Files.exists(gzip)) {
            return gzip;
        }
        throw new FileNotFoundException(folder + ": need " + name + " or " + name + ".gz, got neither");
    }
}
