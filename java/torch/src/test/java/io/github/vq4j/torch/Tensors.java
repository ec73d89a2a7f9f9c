package io.github.vq4j.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Values of libtorch's tensors, to compare. */
final class Tensors {
    private Tensors() {}

    static float[] floats(Tensor tensor) {
        Tensor contiguous = tensor.detach().contiguous();
        float[] values = new float[Math.toIntExact(contiguous.numel())];
        contiguous.data_ptr_float().get(values);
        return values;
    }

    static int[] codes(Tensor tensor) {
        Tensor contiguous = tensor.to(ScalarType.Int).contiguous();
        int[] values = new int[Math.toIntExact(contiguous.numel())];
        contiguous.data_ptr_int().get(values);
        return values;
    }

    /** Tells -0 from 0. */
    static int[] bits(float[] values) {
        int[] bits = new int[values.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = Float.floatToRawIntBits(values[i]);
        }
        return bits;
    }

    /** Equal up to rounding on the scale of the largest value. */
    static void assertClose(Tensor expected, Tensor actual, double tolerance, String what) {
        float[] e = floats(expected);
        float[] a = floats(actual);
        assertEquals(e.length, a.length, what);
        double largest = 0;
        for (float value : e) {
            largest = Math.max(largest, Math.abs(value));
        }
        for (int i = 0; i < e.length; i++) {
            assertEquals(e[i], a[i], tolerance * largest + 1e-7, what + " [" + i + "]");
        }
    }
}
