package io.github.vq4j;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.locks.StampedLock;

/**
 * A layer that does not change any more: what {@link Quantizer#encode} and {@link Quantizer#decode} of the layer that
 * it was frozen from gave, the same bits, from plain codebooks into which linear map, codebook norm and affine are folded.
 * The norm of the input stays a step of its own; that of {@link Norm#BATCH} uses the running moments. Projections stay too.
 *
 * <p>The codebooks are prepared once: encoding a single row costs little more than comparing it with the codes. Use
 * {@link #encode(Tensor, Tensor)} with tensors of native memory where the cost of a call counts. Thread-safe:
 * {@link #close} waits for the calls that run, so that a service can take another in its place at any time.
 */
public final class FrozenQuantizer implements AutoCloseable {
    /** Options that have done their work: what they were for is folded into the codebooks, or is training. */
    private static final Set<String> SPENT = Set.of(
            "alternated",
            "beta",
            "kmeansInit",
            "linearCodebook",
            "codebookNorm",
            "affineLr",
            "affineGroups",
            "statisticsAffine",
            "syncNu",
            "gradientEstimator",
            "replaceFreq",
            "replacementPolicy",
            "ema",
            "emaExpiry",
            "orthogonalWeight",
            "quantizerDropout",
            "samplingTemperature",
            "seed",
            "stageLosses");

    private final Quantizer layer;

    /** Read by calls, written by close. */
    private final StampedLock use = new StampedLock();

    /** Set before close waits: calls that come after would go on overtaking it. */
    private volatile boolean closed;

    FrozenQuantizer(Quantizer from) {
        Map<String, String> options = new TreeMap<>(from.options());
        options.keySet().removeIf(name -> SPENT.contains(name.replaceFirst("\\..*", "")));
        layer = QuantizerBuilder.of(options).backend(from.backend()).build();
        try {
            for (int i = 0; i < layer.codebookCount(); i++) {
                try (Tensor effective = from.effectiveCodebook(i)) {
                    layer.setCodebook(i, effective);
                }
            }
            layer.copySurroundings(from);
            layer.eval();
            layer.codebooks.forEach(Codebook::freeze);
        } catch (RuntimeException | Error failure) {
            layer.close();
            throw failure;
        }
    }

    /**
     * As {@link #load(Path, Backend)}, on {@link Backend#best}.
     *
     * @throws IOException if the file cannot be read, or is not a whole checkpoint
     */
    public static FrozenQuantizer load(Path path) throws IOException {
        return load(path, Backend.best());
    }

    /**
     * Reads what {@link #save} wrote, or freezes the layer of any other {@link Checkpoint}.
     *
     * @param backend where to compute
     * @throws IOException if the file cannot be read, is not a whole checkpoint, or has a layer that still waits for its
     *     initialisation by k-means; the message says why
     */
    public static FrozenQuantizer load(Path path, Backend backend) throws IOException {
        try (Quantizer layer = Checkpoint.loadLayer(path, backend)) {
            return layer.freeze();
        } catch (IllegalStateException untrained) {
            throw new IOException(path + ": " + untrained.getMessage(), untrained);
        }
    }

    /**
     * Writes a {@link Checkpoint} of the plain layer: "codebook" is what rows are compared with, or "0.codebook" and so
     * on.
     *
     * @throws IOException if the file cannot be written; one that was there is still there then
     */
    public void save(Path path) throws IOException {
        whileOpen(open -> {
            Checkpoint.save(path, open);
            return path;
        });
    }

    /**
     * The nearest codes, as {@link Quantizer#encode(Tensor)}.
     *
     * @param z FLOAT32, FLOAT16 or BFLOAT16, with featureSize on axis dim, at least one row
     * @return INT32, where z lies
     * @throws NotFiniteException if z has a NaN or an infinity
     */
    public Tensor encode(Tensor z) {
        return whileOpen(open -> open.encode(z));
    }

    /**
     * As {@link #encode(Tensor)}, with the codes written into memory of the caller's.
     *
     * @param codes INT32 of the shape of the codes; its contents are undefined after an error
     */
    public void encode(Tensor z, Tensor codes) {
        whileOpen(open -> {
            open.encode(z, codes);
            return codes;
        });
    }

    /**
     * The rows behind codes, as {@link Quantizer#decode}.
     *
     * @param codes INT32, each in the range of its codebook, at least one; the -1 of a stage that quantizer dropout left out
     *     adds nothing
     * @return FLOAT32, where the codes lie
     */
    public Tensor decode(Tensor codes) {
        return whileOpen(open -> open.decode(codes));
    }

    /**
     * As {@link #decode(Tensor)}, with the rows written into memory of the caller's.
     *
     * @param rows FLOAT32 of the shape of the rows; its contents are undefined after an error
     */
    public void decode(Tensor codes, Tensor rows) {
        whileOpen(open -> {
            open.decode(codes, rows);
            return rows;
        });
    }

    /** As {@link #encode(Tensor)}, of the rows that a mask leaves: see {@link Quantizer#encode(Tensor, RowMask)}. */
    public Tensor encode(Tensor z, RowMask mask) {
        return whileOpen(open -> open.encode(z, mask));
    }

    /**
     * As {@link ResidualVectorQuant#encode(Tensor, int)}.
     *
     * @throws IllegalStateException if this is not of a residual layer
     */
    public Tensor encode(Tensor z, int stages) {
        return whileOpen(open -> residual(open).encode(z, stages));
    }

    /**
     * As {@link ResidualVectorQuant#decode(Tensor, int)}.
     *
     * @throws IllegalStateException if this is not of a residual layer
     */
    public Tensor decode(Tensor codes, int stages) {
        return whileOpen(open -> residual(open).decode(codes, stages));
    }

    /** What a call does with the layer. */
    @FunctionalInterface
    private interface Use<T, E extends Exception> {
        T of(Quantizer open) throws E;
    }

    private <T, E extends Exception> T whileOpen(Use<T, E> method) throws E {
        long stamp = use.readLock();
        try {
            return method.of(open());
        } finally {
            use.unlockRead(stamp);
        }
    }

    private Quantizer open() {
        if (closed) {
            throw new IllegalStateException("this " + this + " is closed");
        }
        return layer;
    }

    private ResidualVectorQuant residual(Quantizer open) {
        if (open instanceof ResidualVectorQuant residual) {
            return residual;
        }
        throw new IllegalStateException("need a residual quantizer for its first stages, this is " + this);
    }

    /** How the codes are packed into bits. */
    public CodePacking packing() {
        return whileOpen(Quantizer::packing);
    }

    /** D. */
    public int featureSize() {
        return layer.featureSize();
    }

    /** K; the total over codebooks. */
    public int numCodes() {
        return layer.numCodes();
    }

    /** The number of codebooks. */
    public int codebookCount() {
        return layer.codebookCount();
    }

    /** A codebook, K / codebookCount codes, a copy. */
    public Tensor codebook(int number) {
        return whileOpen(open -> open.effectiveCodebook(number));
    }

    /** Where the codebooks lie. */
    public Device device() {
        return layer.device();
    }

    /** Refuses further calls, waits for those that run, and gives all memory back; a second call does nothing. */
    @Override
    public void close() {
        closed = true;
        long stamp = use.writeLock();
        try {
            layer.close();
        } finally {
            use.unlockWrite(stamp);
        }
    }

    @Override
    public String toString() {
        return "frozen " + layer;
    }
}
