package io.github.vq4j.benchmarks.jmh;

import io.github.vq4j.Backend;
import io.github.vq4j.Checkpoint;
import io.github.vq4j.CodePacking;
import io.github.vq4j.CodebookHealth;
import io.github.vq4j.CodebookReport;
import io.github.vq4j.FrozenQuantizer;
import io.github.vq4j.Histogram;
import io.github.vq4j.KMeans;
import io.github.vq4j.NearestCodes;
import io.github.vq4j.NormWeightedPooling;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;

/** What the library has beside layers, as programs call it. */
public class LibraryBenchmark extends OperationData {
    private static final int NEIGHBORS = 5;
    private static final int SIDE = 16;
    private static final int MOVES = 5;

    private Tensor input;
    private Tensor codesOfInput;
    private Tensor words;
    private CodePacking packing;
    private VectorQuant layer;
    private FrozenQuantizer frozen;
    private NearestCodes nearest;
    private KMeans lloyd;
    private KMeans miniBatches;
    private NormWeightedPooling pooling;
    private Tensor images;
    private Tensor pooled;
    private CodebookHealth health;
    private long[] histogram;
    private Path file;

    @Override
    protected void prepareMore() {
        input = Tensor.of(z, rows, features);
        layer = VectorQuant.builder(features, codes)
                .dim(-1)
                .backend(Backend.cpu())
                .build();
        Tensor values = Tensor.of(codebook, codes, features);
        layer.setCodebook(values);
        frozen = layer.freeze();
        codesOfInput = frozen.encode(input);
        packing = layer.packing();
        words = Tensor.of(ints(packing.words(rows)), packing.words(rows));
        packing.pack(codesOfInput, words);
        nearest = NearestCodes.builder(values)
                .dim(-1)
                .k(NEIGHBORS)
                .backend(Backend.cpu())
                .build();
        lloyd = KMeans.builder(codes)
                .maxIterations(MOVES)
                .tolerance(0)
                .backend(Backend.cpu())
                .build();
        miniBatches = KMeans.builder(codes)
                .batchSize(Math.max(1, rows / 4))
                .maxIterations(MOVES)
                .tolerance(0)
                .backend(Backend.cpu())
                .build();
        pooling =
                NormWeightedPooling.softmax(2).stride(2).backend(Backend.cpu()).build();
        int batch = Math.max(1, rows / (SIDE * SIDE));
        long pixels = (long) batch * features * SIDE * SIDE;
        images = Tensor.of(normal(21, pixels), batch, features, SIDE, SIDE);
        pooled = pooling.forward(images);
        layer.forward(input).close();
        health = CodebookHealth.of(layer, 1);
        histogram = new long[codes];
        kernels.read(counts, histogram);
        try {
            file = Files.createTempFile("vq4j-benchmark", ".checkpoint");
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    /** {@link FrozenQuantizer#encode}. */
    @Benchmark
    public void frozenEncode() {
        frozen.encode(input).close();
    }

    /** {@link FrozenQuantizer#decode}. */
    @Benchmark
    public void frozenDecode() {
        frozen.decode(codesOfInput).close();
    }

    /** {@link VectorQuant#freeze}. */
    @Benchmark
    public void freeze() {
        layer.freeze().close();
    }

    /** {@link VectorQuant#setCodebook}. */
    @Benchmark
    public void setCodebook() {
        layer.setCodebook(Tensor.of(codebook, codes, features));
    }

    /** {@link NearestCodes#find}. */
    @Benchmark
    public void find() {
        nearest.find(input).close();
    }

    /** {@link KMeans#fit} by moves over all rows; needs as many rows as codes. */
    @Benchmark
    public void kmeansFit() {
        lloyd.fit(input, -1).close();
    }

    /** {@link KMeans#fit} by mini-batches. */
    @Benchmark
    public void kmeansMiniBatches() {
        miniBatches.fit(input, -1).close();
    }

    /** {@link CodePacking#pack(Tensor, Tensor)}. */
    @Benchmark
    public void pack() {
        packing.pack(codesOfInput, words);
    }

    /** {@link CodePacking#unpack(Tensor, Tensor)}. */
    @Benchmark
    public void unpack() {
        packing.unpack(words, codesOfInput);
    }

    /** {@link NormWeightedPooling#forward}. */
    @Benchmark
    public void poolingForward() {
        pooling.forward(images).close();
    }

    /** {@link NormWeightedPooling#backward}. */
    @Benchmark
    public void poolingBackward() {
        pooling.backward(images, pooled).close();
    }

    /** {@link CodebookHealth#observe}. */
    @Benchmark
    public List<CodebookReport> observe() {
        return health.observe();
    }

    /** {@link Histogram#entropy(long...)}. */
    @Benchmark
    public double entropy() {
        return Histogram.entropy(histogram);
    }

    /** {@link Checkpoint#save}. */
    @Benchmark
    public void saveCheckpoint() throws IOException {
        Checkpoint.save(file, layer);
    }

    /** {@link Checkpoint#save}, then {@link Checkpoint#load}. */
    @Benchmark
    public void saveAndLoadCheckpoint() throws IOException {
        Checkpoint.save(file, layer);
        Checkpoint.load(file, Backend.cpu()).close();
    }

    @Override
    public void release() {
        try {
            Files.deleteIfExists(file);
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
        health.close();
        pooled.close();
        nearest.close();
        codesOfInput.close();
        frozen.close();
        layer.close();
        super.release();
    }
}
