package io.github.vq4j.cuda;

import io.github.vq4j.Backend;
import java.util.function.IntSupplier;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;

/**
 * A stream of a CUDA device, for layers and for what other libraries compute around them:
 *
 * <pre>{@code
 * try (CudaStream stream = CudaStream.create(0);
 *         VectorQuant layer = VectorQuant.builder(64, 1024).backend(stream.backend()).build()) {
 *     // whatever else is put on stream.handle() is ordered with the layer's passes
 * }
 * }</pre>
 *
 * Close layers before their stream.
 */
public final class CudaStream implements AutoCloseable {
    private final Backend backend;
    private final int device;
    private final CUstream_st handle;
    private final boolean isOwned;
    private boolean isClosed;

    private CudaStream(Backend backend, int device, CUstream_st handle, boolean isOwned) {
        this.backend = backend.onStream(handle.address());
        this.device = device;
        this.handle = handle;
        this.isOwned = isOwned;
    }

    /**
     * A new stream, which does not wait for the default stream.
     *
     * @param device from 0
     * @throws IllegalStateException if CUDA does not work; the message says why
     * @throws IllegalArgumentException if there is no such device
     */
    public static CudaStream create(int device) {
        Backend backend = Backend.cuda(device);
        CUstream_st handle = new CUstream_st();
        CudaRuntime.on(
                device,
                "cudaStreamCreateWithFlags",
                () -> cudart.cudaStreamCreateWithFlags(handle, cudart.cudaStreamNonBlocking));
        return new CudaStream(backend, device, handle, true);
    }

    /**
     * A stream of another library, which {@link #close} leaves alone.
     *
     * @param device that the stream belongs to
     * @param handle of the stream; with address 0, the device's default stream
     * @throws IllegalStateException if CUDA does not work; the message says why
     * @throws IllegalArgumentException if there is no such device, or for cudaStreamPerThread, as
     *     {@link Backend#onStream} says
     */
    public static CudaStream of(int device, CUstream_st handle) {
        return new CudaStream(Backend.cuda(device), device, handle, false);
    }

    /** Where layers have to compute to do it on this stream. */
    public Backend backend() {
        checkOpen();
        return backend;
    }

    /** The device. */
    public int device() {
        return device;
    }

    /** The stream itself. */
    public CUstream_st handle() {
        checkOpen();
        return handle;
    }

    /** An event that comes when all is done that was put on the stream before. */
    public CudaEvent record() {
        checkOpen();
        CudaEvent event = new CudaEvent(device);
        on("cudaEventRecord", () -> cudart.cudaEventRecord(event.handle(), handle));
        return event;
    }

    /** Lets what is put on the stream from now on wait for an event, of this stream or another. The host does not wait. */
    public void await(CudaEvent event) {
        checkOpen();
        on("cudaStreamWaitEvent", () -> cudart.cudaStreamWaitEvent(handle, event.handle(), 0));
    }

    /** Waits until all is done that was put on the stream. */
    public void synchronize() {
        checkOpen();
        on("cudaStreamSynchronize", () -> cudart.cudaStreamSynchronize(handle));
    }

    /**
     * Waits for the stream and gives it back, unless it is another library's: for that, {@link Backend#forgetStream} gives
     * back what layers have kept of it. A second call does nothing.
     */
    @Override
    public void close() {
        if (!isClosed) {
            isClosed = true;
            if (isOwned) {
                try {
                    backend.forgetStream();
                } finally {
                    CudaRuntime.check("cudaStreamDestroy", () -> cudart.cudaStreamDestroy(handle));
                }
            }
        }
    }

    /** With the stream's device as the thread's: a default stream is that of the device that is current. */
    private void on(String name, IntSupplier call) {
        CudaRuntime.on(device, name, call);
    }

    private void checkOpen() {
        if (isClosed) {
            throw new IllegalStateException("this stream of cuda:" + device + " is closed");
        }
    }
}
