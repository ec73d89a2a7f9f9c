package io.github.vq4j.benchmarks;

import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.annotation.Cast;
import org.bytedeco.javacpp.annotation.Platform;

/** What this machine can do at most, measured when asked: {@code machine_limits.h} as Java methods. */
@Platform(include = "machine_limits.h")
final class MachineLimits {
    static {
        Loader.load();
    }

    private MachineLimits() {}

    /** The instruction set that {@link #multiplyAddRate} measures: the widest of the machine. */
    static native String instructionSet();

    /** Floating-point operations in a second by fused multiply-adds in registers, on some threads. */
    static native double multiplyAddRate(int threads);

    /** Bytes read and written in a second by a copy of {@code bytes} bytes on some threads. */
    static native double copyRate(
            Pointer to, @Cast("const void*") Pointer from, @Cast("int64_t") long bytes, int threads);

    /** Gives the system back what the C allocator keeps for later. */
    static native void releaseFreeMemory();
}
