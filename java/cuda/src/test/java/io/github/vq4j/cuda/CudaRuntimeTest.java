package io.github.vq4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.vq4j.Backend;
import org.bytedeco.cuda.global.cudart;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** On a machine with a device: without one the runtime's error stays whatever is done. */
class CudaRuntimeTest {
    @BeforeEach
    void needsADevice() {
        assumeTrue(Backend.whyNoCuda().isEmpty(), () -> Backend.whyNoCuda().orElse(""));
    }

    @Test
    void anErrorIsThrownAndNotLeftForTheThreadsNextCall() {
        IllegalStateException failure = assertThrows(
                IllegalStateException.class,
                () -> CudaRuntime.check("cudaSetDevice", () -> cudart.cudaSetDevice(1000)));
        assertTrue(failure.getMessage().startsWith("cudaSetDevice: "), failure.getMessage());
        assertEquals(cudart.cudaSuccess, cudart.cudaPeekAtLastError());
    }
}
