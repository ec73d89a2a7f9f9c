package io.github.vq4j.benchmarks;

import io.github.vq4j.Backend;
import io.github.vq4j.Optimizer;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.Scalar;
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

/** Forward, backward and an SGD step of a layer with learned affine and synchronised commitment. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class TrainingStepBenchmark {
    private static final double ALPHA = 10.0;

    /** Rows. */
    @Param("8192")
    public int rows;

    /** Codes. */
    @Param("1024")
    public int codes;

    /** Features of a row. */
    @Param("32")
    public int features;

    private org.bytedeco.pytorch.Tensor torchRows;
    private org.bytedeco.pytorch.Tensor torchGradient;
    private LibtorchQuantizer libtorch;
    private Tensor input;
    private Tensor gradient;
    private VectorQuant layer;
    private Optimizer optimizer;

    /** Puts the same rows, gradient and codebook before both. */
    @Setup
    public void prepare() {
        torch.manual_seed(1);
        torch.set_num_threads(Backend.cpuThreads());
        torchRows = torch.randn(rows, features);
        torchGradient = torch.randn(rows, features).mul(new Scalar(1e-4));
        libtorch = new LibtorchQuantizer(torch.randn(codes, features));
        input = Tensor.of(new FloatPointer(torchRows.data_ptr_float()), rows, features);
        gradient = Tensor.of(new FloatPointer(torchGradient.data_ptr_float()), rows, features);
        layer = VectorQuant.builder(features, codes)
                .dim(-1)
                .beta(0.95)
                .affineLr(2.0)
                .syncNu(2.0)
                .backend(Backend.best())
                .build();
        layer.setCodebook(Tensor.of(new FloatPointer(libtorch.codebook().data_ptr_float()), codes, features));
        optimizer = Optimizer.sgd(1e-3);
    }

    /** vq4j's layer and optimiser, on the backend of the property vq4j.backend. */
    @Benchmark
    public void vq4j() {
        layer.forward(input).close();
        layer.backward(gradient, ALPHA).close();
        optimizer.step(layer);
    }

    /** The same through libtorch's autograd. */
    @Benchmark
    public void libtorchAutograd() {
        libtorch.trainingStep(torchRows, torchGradient, ALPHA);
    }

    /** Gives the native memory back. */
    @TearDown
    public void release() {
        optimizer.close();
        layer.close();
        libtorch.close();
        torchGradient.close();
        torchRows.close();
    }
}
