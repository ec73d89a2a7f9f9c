package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import java.util.Arrays;

/** What is done to the Euclidean lengths of rows. */
public final class RowLengths {
    private RowLengths() {}

    /**
     * Scales every row to the length of the target's row in the same place: {@code out_n = z_n |t_n| / |z_n|}. Zero rows
     * stay zero: they have no direction.
     *
     * @param z FLOAT32, at least one row
     * @param target FLOAT32 of the shape of z
     * @param dim axis of the features; negative counts from the end
     * @return shape of z, where z lies
     * @throws NotFiniteException if z or target has a NaN or an infinity
     */
    public static Tensor match(Tensor z, Tensor target, int dim, Backend backend) {
        Kernels kernels = backend.kernels();
        z.checkUsable("z", DataType.FLOAT32, kernels);
        target.checkUsable("target", DataType.FLOAT32, kernels);
        int axis = dim < 0 ? z.rank() + dim : dim;
        if (axis < 0 || axis >= z.rank() || z.size() == 0) {
            throw new IllegalArgumentException("need at least one row along axis " + dim + ", got " + z);
        }
        if (!target.hasShape(z.shape())) {
            throw new IllegalArgumentException(
                    "need a target of z's shape " + Arrays.toString(z.shape()) + ", got " + target);
        }
        Tensor result =
                Tensor.allocate(z.device() == Device.CUDA ? kernels : Kernels.cpu(), DataType.FLOAT32, z.shape());
        try (NativeFloats rows = new NativeFloats(kernels);
                NativeFloats targets = new NativeFloats(kernels);
                NativeFloats output = new NativeFloats(kernels)) {
            kernels.norms.matchNorms(rows.read(z), targets.read(target), Rows.of(z.shape(), axis), output.room(result));
            output.deliver(result);
            return result;
        } catch (RuntimeException | Error failure) {
            result.close();
            throw failure;
        }
    }
}
