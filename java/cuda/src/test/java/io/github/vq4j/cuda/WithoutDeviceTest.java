package io.github.vq4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.github.vq4j.Backend;
import io.github.vq4j.DataType;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** On a machine without a device: the reason in words, and nothing of CUDA is loaded. */
class WithoutDeviceTest {
    @BeforeEach
    void needsNoDevice() {
        assumeFalse(Backend.whyNoCuda().isEmpty(), "there is a CUDA device");
    }

    private static void saysWhyThereIsNone(Executable call) {
        IllegalStateException failure = assertThrows(IllegalStateException.class, call);
        assertEquals("CUDA was asked for: " + Backend.whyNoCuda().orElseThrow(), failure.getMessage());
    }

    @Test
    void aStreamSaysWhyThereIsNone() {
        saysWhyThereIsNone(() -> CudaStream.create(0));
    }

    @Test
    void memorySaysWhyThereIsNone() {
        try (FloatPointer host = new FloatPointer(4)) {
            saysWhyThereIsNone(() -> CudaMemory.tensor(host, DataType.FLOAT32, 4));
        }
    }

    /** Behind a driver that works: presets without CUDA's runtime library, or a runtime that finds no device. */
    @Test
    void whatTheRuntimeLacksIsSaidInWords() {
        try (FloatPointer host = new FloatPointer(4)) {
            IllegalStateException failure = assertThrows(IllegalStateException.class, () -> CudaMemory.kindOf(host));
            assertTrue(
                    failure.getMessage().startsWith("CUDA works, but bytedeco's presets do not load")
                            || failure.getMessage().startsWith("cudaPointerGetAttributes: "),
                    failure.getMessage());
        }
    }

    @Test
    void theCpuHasNoStreams() {
        for (Executable call : List.<Executable>of(() -> Backend.cpu().onStream(1), Backend.cpu()::forgetStream)) {
            IllegalStateException failure = assertThrows(IllegalStateException.class, call);
            assertTrue(failure.getMessage().contains("got cpu"), failure.getMessage());
        }
    }

    /** Loads classes of this package itself and notes all that they ask for. */
    private static final class NotingLoader extends ClassLoader {
        private final List<String> asked = new ArrayList<>();

        NotingLoader() {
            super(WithoutDeviceTest.class.getClassLoader());
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            asked.add(name);
            if (!name.startsWith("io.github.vq4j.cuda.Cuda")) {
                return super.loadClass(name, resolve);
            }
            Class<?> loaded = findLoadedClass(name);
            if (loaded != null) {
                return loaded;
            }
            try (var bytes = getParent().getResourceAsStream(name.replace('.', '/') + ".class")) {
                byte[] code = bytes.readAllBytes();
                return defineClass(name, code, 0, code.length);
            } catch (java.io.IOException failure) {
                throw new ClassNotFoundException(name, failure);
            }
        }
    }

    @Test
    void nothingOfThePresetsIsInitialized() throws Exception {
        NotingLoader loader = new NotingLoader();
        Class<?> streams = Class.forName("io.github.vq4j.cuda.CudaStream", true, loader);
        assertThrows(java.lang.reflect.InvocationTargetException.class, () -> streams.getMethod("create", int.class)
                .invoke(null, 0));
        assertTrue(loader.asked.contains("io.github.vq4j.Backend"), "the loader sees what is asked for");
        assertTrue(
                loader.asked.stream().noneMatch(name -> name.equals("org.bytedeco.cuda.global.cudart")),
                () -> "asked for " + loader.asked);
    }
}
