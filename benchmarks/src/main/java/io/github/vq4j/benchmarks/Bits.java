package io.github.vq4j.benchmarks;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;

/** Results as the bits that two calls have to agree in. */
final class Bits {
    /** Most numbers of a result that are compared: its beginning. */
    private static final long MOST = 1L << 20;

    private Bits() {}

    /** The bits of fp32 numbers. */
    static int[] of(FloatPointer numbers, long count) {
        return of(new IntPointer(numbers), count);
    }

    /** Codes. */
    static int[] of(IntPointer codes, long count) {
        int[] bits = new int[(int) Math.min(count, MOST)];
        new IntPointer(codes).position(0).get(bits);
        return bits;
    }

    /** The bits of fp32 numbers. */
    static int[] of(float[] numbers) {
        int[] bits = new int[numbers.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = Float.floatToRawIntBits(numbers[i]);
        }
        return bits;
    }

    /** The numbers that {@code of} took the bits of. */
    static float[] numbers(int[] bits) {
        float[] numbers = new float[bits.length];
        for (int i = 0; i < bits.length; i++) {
            numbers[i] = Float.intBitsToFloat(bits[i]);
        }
        return numbers;
    }
}
