package io.github.vq4j.benchmarks;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** FAISS in a Python process of its own that waits while others are measured; data goes to it in files. */
final class FaissProcess implements AutoCloseable {
    private static final List<String> INTERPRETERS = List.of("python3", "/usr/bin/python3");
    private static final int MOST_RESULTS = 1 << 20;

    private final ObjectMapper json = new ObjectMapper();
    private final Path folder;
    private final Process process;
    private final Writer commands;
    private final BufferedReader answers;
    private final String description;

    private FaissProcess(String interpreter, Path folder, int threads) throws IOException {
        this.folder = folder;
        Path script = folder.resolve("faiss_server.py");
        try (InputStream source = FaissProcess.class.getResourceAsStream("faiss_server.py")) {
            Files.copy(source, script);
        }
        ProcessBuilder builder = new ProcessBuilder(interpreter, script.toString());
        builder.redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().putAll(Map.of("OMP_NUM_THREADS", "" + threads, "OPENBLAS_NUM_THREADS", "" + threads));
        process = builder.start();
        commands = process.outputWriter();
        answers = process.inputReader();
        try {
            JsonNode version = ask(Map.of("do", "version", "threads", threads));
            List<String> libraries = new ArrayList<>();
            version.get("libraries")
                    .forEach(library -> libraries.add(
                            Path.of(library.asText()).getFileName().toString()));
            description = version.get("version").asText() + " in a child process, " + String.join(", ", libraries);
        } catch (RuntimeException | Error failure) {
            process.destroy();
            throw failure;
        }
    }

    /** The child process, or why there is none. */
    record Started(@Nullable FaissProcess process, String description) {}

    /** Starts it where Python finds FAISS, and FAISS a fast BLAS. */
    static Started start(int threads) throws IOException {
        for (String interpreter : INTERPRETERS) {
            if (finds(interpreter)) {
                FaissProcess process = new FaissProcess(interpreter, Files.createTempDirectory("vq4j-faiss"), threads);
                if (process.description.matches(".*(openblas|mkl).*")) {
                    return new Started(process, process.description);
                }
                process.close();
                return new Started(
                        null,
                        "not measured: FAISS " + process.description
                                + " is not an optimised BLAS; apt-get install libopenblas0-pthread");
            }
        }
        return new Started(null, "not measured: python3-faiss is not installed");
    }

    private static boolean finds(String interpreter) {
        try {
            Process probe = new ProcessBuilder(interpreter, "-c", "import faiss")
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            return probe.waitFor() == 0;
        } catch (IOException noInterpreter) {
            return false;
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** Nearest codes by IndexFlatL2. */
    Contender assignment(Matrix rows, Matrix codebook) {
        return new Call(Map.of(
                "do",
                "assign",
                "rows",
                file(rows, "rows"),
                "n",
                rows.rows(),
                "codebook",
                file(codebook, "codebook"),
                "k",
                codebook.rows(),
                "d",
                rows.columns()));
    }

    /** A fit by faiss.Kmeans on all rows. */
    Contender kmeans(Matrix rows, int codes, int iterations, long seed) {
        return new Call(Map.of(
                "do",
                "kmeans",
                "rows",
                file(rows, "rows"),
                "n",
                rows.rows(),
                "d",
                rows.columns(),
                "k",
                codes,
                "iterations",
                iterations,
                "seed",
                seed));
    }

    /**
     * Codes, or vectors of codes, by faiss.ProductQuantizer.
     *
     * @param command encode or decode
     * @param codebooks those of the groups, one below the other
     */
    Contender product(String command, Matrix rows, Matrix codebooks, int groups) {
        return new Call(Map.of(
                "do",
                command,
                "rows",
                file(rows, "rows"),
                "n",
                rows.rows(),
                "d",
                rows.columns(),
                "codebooks",
                file(codebooks, "codebook"),
                "groups",
                groups,
                "k",
                codebooks.rows() / groups));
    }

    private String file(Matrix matrix, String name) {
        Path file = folder.resolve(name);
        try {
            Files.deleteIfExists(file);
            matrix.write(file);
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
        return file.toString();
    }

    private JsonNode ask(Map<String, ?> command) {
        try {
            commands.write(json.writeValueAsString(command) + "\n");
            commands.flush();
            String answer = answers.readLine();
            if (answer == null) {
                throw new IllegalStateException("the FAISS process ended on " + command);
            }
            return json.readTree(answer);
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    /** Ends the process and removes its files. */
    @Override
    public void close() throws IOException {
        commands.close();
        try {
            if (!process.waitFor(5, TimeUnit.SECONDS)) {
                process.destroy();
            }
        } catch (InterruptedException stop) {
            process.destroy();
            Thread.currentThread().interrupt();
        }
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    /** A call that the process has been prepared for; preparing the next one ends it. */
    private final class Call implements Contender {
        Call(Map<String, ?> preparation) {
            ask(preparation);
        }

        @Override
        public String name() {
            return "FAISS";
        }

        @Override
        public void run() {
            ask(Map.of("do", "run"));
        }

        @Override
        public double seconds(double atLeast) {
            return ask(Map.of("do", "seconds", "atLeast", atLeast))
                    .get("seconds")
                    .asDouble();
        }

        @Override
        public Long memoryGrowth() {
            return ask(Map.of("do", "growth")).get("bytes").asLong();
        }

        @Override
        public int[] result() {
            Path file = folder.resolve("result");
            ask(Map.of("do", "result", "file", file.toString(), "most", MOST_RESULTS));
            try {
                ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.nativeOrder());
                int[] result = new int[bytes.remaining() / Integer.BYTES];
                bytes.asIntBuffer().get(result);
                return result;
            } catch (IOException failure) {
                throw new UncheckedIOException(failure);
            }
        }
    }
}
