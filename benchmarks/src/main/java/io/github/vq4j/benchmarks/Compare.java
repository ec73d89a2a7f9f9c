package io.github.vq4j.benchmarks;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.github.vq4j.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Runs the JMH benchmarks of vq4j and of its peers in this one process, in alternating rounds, so that a change of the
 * machine's speed meets all of them; prints the median of the rounds and the ratio to each peer.
 */
@Command(
        name = "compare",
        mixinStandardHelpOptions = true,
        description = "Times vq4j and libtorch in one process, at equal threads, alternating.")
final class Compare implements Callable<Integer> {
    @Option(names = "--rounds", defaultValue = "5", description = "Alternating rounds (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(names = "--json", description = "Also write the figures to this file.")
    private Path json;

    @Option(names = "--commit", description = "Commit to note in the file.")
    private String commit;

    /** One line of the table: median microseconds of ours and of every peer. */
    record Row(String benchmark, int rows, int codes, int features, Map<String, Double> microseconds) {
        double ours() {
            return microseconds.get("vq4j");
        }

        double gigaflops() {
            return 2.0 * rows * codes * features / ours() / 1e3;
        }
    }

    /** What the file holds. */
    record Report(String date, String commit, String processor, String vq4j, int threads, int rounds, List<Row> rows) {}

    @Override
    public Integer call() throws RunnerException, IOException {
        Map<String, Map<String, List<Double>>> samples = new LinkedHashMap<>();
        Map<String, Row> shapes = new LinkedHashMap<>();
        for (int round = 0; round < rounds; round++) {
            System.out.printf("round %d of %d%n", round + 1, rounds);
            for (RunResult result : oneRound()) {
                String[] name = result.getParams().getBenchmark().split("\\.");
                String method = name[name.length - 1];
                String benchmark = name[name.length - 2].replace("Benchmark", "");
                int features = parameter(result, "features");
                String key = benchmark + features;
                shapes.putIfAbsent(
                        key,
                        new Row(benchmark, parameter(result, "rows"), parameter(result, "codes"), features, Map.of()));
                samples.computeIfAbsent(key, any -> new LinkedHashMap<>())
                        .computeIfAbsent(method, any -> new ArrayList<>())
                        .add(result.getPrimaryResult().getScore());
            }
        }
        List<Row> table = shapes.entrySet().stream()
                .map(entry -> withMedians(entry.getValue(), samples.get(entry.getKey())))
                .toList();
        print(table);
        if (json != null) {
            write(table);
        }
        return 0;
    }

    private static Iterable<RunResult> oneRound() throws RunnerException {
        return new Runner(new OptionsBuilder()
                        .include(AssignmentBenchmark.class.getName())
                        .include(TrainingStepBenchmark.class.getName())
                        .forks(0)
                        .warmupIterations(1)
                        .warmupTime(TimeValue.milliseconds(500))
                        .measurementIterations(1)
                        .measurementTime(TimeValue.seconds(1))
                        .verbosity(VerboseMode.SILENT)
                        .build())
                .run();
    }

    private static int parameter(RunResult result, String name) {
        return Integer.parseInt(result.getParams().getParam(name));
    }

    private static Row withMedians(Row shape, Map<String, List<Double>> samples) {
        Map<String, Double> medians = new LinkedHashMap<>();
        samples.forEach((method, values) -> {
            List<Double> sorted = values.stream().sorted().toList();
            medians.put(method, sorted.get(sorted.size() / 2));
        });
        return new Row(shape.benchmark(), shape.rows(), shape.codes(), shape.features(), medians);
    }

    private static void print(List<Row> table) {
        System.out.printf("%n%s, %s%n", processor(), Backend.cpu().description());
        for (Row row : table) {
            System.out.printf(
                    "%-12s N = %d  K = %d  D = %-4d vq4j %8.0f us (%.0f GFLOP/s)",
                    row.benchmark(), row.rows(), row.codes(), row.features(), row.ours(), row.gigaflops());
            row.microseconds().forEach((method, time) -> {
                if (!method.equals("vq4j")) {
                    System.out.printf("  | %s %8.0f us = %.1f x", method, time, time / row.ours());
                }
            });
            System.out.println();
        }
    }

    private void write(List<Row> table) throws IOException {
        Report report = new Report(
                LocalDate.now().toString(),
                commit,
                processor(),
                Backend.cpu().description(),
                Backend.cpuThreads(),
                rounds,
                table);
        Path target = json.toAbsolutePath();
        Path temporary = Files.createTempFile(target.getParent(), "benchmark", ".part");
        new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValue(temporary.toFile(), report);
        Files.move(temporary, target, StandardCopyOption.REPLACE_EXISTING);
        System.out.println("written: " + target);
    }

    private static String processor() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith("model name"))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse("unknown processor");
        } catch (IOException unreadable) {
            return "unknown processor";
        }
    }
}
