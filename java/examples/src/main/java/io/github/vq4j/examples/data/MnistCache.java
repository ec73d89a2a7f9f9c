package io.github.vq4j.examples.data;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/** A folder of the user's where files stay, not compressed. Only files with the right checksum get in or count. */
final class MnistCache {
    private final Path folder;
    private final List<MnistFile> files;

    MnistCache(Path folder, List<MnistFile> files) {
        this.folder = folder;
        this.files = files;
    }

    /** ~/.cache/vq4j/mnist, or below XDG_CACHE_HOME where that is an absolute path, as its specification asks. */
    static Path defaultFolder(Map<String, String> environment) {
        Path base = Path.of(environment.getOrDefault("XDG_CACHE_HOME", ""));
        if (!base.isAbsolute()) {
            base = Path.of(System.getProperty("user.home"), ".cache");
        }
        return base.resolve("vq4j").resolve("mnist");
    }

    Path folder() {
        return folder;
    }

    List<MnistFile> files() {
        return files;
    }

    /** Whether all files are there. */
    boolean isComplete() throws IOException {
        for (MnistFile file : files) {
            if (!has(file)) {
                return false;
            }
        }
        return true;
    }

    /** Whether a file is there and whole. */
    boolean has(MnistFile file) throws IOException {
        Path path = folder.resolve(file.fileName());
        if (!Files.exists(path)) {
            return false;
        }
        try (InputStream content = Files.newInputStream(path)) {
            return checksumOfCopy(content, OutputStream.nullOutputStream()).equals(file.sha256());
        }
    }

    /**
     * Stores a file, under a temporary name until it is complete and checked.
     *
     * @param content not compressed
     * @throws IOException if it cannot be read or written or is not the file it should be
     */
    void store(MnistFile file, InputStream content) throws IOException {
        Files.createDirectories(folder);
        Path temporary = Files.createTempFile(folder, file.fileName(), ".part");
        try {
            String seen;
            try (OutputStream copy = Files.newOutputStream(temporary)) {
                seen = checksumOfCopy(content, copy);
            }
            if (!seen.equals(file.sha256())) {
                throw new IOException(file.fileName() + ": need SHA-256 " + file.sha256() + ", got " + seen);
            }
            Files.move(temporary, folder.resolve(file.fileName()), StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    private static String checksumOfCopy(InputStream content, OutputStream copy) throws IOException {
        DigestInputStream digested = new DigestInputStream(content, sha256());
        digested.transferTo(copy);
        return HexFormat.of().formatHex(digested.getMessageDigest().digest());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException("every Java platform has SHA-256", impossible);
        }
    }
}
