package io.github.vq4j.benchmarks;

import io.github.vq4j.Backend;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.global.torch;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Nearest codes of N x D normal rows in a K x D normal codebook: vq4j, and libtorch's two ways, on the same memory. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class AssignmentBenchmark {
    /** Rows. */
    @Param("8192")
    public int rows;

    /** Codes. */
    @Param("1024")
    public int codes;

    /** Features of a row. */
    @Param({"32", "64", "256"})
    public int features;

    private org.bytedeco.pytorch.Tensor torchRows;
    private LibtorchQuantizer libtorch;
    private Tensor input;
    private VectorQuant layer;

    /** Puts the same rows and codebook before all three. */
    @Setup
    public void prepare() {
        torch.manual_seed(1);
        torch.set_num_threads(Backend.cpuThreads());
        torchRows = torch.randn(rows, features);
        libtorch = new LibtorchQuantizer(torch.randn(codes, features));
        input = Tensor.of(new FloatPointer(torchRows.data_ptr_float()), rows, features);
        layer = VectorQuant.builder(features, codes)
                .dim(-1)
                .backend(Backend.cpu())
                .build();
        layer.setCodebook(Tensor.of(new FloatPointer(libtorch.codebook().data_ptr_float()), codes, features));
        layer.eval();
    }

    /** vq4j's canonical codes. */
    @Benchmark
    public void vq4j() {
        layer.encode(input).close();
    }

    /** libtorch: chunks of cdist and top-k. */
    @Benchmark
    public void libtorchCdistTopk() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGradient = new NoGradGuard()) {
            LibtorchQuantizer.assignByCdist(torchRows, libtorch.codebook());
        }
    }

    /** libtorch: one matrix product and argmin. */
    @Benchmark
    public void libtorchMatmulArgmin() {
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGradient = new NoGradGuard()) {
            LibtorchQuantizer.assignByMatmul(torchRows, libtorch.codebook());
        }
    }

    /** Gives the native memory back. */
    @TearDown
    public void release() {
        layer.close();
        libtorch.close();
        torchRows.close();
    }
}
