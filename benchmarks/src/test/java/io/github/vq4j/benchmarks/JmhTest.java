package io.github.vq4j.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.github.vq4j.benchmarks.jmh.OperationData;
import io.github.vq4j.internal.Kernels;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.Collection;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.BenchmarkList;
import org.openjdk.jmh.runner.BenchmarkListEntry;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.VerboseMode;

class JmhTest {
    private static final String PACKAGE = OperationData.class.getPackageName();

    @Test
    void everyOperationOfTheKernelsHasABenchmarkOfItsName() throws IOException {
        Set<String> operations = Arrays.stream(Kernels.class.getFields())
                .map(Field::getType)
                .flatMap(section -> Arrays.stream(section.getDeclaredMethods()))
                .filter(method -> Modifier.isPublic(method.getModifiers()))
                .map(Method::getName)
                .filter(name -> !name.equals("packedCodebookBytes"))
                .collect(Collectors.toCollection(TreeSet::new));
        assertFalse(operations.isEmpty());
        operations.removeAll(benchmarkNames());
        assertEquals(Set.of(), operations, "operations without a benchmark in " + PACKAGE);
    }

    @Test
    void everyBenchmarkRunsAtASmallSize() throws RunnerException, IOException {
        Collection<RunResult> results = new Runner(new OptionsBuilder()
                        .include(PACKAGE + ".*")
                        .mode(Mode.SingleShotTime)
                        .param("rows", "256")
                        .param("codes", "64")
                        .param("features", "16")
                        .forks(0)
                        .warmupIterations(0)
                        .measurementIterations(1)
                        .shouldFailOnError(true)
                        .verbosity(VerboseMode.SILENT)
                        .build())
                .run();
        Set<String> ran = results.stream()
                .map(result -> result.getParams().getBenchmark().replaceAll(".*\\.", ""))
                .collect(Collectors.toCollection(TreeSet::new));
        assertEquals(benchmarkNames(), ran);
    }

    /** The names that JMH's annotation processor has listed. */
    private static Set<String> benchmarkNames() throws IOException {
        try (InputStream list = JmhTest.class.getResourceAsStream(BenchmarkList.BENCHMARK_LIST)) {
            Set<String> names = BenchmarkList.readBenchmarkList(list).stream()
                    .map(BenchmarkListEntry::getUsername)
                    .filter(name -> name.startsWith(PACKAGE))
                    .map(name -> name.replaceAll(".*\\.", ""))
                    .collect(Collectors.toCollection(TreeSet::new));
            assertFalse(names.isEmpty());
            return names;
        }
    }
}
