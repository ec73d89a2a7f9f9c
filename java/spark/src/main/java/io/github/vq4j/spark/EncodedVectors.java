package io.github.vq4j.spark;

import io.github.vq4j.Backend;
import io.github.vq4j.FrozenQuantizer;
import io.github.vq4j.GroupVectorQuant;
import io.github.vq4j.NotFiniteException;
import io.github.vq4j.Quantizer;
import io.github.vq4j.QuantizerBuilder;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.ml.linalg.DenseVector;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.linalg.Vectors;
import org.jspecify.annotations.Nullable;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Codes of vectors, and vectors of codes, one at a time, on the CPU. A null gives a null. What is sent to the executors are
 * the codebooks; there they are prepared at the first use, once where all tasks have the same object.
 */
final class EncodedVectors implements Serializable {
    private static final long serialVersionUID = 1;
    private static final int SHOWN_FEATURES = 8;

    private final float[][] codebooks;
    private final int featureSize;
    private transient volatile @Nullable FrozenQuantizer quantizer;

    EncodedVectors(float[][] codebooks, int featureSize) {
        this.codebooks = codebooks;
        this.featureSize = featureSize;
    }

    /** Copies a vector into an array of fp32. */
    static void write(Vector vector, float[] to, int begin) {
        double[] values = vector instanceof DenseVector dense ? dense.values() : vector.toArray();
        for (int d = 0; d < values.length; d++) {
            to[begin + d] = (float) values[d];
        }
    }

    /** The code of a vector, with one codebook. */
    @Nullable
    Integer code(@Nullable Vector vector) {
        return vector == null ? null : encode(vector)[0];
    }

    /** The codes of a vector, with several codebooks. */
    int @Nullable [] codes(@Nullable Vector vector) {
        return vector == null ? null : encode(vector);
    }

    private int[] encode(Vector vector) {
        if (vector.size() != featureSize) {
            throw new IllegalArgumentException(
                    "need vectors of the codebooks' " + featureSize + " features, got " + vector.size());
        }
        float[] row = new float[featureSize];
        write(vector, row, 0);
        int[] codes = new int[codebooks.length];
        FrozenQuantizer prepared = quantizer();
        try {
            prepared.encode(Tensor.of(row, 1, featureSize), tensorOf(codes));
        } catch (NotFiniteException failure) {
            // That it is row 0, of one, helps nobody: its numbers tell which of the column it is.
            throw new IllegalArgumentException("need rows of finite numbers, got " + describe(row));
        }
        return codes;
    }

    /** What is not finite in a row, as a fit tells it. */
    private static String describe(float[] row) {
        int bad = 0;
        while (Float.isFinite(row[bad])) {
            bad++;
        }
        float[] shown = Arrays.copyOf(row, Math.min(row.length, SHOWN_FEATURES));
        return row[bad] + " as feature " + bad + " of a row that begins with " + Arrays.toString(shown);
    }

    /** The vector behind what {@link #code} or {@link #codes} gave. */
    @Nullable
    Vector decode(@Nullable Object encoded) {
        if (encoded == null) {
            return null;
        }
        int[] codes = checked(
                encoded instanceof Integer code
                        ? List.of(code)
                        : CollectionConverters.asJava((scala.collection.Seq<?>) encoded));
        double[] values = new double[featureSize];
        try (Tensor row = quantizer().decode(tensorOf(codes))) {
            float[] decoded = row.toFloatArray();
            for (int d = 0; d < featureSize; d++) {
                values[d] = decoded[d];
            }
        }
        return Vectors.dense(values);
    }

    private int[] checked(List<?> encoded) {
        if (encoded.size() != codebooks.length) {
            throw new IllegalArgumentException(
                    "need a code of each of the model's " + codebooks.length + " groups, got " + encoded);
        }
        int[] codes = new int[codebooks.length];
        for (int g = 0; g < codes.length; g++) {
            int begin = g * numCodes();
            if (!(encoded.get(g) instanceof Integer code) || code < begin || code >= begin + numCodes()) {
                throw new IllegalArgumentException("need a code of group " + g + " in [" + begin + ", "
                        + (begin + numCodes()) + "), got " + encoded);
            }
            codes[g] = code;
        }
        return codes;
    }

    private int numCodes() {
        return codebooks[0].length / (featureSize / codebooks.length);
    }

    private Tensor tensorOf(int[] codes) {
        return codebooks.length == 1 ? Tensor.of(codes, 1) : Tensor.of(codes, 1, codes.length);
    }

    private FrozenQuantizer quantizer() {
        FrozenQuantizer prepared = quantizer;
        if (prepared == null) {
            synchronized (this) {
                prepared = quantizer;
                if (prepared == null) {
                    prepared = prepare();
                    quantizer = prepared;
                }
            }
        }
        return prepared;
    }

    private FrozenQuantizer prepare() {
        int width = featureSize / codebooks.length;
        int numCodes = numCodes();
        QuantizerBuilder<?> builder = codebooks.length == 1
                ? VectorQuant.builder(featureSize, numCodes)
                : GroupVectorQuant.builder(featureSize, numCodes * codebooks.length, codebooks.length);
        try (Quantizer layer = builder.backend(Backend.cpu()).build()) {
            for (int g = 0; g < codebooks.length; g++) {
                layer.setCodebook(g, Tensor.of(codebooks[g], numCodes, width));
            }
            return layer.freeze();
        }
    }
}
