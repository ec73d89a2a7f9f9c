package io.github.vq4j;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.function.Executable;

/** How much heap a call takes. */
final class AllocatedMemory {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private AllocatedMemory() {}

    /** Bytes that the calling thread allocates on the heap while it runs the call. */
    static long of(Executable call) throws Throwable {
        long before = THREADS.getCurrentThreadAllocatedBytes();
        call.execute();
        return THREADS.getCurrentThreadAllocatedBytes() - before;
    }
}
