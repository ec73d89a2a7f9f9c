package io.github.vq4j.cuda;

import io.github.vq4j.Backend;
import java.util.function.IntSupplier;
import org.bytedeco.cuda.global.cudart;

/** The way to the CUDA runtime. The classes of the presets, which load its library, are touched only behind this. */
final class CudaRuntime {
    private CudaRuntime() {}

    /**
     * As {@link #check}, with a device as the calling thread's for the length of the call.
     *
     * @throws IllegalStateException if CUDA does not work, or the presets do not; the message says why
     * @throws IllegalArgumentException if there is no such device
     */
    static void on(int device, String name, IntSupplier call) {
        Backend.cuda(device);
        int[] before = new int[1];
        check("cudaGetDevice", () -> cudart.cudaGetDevice(before));
        check("cudaSetDevice", () -> cudart.cudaSetDevice(device));
        try {
            check(name, call);
        } finally {
            check("cudaSetDevice", () -> cudart.cudaSetDevice(before[0]));
        }
    }

    /** Throws what a call of the runtime says, and does not leave it for the thread's next user of CUDA to find. */
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
            cudart.cudaGetLastError();
            throw new IllegalStateException(
                    name + ": " + cudart.cudaGetErrorString(status).getString());
        }
    }
}
