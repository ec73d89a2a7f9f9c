package io.github.vq4j.consumer;

import io.github.vq4j.Backend;
import io.github.vq4j.Device;
import io.github.vq4j.Optimizer;
import io.github.vq4j.Quantized;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/** Quantizes arrays of ND4J where they lie: kernels read the rows from, and write results to, ND4J's memory. */
public final class Nd4jArrays {
    private Nd4jArrays() {}

    /** A view of an array's memory. The caller keeps the array reachable as long as the view is used. */
    static Tensor view(INDArray array) {
        if (array.dataType() != DataType.FLOAT || array.ordering() != 'c' || array.isView()) {
            throw new IllegalArgumentException("need a FLOAT array of its own in c order, as dup('c') makes");
        }
        return Tensor.ofAddress(array.data().address(), Device.HOST, array.shape());
    }

    /**
     * Trains a codebook on rows of ND4J. Fails unless the loss falls and ND4J finds the same loss.
     *
     * @param arguments not used
     */
    public static void main(String[] arguments) {
        INDArray rows = Nd4j.randn(DataType.FLOAT, 256, 16);
        INDArray output = Nd4j.zeros(DataType.FLOAT, 256, 16);
        INDArray gradient = Nd4j.zeros(DataType.FLOAT, 256, 16);
        double first = Double.NaN;
        double last = Double.NaN;
        try (VectorQuant layer = VectorQuant.builder(16, 32).backend(Backend.cpu()).build();
                Optimizer optimizer = Optimizer.sgd(30)) {
            for (int step = 0; step < 10; step++) {
                try (Quantized quantized = layer.forward(view(rows), view(output))) {
                    last = quantized.loss();
                    first = step == 0 ? last : first;
                }
                layer.backward(null, 1, view(gradient)).close();
                optimizer.step(layer);
            }
        }
        double byNd4j = output.squaredDistance(rows) / rows.length();
        System.out.println("loss " + first + ", after ten steps " + last + ", by ND4J " + byNd4j);
        require(last < 0.8 * first, "the loss went from " + first + " to " + last);
        require(Math.abs(byNd4j - last) < 1e-4 * last, "ND4J finds the loss " + byNd4j + ", the layer " + last);
        require(gradient.norm2Number().doubleValue() > 0, "no gradient in ND4J's memory");
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new IllegalStateException(message);
        }
    }
}
