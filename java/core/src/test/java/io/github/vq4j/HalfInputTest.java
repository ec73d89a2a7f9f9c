package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ShortBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.bytedeco.javacpp.ShortPointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Layers take 16-bit input, and give what they give for the same numbers in FLOAT32. */
class HalfInputTest {
    private static final long[] SHAPE = {3, 4, 7, 5};

    static List<Arguments> backendsAndTypes() {
        List<Arguments> all = new ArrayList<>();
        for (Backend backend : Backends.all()) {
            for (DataType type : List.of(DataType.FLOAT16, DataType.BFLOAT16)) {
                all.add(Arguments.of(backend, type));
            }
        }
        return all;
    }

    @ParameterizedTest
    @MethodSource("backendsAndTypes")
    void aPassGivesTheSameAsForFloats(Backend backend, DataType type) {
        short[] bits = halves(type);
        float[] gradient = new float[bits.length];
        Random random = new Random(4);
        for (int i = 0; i < gradient.length; i++) {
            gradient[i] = (float) random.nextGaussian();
        }
        try (VectorQuant layer =
                VectorQuant.builder(4, 9).seed(3).backend(backend).build()) {
            Tensor floats = Tensor.of(widened(bits, type), SHAPE);
            Tensor z = Tensor.of(bits, type, SHAPE);
            assertArrayEquals(layer.encode(floats).toIntArray(), layer.encode(z).toIntArray());
            Quantized expected = layer.forward(floats);
            float[] expectedGradient =
                    layer.backward(Tensor.of(gradient, SHAPE), 1).input().toFloatArray();
            Quantized result = layer.forward(z);
            assertEquals(DataType.FLOAT32, result.output().dataType());
            assertArrayEquals(expected.output().toFloatArray(), result.output().toFloatArray());
            assertEquals(expected.loss(), result.loss());
            assertArrayEquals(
                    expectedGradient,
                    layer.backward(Tensor.of(gradient, SHAPE), 1).input().toFloatArray());
        }
    }

