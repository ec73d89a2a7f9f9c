package io.github.vq4j.benchmarks;

import org.bytedeco.pytorch.Tensor;

/** Training steps of {@link LibtorchQuantizer}. */
final class LibtorchTraining implements Contender {
    private final Tensor rows;
    private final Tensor gradient;
    private final Tensor codebook;
    private final double alpha;
    private LibtorchQuantizer quantizer;

    LibtorchTraining(Tensor rows, Tensor gradient, Tensor codebook, double alpha) {
        this.rows = rows;
        this.gradient = gradient;
        this.codebook = codebook;
        this.alpha = alpha;
        quantizer = new LibtorchQuantizer(codebook);
    }

    @Override
    public String name() {
        return "libtorch autograd";
    }

    @Override
    public void run() {
        quantizer.trainingStep(rows, gradient, alpha);
    }

    @Override
    public void restart() {
        quantizer.close();
        quantizer = new LibtorchQuantizer(codebook);
    }

    @Override
    public int[] result() {
        return LibtorchCall.bits(quantizer.codebook());
    }

    @Override
    public void close() {
        quantizer.close();
    }
}
