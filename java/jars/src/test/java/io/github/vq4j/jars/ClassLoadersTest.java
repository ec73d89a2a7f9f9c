package io.github.vq4j.jars;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import java.lang.reflect.InvocationTargetException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Several class loaders in one process, as application servers and Spark have them. */
class ClassLoadersTest {
    /** A program that is loaded more than once. */
    public static final class Program {
        private Program() {}

        /** The codes of a few rows. */
        public static int[] codes() {
            try (VectorQuant layer = VectorQuant.builder(4, 4).seed(1).build();
                    Tensor codes = layer.encode(Tensor.of(new float[] {1, 2, 3, 4, -4, -3, -2, -1}, 2, 4))) {
                return codes.toIntArray();
            }
        }
    }

    @Test
    void eachLoaderWithAllJarsHasALibraryThatWorks() throws Exception {
        ClassLoader platform = ClassLoader.getPlatformClassLoader();
        try (URLClassLoader first = loader(platform, entry -> true);
                URLClassLoader second = loader(platform, entry -> true)) {
            assertArrayEquals(Program.codes(), codes(first));
            assertArrayEquals(Program.codes(), codes(second));
        }
    }

    @Test
    void javacppInAParentOfTheLoaderIsRefused() throws Exception {
        Predicate<String> isJavacpp = entry -> entry.matches(".*/javacpp-\\d[^/]*\\.jar");
        try (URLClassLoader parent = loader(ClassLoader.getPlatformClassLoader(), isJavacpp);
                URLClassLoader child = loader(parent, isJavacpp.negate())) {
            Throwable refused = assertThrows(InvocationTargetException.class, () -> codes(child))
                    .getCause();
            assertInstanceOf(IllegalStateException.class, refused);
            assertTrue(
                    refused.getMessage()
                            .endsWith("JavaCPP has another class loader than vq4j: need the jars of both in one"),
                    refused.getMessage());
        }
    }

    private static int[] codes(ClassLoader loader) throws Exception {
        return (int[])
                loader.loadClass(Program.class.getName()).getMethod("codes").invoke(null);
    }

    private static URLClassLoader loader(ClassLoader parent, Predicate<String> which) {
        return new URLClassLoader(
                Stream.of(System.getProperty("java.class.path").split(":"))
                        .filter(which)
                        .map(ClassLoadersTest::url)
                        .toArray(URL[]::new),
                parent);
    }

    private static URL url(String entry) {
        try {
            return Path.of(entry).toUri().toURL();
        } catch (MalformedURLException impossible) {
            throw new AssertionError(impossible);
        }
    }
}