    /** Whatever reads z first: the assignment, which converts it, or what comes before it. */
    @ParameterizedTest
    @MethodSource("backendsAndTypes")
    void everyLayerGivesTheSameAsForFloats(Backend backend, DataType type) {
        List<QuantizerBuilder<?>> layers = List.of(
                VectorQuant.builder(4, 9),
                VectorQuant.builder(4, 9).dim(-1),
                VectorQuant.builder(4, 9).dim(-1).affineLr(1).syncNu(2).replaceFreq(1),
                VectorQuant.builder(4, 9).statisticsAffine(true),
                VectorQuant.builder(4, 9).kmeansInit(true),
                VectorQuant.builder(4, 9).samplingTemperature(0.5),
                VectorQuant.builder(4, 9).statisticsAffine(true).kmeansInit(true),
                VectorQuant.builder(4, 9).norm(Norm.UNIT),
                VectorQuant.builder(4, 9).norm(Norm.MAX_NORM).dim(-1),
                VectorQuant.builder(4, 9).norm(Norm.BATCH),
                VectorQuant.builder(4, 9).norm(Norm.INSTANCE),
                VectorQuant.builder(4, 9).lookupSize(3).norm(Norm.BATCH).dim(-1),
                VectorQuant.builder(4, 9).lookupSize(2),
                VectorQuant.builder(4, 9).ema(0.9),
                VectorQuant.builder(4, 9).alternated(Optimizer.adam(0.1), 2, true),
                GroupVectorQuant.builder(4, 10, 2),
                GroupVectorQuant.builder(4, 10, 2).dim(-1).gradientEstimator(GradientEstimator.ROTATION),
                GroupVectorQuant.builder(4, 5, 2).share(true),
                ResidualVectorQuant.builder(4, 9, 3),
                ResidualVectorQuant.builder(4, 9, 3).dim(-1).quantizerDropout(1, true),
                ResidualVectorQuant.builder(4, 9, 3).beamWidth(2));
        short[] bits = halves(type);
        float[] values = widened(bits, type);
        for (QuantizerBuilder<?> options : layers) {
            try (Quantizer layer = options.backend(backend).seed(3).build();
                    Quantizer other = options.build()) {
                boolean isLast = layer.options().get("dim").equals("-1");
                long[] shape = isLast ? new long[] {105, 4} : SHAPE;
                for (int step = 0; step < 3; step++) {
                    if (step == 2) {
                        layer.eval();
                        other.eval();
                    }
                    Quantized expected = other.forward(Tensor.of(values, shape));
                    Quantized result = layer.forward(Tensor.of(bits, type, shape));
                    assertArrayEquals(
                            expected.codes().toIntArray(), result.codes().toIntArray());
                    assertArrayEquals(
                            expected.output().toFloatArray(), result.output().toFloatArray());
                    assertEquals(expected.loss(), result.loss());
                    assertArrayEquals(
                            other.backward(null, 1).input().toFloatArray(),
                            layer.backward(null, 1).input().toFloatArray());
                    assertArrayEquals(
                            other.encode(Tensor.of(values, shape)).toIntArray(),
                            layer.encode(Tensor.of(bits, type, shape)).toIntArray());
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backendsAndTypes")
    void masksAndDisabledLayersGiveTheSameAsForFloats(Backend backend, DataType type) {
        short[] bits = halves(type);
        float[] values = widened(bits, type);
        int[] marks = new int[105];
        for (int i = 0; i < marks.length; i++) {
            marks[i] = i % 3;
        }
        RowMask mask = RowMask.of(Tensor.of(marks, 3, 7, 5));
        for (QuantizerBuilder<?> options : List.<QuantizerBuilder<?>>of(
                VectorQuant.builder(4, 9), GroupVectorQuant.builder(4, 10, 2).norm(Norm.UNIT))) {
            try (Quantizer layer = options.backend(backend).seed(3).build()) {
                Quantized expected = layer.forward(Tensor.of(values, SHAPE), mask);
                Quantized result = layer.forward(Tensor.of(bits, type, SHAPE), mask);
                assertArrayEquals(expected.codes().toIntArray(), result.codes().toIntArray());
                assertArrayEquals(
                        expected.output().toFloatArray(), result.output().toFloatArray());
                assertEquals(expected.loss(), result.loss());
                try (DisabledScope off = Quantizer.disabled(layer)) {
                    assertArrayEquals(
                            values,
                            layer.forward(Tensor.of(bits, type, SHAPE)).output().toFloatArray());
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backendsAndTypes")
    void quantizersWithoutACodebookGiveTheSameAsForFloats(Backend backend, DataType type) {
        short[] bits = halves(type);
        float[] values = widened(bits, type);
        boolean[] kept = new boolean[105];
        for (int i = 0; i < kept.length; i++) {
            kept[i] = i % 4 != 0;
        }
        RowMask mask = RowMask.of(kept, 3, 7, 5);
        Tensor floats = Tensor.of(values, SHAPE);
        Tensor z = Tensor.of(bits, type, SHAPE);
        try (FiniteScalarQuant layer =
                FiniteScalarQuant.builder(4, 3, 5, 2).backend(backend).build()) {
            float[] expected = layer.forward(floats).output().toFloatArray();
            float[] gradient = layer.backward(floats).input().toFloatArray();
            assertArrayEquals(expected, layer.forward(z).output().toFloatArray());
            assertArrayEquals(gradient, layer.backward(floats).input().toFloatArray());
            assertArrayEquals(
                    layer.forward(floats, mask).output().toFloatArray(),
                    layer.forward(z, mask).output().toFloatArray());
            assertArrayEquals(layer.encode(floats).toIntArray(), layer.encode(z).toIntArray());
        }
        for (boolean spherical : new boolean[] {false, true}) {
            try (LookupFreeQuant layer = LookupFreeQuant.builder(4)
                    .spherical(spherical)
                    .backend(backend)
                    .build()) {
                LookupFreeQuantized expected = layer.forward(floats);
                float[] gradient = layer.backward(floats, 1).input().toFloatArray();
                LookupFreeQuantized result = layer.forward(z);
                assertArrayEquals(
                        expected.output().toFloatArray(), result.output().toFloatArray());
                assertEquals(expected.loss(), result.loss());
                assertArrayEquals(gradient, layer.backward(floats, 1).input().toFloatArray());
                assertArrayEquals(
                        layer.encode(floats).toIntArray(), layer.encode(z).toIntArray());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backendsAndTypes")
    void theMemoryMayBeOfAnyKind(Backend backend, DataType type) {
        short[] bits = halves(type);
        ShortBuffer buffer = ByteBuffer.allocateDirect(2 * bits.length)
                .order(ByteOrder.nativeOrder())
                .asShortBuffer();
        buffer.put(bits).flip();
        try (VectorQuant layer =
                        VectorQuant.builder(4, 9).seed(3).backend(backend).build();
                ShortPointer pointer = new ShortPointer(bits)) {
            int[] codes = layer.encode(Tensor.of(bits, type, SHAPE)).toIntArray();
            List<Tensor> views = List.of(
                    Tensor.of(buffer, type, SHAPE),
                    Tensor.of(pointer, type, SHAPE),
                    Tensor.halvesAtAddress(pointer.address(), type, Device.HOST, SHAPE));
            for (Tensor view : views) {
                assertArrayEquals(codes, layer.encode(view).toIntArray());
                assertArrayEquals(bits, view.toShortArray());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backendsAndTypes")
    void theFirstBadRowIsNamed(Backend backend, DataType type) {
        short[] bits = halves(type);
        bits[bits.length - 1] = (short) 0x7fff;
        try (VectorQuant layer = VectorQuant.builder(4, 9).backend(backend).build()) {
            NotFiniteException failure =
                    assertThrows(NotFiniteException.class, () -> layer.encode(Tensor.of(bits, type, SHAPE)));
            assertTrue(failure.getMessage().contains("row 104"), failure.getMessage());
        }
    }

    @Test
    void otherTypesAndUsesAreRefused() {
        short[] bits = new short[4];
        refused(() -> Tensor.of(bits, DataType.FLOAT32, 4), "FLOAT16 or BFLOAT16", "FLOAT32");
        refused(() -> Tensor.of(bits, DataType.FLOAT16, 5), "5", "4");
        refused(() -> Tensor.of(bits, DataType.FLOAT16, 4).toFloatArray(), "FLOAT32", "FLOAT16");
        refused(() -> Tensor.of(new float[4], 4).toShortArray(), "FLOAT16 or BFLOAT16", "FLOAT32");
        try (VectorQuant layer =
                VectorQuant.builder(4, 4).backend(Backend.cpu()).build()) {
            refused(() -> layer.encode(Tensor.of(new int[4], 1, 4)), "z", "FLOAT16", "INT32");
            Tensor half = Tensor.allocate(DataType.BFLOAT16, 1, 4);
            refused(() -> layer.forward(Tensor.of(new float[4], 1, 4), half), "output", "FLOAT32", "BFLOAT16");
        }
    }

    private static void refused(org.junit.jupiter.api.function.Executable call, String... parts) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        for (String part : parts) {
            assertTrue(message.contains(part), message);
        }
    }

    /** Random finite numbers between 2^-2 and 2^2 in magnitude. */
    private static short[] halves(DataType type) {
        int mantissa = type == DataType.FLOAT16 ? 10 : 7;
        int bias = type == DataType.FLOAT16 ? 15 : 127;
        Random random = new Random(2);
        short[] bits = new short[3 * 4 * 7 * 5];
        for (int i = 0; i < bits.length; i++) {
            int exponent = bias - 2 + random.nextInt(4);
            bits[i] = (short) (random.nextInt(2) << 15 | exponent << mantissa | random.nextInt(1 << mantissa));
        }
        return bits;
    }

    private static float[] widened(short[] bits, DataType type) {
        int mantissa = type == DataType.FLOAT16 ? 10 : 7;
        int bias = type == DataType.FLOAT16 ? 15 : 127;
        float[] values = new float[bits.length];
        for (int i = 0; i < bits.length; i++) {
            int magnitude = bits[i] & 0x7fff;
            int fraction = (1 << mantissa) + (magnitude & (1 << mantissa) - 1);
            float value = Math.scalb((float) fraction, (magnitude >> mantissa) - bias - mantissa);
            values[i] = bits[i] < 0 ? -value : value;
        }
        return values;
    }
}
