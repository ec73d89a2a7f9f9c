package io.github.vq4j;

import io.github.vq4j.internal.CpuKernels;
import io.github.vq4j.internal.CudaKernels;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import java.util.Locale;
import java.util.Optional;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where kernels run: the CPU or a CUDA device. Results are the same bits on all of them. Immutable and thread-safe.
 *
 * <p>System properties: {@code vq4j.backend} = {@code best}, {@code cpu}, {@code cuda} or {@code cuda:N} decides what
 * {@link #best} gives; {@code vq4j.threads} = the number of CPU threads to start with, by default as many as
 * the JVM has processors, which in a container are its share of the machine's.
 */
public final class Backend {
    /** cudaStreamPerThread: one handle for as many streams as there are threads. */
    private static final long STREAM_PER_THREAD = 2;

    /** System property that decides what {@link #best} gives. */
    public static final String BACKEND_PROPERTY = "vq4j.backend";

    /** System property with the number of CPU threads to start with. */
    public static final String THREADS_PROPERTY = "vq4j.threads";

    /** The only platform with CUDA kernels, and the one of vq4j-platform. */
    private static final String LINUX_X86_64 = "linux-x86_64";

    private static final String LINUX_ARM64 = "linux-arm64";

    private static final Logger LOGGER = LoggerFactory.getLogger(Backend.class);

    private static volatile @Nullable Backend loadedCpu;

    private final Kernels kernels;

    Backend(Kernels kernels) {
        this.kernels = kernels;
    }

    /**
     * The backend that the property {@code vq4j.backend} names; without it CUDA device 0 where CUDA works, else the CPU.
     * The first call logs one line with the choice and its reason.
     *
     * @throws IllegalStateException if the property asks for CUDA and there is none; the message says why
     * @throws IllegalArgumentException if the property has another value, or names a device that does not exist
     */
    public static Backend best() {
        Backend chosen = named(System.getProperty(BACKEND_PROPERTY, "best"));
        Announcement.once(chosen);
        return chosen;
    }

    /**
     * The CPU.
     *
     * @throws IllegalStateException if the native library is not on the class path or does not load
     */
    public static Backend cpu() {
        Backend loaded = loadedCpu;
        return loaded != null ? loaded : loadCpu();
    }

    /**
     * A CUDA device.
     *
     * @param device from 0
     * @throws IllegalStateException if CUDA does not work; the message says why
     * @throws IllegalArgumentException if there is no such device
     */
    public static Backend cuda(int device) {
        if (Cuda.WHY_NOT.isPresent()) {
            throw new IllegalStateException("CUDA was asked for: " + Cuda.WHY_NOT.get());
        }
        if (device < 0 || device >= Cuda.DEVICES) {
            throw new IllegalArgumentException("need 0 <= device < " + Cuda.DEVICES + ", got " + device);
        }
        return new Backend(Kernels.cuda(device));
    }

    /**
     * The CUDA device whose memory this is, of another library, once whatever works on the device is done.
     *
     * @throws IllegalStateException if CUDA does not work; the message says why
     * @throws IllegalArgumentException if it is memory of the host
     */
    static Backend cudaOf(Pointer memory) {
        cuda(0);
        return new Backend(Kernels.cudaOf(memory));
    }

    /**
     * This device, with all work on a stream of the caller's. Layers of such a backend are ordered with what else is put on the
     * stream, and so is the memory of their results, that goes back when they are closed: nothing waits. Results that layers of
     * another stream have taken, or other libraries by {@link Tensor#address} or {@link Dlpack}, go back with a wait for the
     * device.
     *
     * @param stream address of a cudaStream_t, which has to stay as long as layers use it and until {@link #forgetStream}; 0 for
     *     the default stream. Not cudaStreamPerThread: that is another stream in each thread, and a layer's memory is also
     *     given back by other threads than the one that computes
     * @throws IllegalStateException on the CPU, which has no streams
     * @throws IllegalArgumentException for cudaStreamPerThread
     */
    public Backend onStream(long stream) {
        checkHasStreams();
        if (stream == STREAM_PER_THREAD) {
            throw new IllegalArgumentException(
                    "need a stream that is the same one in all threads, got cudaStreamPerThread"
                            + " (0x2); make one with cudaStreamCreate, or use 0, the default stream of the device");
        }
        return new Backend(Kernels.cuda(kernels.device(), stream));
    }

    /**
     * Waits for the backend's stream and gives back what is kept of it between passes, graphs and device memory: before the
     * stream is destroyed, or when layers will not use it for long. Results can be closed afterwards.
     *
     * @throws IllegalStateException on the CPU, which has no streams
     */
    public void forgetStream() {
        checkHasStreams();
        kernels.forgetStream();
    }

    private void checkHasStreams() {
        if (!kernels.onCuda()) {
            throw new IllegalStateException("need a CUDA backend for a stream, got " + name());
        }
    }

    /** How many CUDA devices there are that the kernels run on. */
    static int cudaDevices() {
        return Cuda.DEVICES;
    }

    /** Why CUDA does not work here, and the remedy; empty when it does. Found out once. */
    public static Optional<String> whyNoCuda() {
        return Cuda.WHY_NOT;
    }

    /** "cpu", or "cuda:0" with the number of the device. */
    public String name() {
        return kernels.onCuda() ? "cuda:" + kernels.device() : "cpu";
    }

    /** Instruction set and threads of the CPU, or the name of the device. */
    public String description() {
        return kernels.onCuda()
                ? CudaKernels.deviceName(kernels.device()).getString()
                : CpuKernels.instructionSet().getString() + ", " + cpuThreads() + " threads";
    }

    /** Where tensors have to lie to be used without a copy. */
    public Device device() {
        return kernels.onCuda() ? Device.CUDA : Device.HOST;
    }

    /**
     * Sets how many threads, the caller's included, work on one call on the CPU. Results do not depend on it.
     *
     * @param threads 1 to 1024
     */
    public static void setCpuThreads(int threads) {
        cpu();
        if (CpuKernels.setThreads(threads) != CpuKernels.VQ4J_OK) {
            throw new IllegalArgumentException(CpuKernels.lastError().getString());
        }
    }

    /** How many threads work on one call on the CPU. */
    public static int cpuThreads() {
        cpu();
        return CpuKernels.threads();
    }

    @Override
    public String toString() {
        return name() + " (" + description() + ")";
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Backend backend
                && backend.kernels.device() == kernels.device()
                && backend.kernels.streamAddress() == kernels.streamAddress();
    }

    @Override
    public int hashCode() {
        return kernels.device();
    }

    Kernels kernels() {
        return kernels;
    }

    private static Backend named(String name) {
        String lower = name.strip().toLowerCase(Locale.ROOT);
        if (lower.equals("best")) {
            return whyNoCuda().isEmpty() ? cuda(0) : cpu();
        }
        if (lower.equals("cpu")) {
            return cpu();
        }
        if (lower.equals("cuda")) {
            return cuda(0);
        }
        if (lower.matches("cuda:\\d{1,4}")) {
            return cuda(Integer.parseInt(lower.substring("cuda:".length())));
        }
        throw new IllegalArgumentException(
                "need " + BACKEND_PROPERTY + " = best, cpu, cuda or cuda:N, got \"" + name + "\"");
    }

    private static synchronized Backend loadCpu() {
        if (NativeLibrary.FAILURE != null) {
            throw new IllegalStateException(NativeLibrary.WHY_NOT, NativeLibrary.FAILURE);
        }
        String threads = System.getProperty(THREADS_PROPERTY);
        if (threads == null) {
            // The library counts the cores that it may run on; the JVM knows of a container's share of their time, too.
            CpuKernels.setThreads(
                    Math.min(CpuKernels.threads(), Runtime.getRuntime().availableProcessors()));
        } else if (CpuKernels.setThreads(parsed(threads)) != CpuKernels.VQ4J_OK) {
            throw new IllegalArgumentException(
                    THREADS_PROPERTY + ": " + CpuKernels.lastError().getString());
        }
        loadedCpu = new Backend(Kernels.cpu());
        return loadedCpu;
    }

    private static int parsed(String threads) {
        try {
            return Integer.parseInt(threads.strip());
        } catch (NumberFormatException notANumber) {
            throw new IllegalArgumentException(
                    "need " + THREADS_PROPERTY + " = a number from 1 to 1024, got \"" + threads + "\"", notANumber);
        }
    }

    /** Loads the CPU's library at first use, with JavaCPP's own, without which there are no pointers for CUDA either. */
    private static final class NativeLibrary {
        static final @Nullable Throwable FAILURE = failureOf(CpuKernels::threads);
        static final String WHY_NOT = FAILURE == null ? "" : whyNotLoaded(FAILURE);
    }

    /**
     * What the first call of a native library fails with; null if it does not. A JVM that denies native access throws where
     * JavaCPP loads a library, which is a part of its initialisation, or where a method of ours is bound.
     */
    static @Nullable Throwable failureOf(Runnable firstCall) {
        try {
            firstCall.run();
            return null;
        } catch (LinkageError | IllegalCallerException failure) {
            return failure;
        }
    }

    /** Why the CPU's library does not load, and what would help. */
    static String whyNotLoaded(Throwable failure) {
        Throwable cause = failure;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        if (cause instanceof IllegalCallerException) {
            return "the JVM denies native access (" + cause.getMessage()
                    + "); start it with --enable-native-access=ALL-UNNAMED, or, where vq4j is on the module path, with"
                    + " --enable-native-access=org.bytedeco.javacpp,io.github.vq4j.core";
        }
        String platform = Loader.getPlatform();
        String library = "io/github/vq4j/internal/" + platform + "/libvq4j.so";
        if (Backend.class.getClassLoader().getResource(library) == null) {
            return withoutLibrary(platform);
        }
        String doesNotLoad =
                "the native library of vq4j for " + platform + " does not load (" + cause.getMessage() + "). ";
        if (Backend.class.getClassLoader() != Loader.class.getClassLoader()) {
            return doesNotLoad + "JavaCPP has another class loader than vq4j: need the jars of both in one";
        }
        return doesNotLoad + "It is extracted to the folder that the system property org.bytedeco.javacpp.cachedir"
                + " names, else to .javacpp/cache in the home or to the folder for temporary files: need a folder that"
                + " can be written to and that is not mounted noexec, on Linux with glibc 2.34 or later";
    }

    /** That there is no library for the platform on the class path, and what would help. */
    static String withoutLibrary(String platform) {
        if (!platform.equals(LINUX_X86_64) && !platform.equals(LINUX_ARM64)) {
            return "there are native libraries of vq4j for " + LINUX_X86_64 + " and " + LINUX_ARM64
                    + " only, and this is " + platform;
        }
        return "the native library of vq4j for " + platform
                + " is not on the class path; add vq4j-core with classifier " + platform
                + (platform.equals(LINUX_X86_64) ? ", or vq4j-platform" : ", which has to be built from source");
    }

    /** Why the CUDA kernels do not load, and what would help on the platform. */
    static String withoutCudaKernels(String platform, String failure) {
        if (!platform.equals(LINUX_X86_64)) {
            return "there are CUDA kernels for " + LINUX_X86_64 + " only, and this is " + platform;
        }
        return "the CUDA kernels are not on the class path or do not load (" + failure
                + "); add vq4j-core with classifier " + platform + "-gpu";
    }

    /** Looks for CUDA at first use. */
    private static final class Cuda {
        static final int DEVICES;
        static final Optional<String> WHY_NOT;

        static {
            int devices = 0;
            String reason = NativeLibrary.FAILURE == null ? null : NativeLibrary.WHY_NOT;
            if (reason == null) {
                try (Memory<IntPointer> count = Memory.ints(Kernels.cpu(), 1)) {
                    if (CudaKernels.deviceCount(count.pointer()) == CpuKernels.VQ4J_OK) {
                        devices = count.pointer().get();
                    } else {
                        reason = CudaKernels.lastError().getString() + "; it needs an NVIDIA GPU and its driver";
                    }
                } catch (LinkageError missing) {
                    reason = withoutCudaKernels(Loader.getPlatform(), missing.getMessage());
                }
            }
            DEVICES = devices;
            WHY_NOT = Optional.ofNullable(reason);
        }
    }

    /** Logs the first choice. */
    private static final class Announcement {
        private static final Object LOCK = new Object();
        private static boolean made;

        static void once(Backend chosen) {
            synchronized (LOCK) {
                if (!made) {
                    made = true;
                    String forced = System.getProperty(BACKEND_PROPERTY);
                    LOGGER.info(
                            "vq4j runs on {}: {}",
                            chosen,
                            forced != null
                                    ? BACKEND_PROPERTY + " = " + forced
                                    : whyNoCuda().map(why -> "no CUDA, " + why).orElse("CUDA works"));
                }
            }
        }
    }
}
