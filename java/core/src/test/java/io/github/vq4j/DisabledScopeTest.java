package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class DisabledScopeTest {
    @TestFactory
    Stream<DynamicTest> aDisabledLayerIsTheIdentityAndDoesNotTrain() {
        List<DynamicTest> tests = new ArrayList<>();
        TrainedLayer.builders().forEach((name, builder) -> {
            for (Backend backend : Backends.all()) {
                tests.add(dynamicTest(name + " on " + backend.name(), () -> {
                    try (Quantizer layer = builder.get().backend(backend).build()) {
                        passesOn(layer);
                    }
                }));
            }
        });
        return tests.stream();
    }

    private void passesOn(Quantizer layer) throws IOException {
        Tensor z = TrainedLayer.batch(1);
        Tensor gradOutput = TrainedLayer.batch(2);
        for (int step = 3; step < 11; step++) { // which initialises all stages: dropout leaves some out of each
            layer.forward(TrainedLayer.batch(step)).close();
        }
        byte[] before = CheckpointTest.bytes(layer);
        int[] codes = layer.encode(z).toIntArray();
        long[] shape = layer.encode(z).shape();
        try (DisabledScope off = Quantizer.disabled(layer);
                Quantized q = layer.forward(z);
                Gradients gradients = layer.backward(gradOutput, 100)) {
            assertArrayEquals(z.toFloatArray(), q.output().toFloatArray());
            assertArrayEquals(shape, q.codes().shape());
            assertTrue(Arrays.stream(q.codes().toIntArray()).allMatch(code -> code == -1));
            assertArrayEquals(new float[codes.length], q.distances().toFloatArray());
            assertArrayEquals(new double[3], q.sampleLosses());
            assertEquals(0, q.loss());
            assertEquals(1, q.perplexity());
            assertEquals(0, q.activeCodes() + q.replacedCodes());
            assertArrayEquals(gradOutput.toFloatArray(), gradients.input().toFloatArray());
            for (Parameter parameter : layer.parameters()) {
                assertArrayEquals(
                        new float[(int) parameter.value().size()],
                        parameter.gradient().toFloatArray());
            }
            assertArrayEquals(codes, layer.encode(z).toIntArray(), "encode is as ever");
        }
        assertArrayEquals(before, CheckpointTest.bytes(layer));
        try (Quantized q = layer.forward(z)) {
            assertTrue(Arrays.stream(q.codes().toIntArray()).anyMatch(code -> code >= 0), "quantizes again");
        }
    }

    @Test
    void scopesNestAndEndInAnyOrder() {
        try (VectorQuant one = layer();
                VectorQuant other = layer()) {
            DisabledScope outer = Quantizer.disabled(one, other);
            DisabledScope inner = Quantizer.disabled(one);
            assertFalse(one.isEnabled() || other.isEnabled());
            outer.close();
            outer.close();
            assertTrue(other.isEnabled());
            assertFalse(one.isEnabled());
            inner.close();
            assertTrue(one.isEnabled());
        }
    }

    @Test
    void theScopeEndsWithAnException() {
        try (VectorQuant layer = layer()) {
            assertThrows(IllegalStateException.class, () -> {
                try (DisabledScope off = Quantizer.disabled(layer)) {
                    layer.backward(null, 1);
                }
            });
            assertTrue(layer.isEnabled());
        }
    }

    @Test
    void aBackwardGoesWithItsForward() {
        Tensor z = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2);
        Tensor gradOutput = Tensor.of(new float[] {5, 6, 7, 8}, 2, 2);
        try (VectorQuant layer = layer()) {
            try (DisabledScope off = Quantizer.disabled(layer)) {
                layer.forward(z).close();
            }
            assertArrayEquals(
                    gradOutput.toFloatArray(),
                    layer.backward(gradOutput, 9).input().toFloatArray());
            layer.forward(z).close();
            try (DisabledScope off = Quantizer.disabled(layer)) {
                assertFalse(Arrays.equals(
                        gradOutput.toFloatArray(),
                        layer.backward(gradOutput, 9).input().toFloatArray()));
            }
            try (DisabledScope off = Quantizer.disabled(layer)) {
                layer.forward(z).close();
                assertArrayEquals(new float[4], layer.backward(null, 9).input().toFloatArray());
            }
        }
    }

    @Test
    void memoryOfTheCallersIsUsed() {
        Tensor z = Tensor.of(new float[] {1, 2, Float.NaN, 4}, 2, 2);
        try (VectorQuant layer = layer();
                Tensor output = Tensor.allocate(DataType.FLOAT32, 2, 2);
                Tensor gradient = Tensor.allocate(DataType.FLOAT32, 2, 2);
                DisabledScope off = Quantizer.disabled(layer)) {
            layer.forward(z, output).close();
            assertArrayEquals(z.toFloatArray(), output.toFloatArray());
            gradient.floatBuffer().put(new float[] {5, 6, 7, 8});
            layer.backward(gradient, 1, gradient);
            assertArrayEquals(new float[] {5, 6, 7, 8}, gradient.toFloatArray());
            assertThrows(IllegalArgumentException.class, () -> layer.forward(Tensor.of(new float[3], 1, 3)));
        }
    }

    @Test
    void aClosedLayerDisablesNone() {
        VectorQuant closed = layer();
        closed.close();
        try (VectorQuant layer = layer()) {
            assertThrows(IllegalStateException.class, () -> Quantizer.disabled(layer, closed));
            assertTrue(layer.isEnabled());
        }
    }

    private static VectorQuant layer() {
        return VectorQuant.builder(2, 3).backend(Backend.cpu()).build();
    }
}
