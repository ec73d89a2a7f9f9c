package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.junit.jupiter.api.Test;

/**
 * Beyond what JavaCPP lets a process take, by default four times the largest heap, it makes no pointers any more: a program
 * with a small heap and many rows outside of it must not notice.
 */
class JavacppLimitTest {
    @Test
    void aLayerTrainsAndEncodesBeyondIt() throws Exception {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dorg.bytedeco.javacpp.maxPhysicalBytes=1",
                "-Dorg.bytedeco.javacpp.maxRetries=0"));
        for (String name : List.of("org.bytedeco.javacpp.platform.preloadpath", "org.bytedeco.javacpp.pathsFirst")) {
            String value = System.getProperty(name);
            if (value != null) {
                command.add("-D" + name + "=" + value);
            }
        }
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Child.class.getName()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), printed);
        assertEquals(
                Backends.all().size(),
                printed.lines().filter(line -> line.startsWith("codes ")).count(),
                printed);
    }

    static final class Child {
        public static void main(String[] arguments) {
            for (Backend backend : Backends.all()) {
                Tensor z = Tensor.of(
                        ByteBuffer.allocateDirect(64 * 4 * Float.BYTES)
                                .order(ByteOrder.nativeOrder())
                                .asFloatBuffer(),
                        64,
                        4);
                try (VectorQuant layer = VectorQuant.builder(4, 8)
                                .dim(-1)
                                .affineLr(2)
                                .backend(backend)
                                .build();
                        Optimizer optimizer = Optimizer.adamW(1e-3)) {
                    layer.forward(z).close();
                    layer.backward(null, 1).close();
                    optimizer.step(layer);
                    try (FrozenQuantizer frozen = layer.freeze();
                            Tensor codes = frozen.encode(z);
                            Tensor rows = frozen.decode(codes)) {
                        System.out.println("codes " + codes.size() + " rows " + rows.size());
                    }
                }
            }
            try (FloatPointer pointer = new FloatPointer(1)) {
                throw new AssertionError("JavaCPP's limit is not in force: " + pointer);
            } catch (OutOfMemoryError refused) {
                System.out.println(refused.getMessage());
            }
        }
    }
}
