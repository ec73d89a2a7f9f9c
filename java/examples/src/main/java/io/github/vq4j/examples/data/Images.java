package io.github.vq4j.examples.data;

import java.util.stream.IntStream;

/**
 * Grey images of one size.
 *
 * @param count how many
 * @param height rows of pixels of each
 * @param width pixels of a row
 * @param pixels image after image, row after row, 0 to 255 in unsigned bytes; not a copy
 */
public record Images(int count, int height, int width, byte[] pixels) {
    private static final float HALF_RANGE = 127.5f;

    /** Checks that the sizes fit each other. */
    public Images {
        if (count < 1 || height < 1 || width < 1 || (long) count * height * width != pixels.length) {
            throw new IllegalArgumentException("need count x height x width = pixels, each at least 1, got " + count
                    + " x " + height + " x " + width + " = " + pixels.length);
        }
    }

    /** Pixels of one image. */
    public int size() {
        return height * width;
    }

    /** The images of these indices, scaled to [-1, 1], one after the other. */
    public float[] scaled(int... indices) {
        int size = size();
        float[] values = new float[Math.multiplyExact(indices.length, size)];
        for (int n = 0; n < indices.length; n++) {
            int from = indices[n] * size;
            for (int i = 0; i < size; i++) {
                values[n * size + i] = Byte.toUnsignedInt(pixels[from + i]) / HALF_RANGE - 1;
            }
        }
        return values;
    }

    /** The images from one index to another, the second not included, scaled as {@link #scaled}. */
    public float[] scaledRange(int from, int to) {
        return scaled(IntStream.range(from, to).toArray());
    }
}
