package io.github.vq4j.benchmarks;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * Whole training steps with learned affine and synchronised commitment: forward, backward, SGD. Operations are those of the
 * assignment alone.
 */
final class TrainingRows {
    private static final double ALPHA = 10.0;

    private TrainingRows() {}

    /** Measures a size. */
    static Report.Row measure(Comparison comparison, Peers peers, Matrix rows, Matrix codebook, String data) {
        List<Contender> contenders = new ArrayList<>();
        try (Matrix gradient = Matrix.normal(3, rows.rows(), rows.columns());
                Tensor z = peers.libtorch() ? rows.torch() : new Tensor();
                Tensor g = peers.libtorch() ? gradient.torch() : new Tensor();
                Tensor codes = peers.libtorch() ? codebook.torch() : new Tensor()) {
            scaleDown(gradient);
            contenders.add(new LayerTraining(rows, gradient, codebook, ALPHA));
            if (peers.libtorch()) {
                contenders.add(new LibtorchTraining(z, g, codes, ALPHA));
            }
            Comparison.Task task = new Comparison.Task(
                    Operation.TRAINING_STEP,
                    rows.rows(),
                    codebook.rows(),
                    rows.columns(),
                    data,
                    2.0 * rows.rows() * codebook.rows() * rows.columns(),
                    0,
                    null,
                    null);
            return comparison.measure(task, contenders);
        } finally {
            Comparison.close(contenders);
        }
    }

    /** Gradients of a mean over a batch are small. */
    private static void scaleDown(Matrix gradient) {
        io.github.vq4j.internal.Kernels.cpu()
                .tensors
                .weightedSum(
                        1e-4f,
                        gradient.floats(),
                        0,
                        gradient.floats(),
                        gradient.rows() * gradient.columns(),
                        gradient.floats());
    }
}
