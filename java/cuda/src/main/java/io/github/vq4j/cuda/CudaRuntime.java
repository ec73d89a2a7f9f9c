package io.github.vq4j.cuda;

import io.github.vq4j.Backend;
import java.util.function.IntSupplier;
import org.bytedeco.cuda.global.cudart;

/** The way to the CUDA runtime. The classes of the presets, which load its library, are touched only behind this. */
final class CudaRuntime {
    private CudaRuntime() {}

    /**
     * Checks that a device is there, and makes it the calling thread's.
     *
     * @throws IllegalStateException if CUDA does not work, or the presets do not; the message says why
     * @throws IllegalArgumentException if there is no such device
     */
    static Backend use(int device) {
        Backend backend = Backend.cuda(device);
        check("cudaSetDevice", () -> cudart.cudaSetDevice(device));
        return backend;
    }

    /** Throws what a call of the runtime says. */
    static void check(String name, IntSupplier call) {
        int status;
        try {
            status = call.getAsInt();
        } catch (LinkageError missing) {
            throw new IllegalStateException(
                    "CUDA works, but bytedeco's presets do not load (" + missing.getMessage()
                            + "); put org.bytedeco:cuda with the classifier of this platform on the class path, and CUDA's"
                            + " runtime library by an installed toolkit or by org.bytedeco:cuda-redist",
                    missing);
        }
        if (status != cudart.cudaSuccess) {
            throw new IllegalStateException(
                    name + ": " + cudart.cudaGetErrorString(status).getString());
        }
    }
}
