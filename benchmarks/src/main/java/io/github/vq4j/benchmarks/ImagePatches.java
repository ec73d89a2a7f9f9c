package io.github.vq4j.benchmarks;

import io.github.vq4j.examples.data.Images;
import java.nio.ByteBuffer;
import java.util.LinkedHashSet;
import java.util.Set;

/** Square patches of images, as rows of their pixels from 0 to 1. */
final class ImagePatches {
    private static final float WHITE = 255;

    private ImagePatches() {}

    /**
     * The patches that lie side by side in images, in their order, each once: most of an image of a digit is black.
     *
     * @param side pixels of a side
     * @param most patches that are taken
     * @return {@code rows x side^2}; without rows where the images are smaller than a patch
     */
    static Matrix distinct(Images images, int side, int most) {
        Set<ByteBuffer> patches = new LinkedHashSet<>();
        for (int image = 0; image < images.count() && patches.size() < most; image++) {
            for (int y = 0; y + side <= images.height(); y += side) {
                for (int x = 0; x + side <= images.width(); x += side) {
                    patches.add(patch(images, image, y, x, side));
                }
            }
        }
        int rows = Math.min(most, patches.size());
        float[] values = new float[rows * side * side];
        int next = 0;
        for (ByteBuffer patch : patches) {
            for (int i = 0; i < side * side && next < values.length; i++) {
                values[next++] = Byte.toUnsignedInt(patch.get(i)) / WHITE;
            }
        }
        return Matrix.of(values, side * side);
    }

    private static ByteBuffer patch(Images images, int image, int y, int x, int side) {
        byte[] pixels = new byte[side * side];
        for (int row = 0; row < side; row++) {
            int from = image * images.size() + (y + row) * images.width() + x;
            System.arraycopy(images.pixels(), from, pixels, row * side, side);
        }
        return ByteBuffer.wrap(pixels);
    }
}
