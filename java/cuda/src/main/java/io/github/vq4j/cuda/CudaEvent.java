package io.github.vq4j.cuda;

import org.bytedeco.cuda.cudart.CUevent_st;
import org.bytedeco.cuda.global.cudart;

/** A point in the work of a stream, made by {@link CudaStream#record}. */
public final class CudaEvent implements AutoCloseable {
    private final CUevent_st handle = new CUevent_st();
    private boolean isClosed;

    CudaEvent(int device) {
        CudaRuntime.on(
                device,
                "cudaEventCreateWithFlags",
                () -> cudart.cudaEventCreateWithFlags(handle, cudart.cudaEventDisableTiming));
    }

    /** The event itself. */
    public CUevent_st handle() {
        if (isClosed) {
            throw new IllegalStateException("this event is closed");
        }
        return handle;
    }

    /** Waits until the stream has come to this point. */
    public void synchronize() {
        CudaRuntime.check("cudaEventSynchronize", () -> cudart.cudaEventSynchronize(handle()));
    }

    /** Gives the event back; a second call does nothing. */
    @Override
    public void close() {
        if (!isClosed) {
            isClosed = true;
            CudaRuntime.check("cudaEventDestroy", () -> cudart.cudaEventDestroy(handle));
        }
    }
}
