package io.github.vq4j.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.github.vq4j.Backend;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Executors in processes of their own, which have Spark, and get vq4j with the application's jars. */
class ClusterTest {
    @TempDir
    private Path folder;

    @Test
    void executorsLoadTheNativeLibraryFromTheJarsAndFitTheSameBits() throws IOException {
        Path sparkHome = Path.of(System.getenv("SPARK_HOME"));
        List<String> jars = fill(sparkHome.resolve("jars"));
        List<Vector> vectors = Data.normal(500, 6, 3);
        VectorQuantizer quantizer =
                new VectorQuantizer().setNumCodes(8).setGroups(2).setMaxIter(3);
        VectorQuantizerModel fitted;
        List<Row> encoded;
        try (SparkSession cluster = Data.session("local-cluster[2,1,1024]")
                .config("spark.jars", String.join(",", jars))
                .config("spark.executor.memory", "512m")
                .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
                .getOrCreate()) {
            Dataset<Row> data = Data.dataset(cluster, vectors).repartition(4);
            fitted = quantizer.fit(data);
            encoded = fitted.transform(data).orderBy("id").collectAsList();
            assertVq4jComesFromTheApplication(cluster, sparkHome);
        }
        try (SparkSession here = Data.session("local[1]").getOrCreate()) {
            Dataset<Row> data = Data.dataset(here, vectors);
            VectorQuantizerModel alone = quantizer.fit(data);
            assertArrayEquals(alone.codebook(0), fitted.codebook(0));
            assertArrayEquals(alone.codebook(1), fitted.codebook(1));
            assertEquals(alone.transform(data).orderBy("id").collectAsList(), encoded);
        }
    }

    private static void assertVq4jComesFromTheApplication(SparkSession cluster, Path sparkHome) {
        List<String> places = JavaSparkContext.fromSparkContext(cluster.sparkContext())
                .parallelize(List.of(1, 2, 3, 4), 4)
                .map(task -> ProcessHandle.current().pid() + " " + Backend.cpu().name() + " "
                        + Backend.class
                                .getProtectionDomain()
                                .getCodeSource()
                                .getLocation()
                                .getPath())
                .collect();
        for (String place : places) {
            assertFalse(place.startsWith(ProcessHandle.current().pid() + " "), place);
            assertFalse(place.contains(sparkHome.resolve("jars").toString()), place);
        }
        Set<String> processes =
                places.stream().map(place -> place.split(" ")[0]).collect(Collectors.toSet());
        assertEquals(2, processes.size(), places.toString());
    }

    /** Links Spark's jars into a folder, and gives the application's. */
    private List<String> fill(Path sparkJars) throws IOException {
        Files.createDirectories(sparkJars);
        try (Stream<Path> old = Files.walk(sparkJars.getParent())) {
            for (Path path : old.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
        Files.createDirectories(sparkJars);
        List<String> application = new ArrayList<>();
        Set<String> linked = new HashSet<>();
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
            Path path = Path.of(entry).toAbsolutePath();
            String name = path.getFileName().toString();
            if (Files.isDirectory(path)) {
                application.add(
                        jarOf(path, folder.resolve(application.size() + ".jar")).toString());
            } else if (name.startsWith("vq4j-") || name.startsWith("javacpp-")) {
                application.add(path.toString());
            } else if (linked.add(name)) {
                Files.createSymbolicLink(sparkJars.resolve(name), path);
            }
        }
        return application;
    }

    private static Path jarOf(Path classes, Path jar) throws IOException {
        try (OutputStream file = Files.newOutputStream(jar);
                JarOutputStream output = new JarOutputStream(file);
                Stream<Path> files = Files.walk(classes)) {
            for (Path path : files.filter(Files::isRegularFile).toList()) {
                output.putNextEntry(new JarEntry(classes.relativize(path).toString()));
                Files.copy(path, output);
                output.closeEntry();
            }
        }
        return jar;
    }
}
