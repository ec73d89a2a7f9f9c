package io.github.vq4j.benchmarks;

import io.github.vq4j.Backend;
import io.github.vq4j.Optimizer;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;

/** Training steps of a layer of vq4j: forward, backward and SGD, with the options of {@link LibtorchQuantizer}. */
final class LayerTraining implements Contender {
    private final Tensor rows;
    private final Tensor gradient;
    private final Matrix codebook;
    private final double alpha;
    private VectorQuant layer;
    private Optimizer optimizer;

    LayerTraining(Matrix rows, Matrix gradient, Matrix codebook, double alpha) {
        this.rows = rows.tensor();
        this.gradient = gradient.tensor();
        this.codebook = codebook;
        this.alpha = alpha;
        begin();
    }

    private void begin() {
        layer = layer((int) codebook.columns(), (int) codebook.rows());
        layer.setCodebook(codebook.tensor());
        optimizer = Optimizer.sgd(1e-3);
    }

    /** A layer with the options that are compared. */
    static VectorQuant layer(int features, int codes) {
        return VectorQuant.builder(features, codes)
                .dim(-1)
                .beta(0.95)
                .affineLr(2.0)
                .syncNu(2.0)
                .backend(Backend.cpu())
                .build();
    }

    @Override
    public String name() {
        return Report.OURS;
    }

    @Override
    public void run() {
        layer.forward(rows).close();
        layer.backward(gradient, alpha).close();
        optimizer.step(layer);
    }

    @Override
    public void restart() {
        close();
        begin();
    }

    @Override
    public int[] result() {
        return Bits.of(layer.codebook().toFloatArray());
    }

    @Override
    public void close() {
        optimizer.close();
        layer.close();
    }
}
