package io.github.vq4j;

import static io.github.vq4j.GroupVectorQuantTest.normal;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class LayerStateTest {
    /** Every kind of layer, copied in the middle of its training from every backend to every one. */
    @TestFactory
    Stream<DynamicTest> aCopyTrainsOnAsTheLayerItself() {
        List<DynamicTest> tests = new ArrayList<>();
        TrainedLayer.builders().forEach((name, builder) -> {
            for (Backend first : Backends.all()) {
                for (Backend then : Backends.all()) {
                    tests.add(dynamicTest(
                            name + ", " + first.name() + " to " + then.name(), () -> copied(builder, first, then)));
                }
            }
        });
        return tests.stream();
    }

    private static void copied(Supplier<QuantizerBuilder<?>> builder, Backend first, Backend then) throws IOException {
        try (Quantizer layer = builder.get().backend(first).build();
                Optimizer before = Optimizer.sgd(0)) {
            TrainedLayer.train(layer, before, 0, 2);
            try (Quantizer copy = layer.copy(then);
                    Optimizer ofLayer = Optimizer.sgd(0);
                    Optimizer ofCopy = Optimizer.sgd(0)) {
                assertEquals(then, copy.backend());
                assertArrayEquals(CheckpointTest.bytes(layer), CheckpointTest.bytes(copy));
                TrainedLayer.train(layer, ofLayer, 2, 4);
                TrainedLayer.train(copy, ofCopy, 2, 4);
                assertArrayEquals(CheckpointTest.bytes(layer), CheckpointTest.bytes(copy));
            }
        }
    }

    @Test
    void aCopyHasTheModeOfTheLayerAndAStateOfItsOwn() {
        try (VectorQuant layer = VectorQuant.builder(4, 9).build().eval();
                Quantizer copy = layer.copy(Backend.cpu())) {
            assertFalse(copy.isTraining());
            copy.setCodebook(0, Tensor.of(new float[36], 9, 4));
            assertTrue(layer.codebook().toFloatArray()[0] != 0);
        }
    }

    /** Which {@link Checkpoint#restore} refuses. */
    @Test
    void trainingGoesOnWithAnotherBeta() {
        try (VectorQuant layer =
                        VectorQuant.builder(4, 9).kmeansInit(true).beta(0.5).build();
                VectorQuant other =
                        VectorQuant.builder(4, 9).kmeansInit(true).beta(0.9).build()) {
            Tensor z = Tensor.of(normal(1, 36 * 4), 36, 4);
            layer.forward(z).close();
            other.restore(layer.state());
            assertArrayEquals(layer.codebook().toFloatArray(), other.codebook().toFloatArray());
            assertEquals(layer.trainingSteps(), other.trainingSteps());
        }
    }

    @Test
    void theStateIsNamedAsInACheckpoint() {
        try (VectorQuant layer =
                VectorQuant.builder(4, 9).affineLr(1).replaceFreq(3).build()) {
            LayerState state = layer.state();
            assertEquals(
                    List.of("codebook", "affine.scale", "affine.bias", "replacement.counters", "replacement.mask"),
                    List.copyOf(state.tensors().keySet()));
            assertEquals(
                    List.of("replacement.replaced", "awaitsKmeans", "trainingSteps"),
                    List.copyOf(state.numbers().keySet()));
            assertEquals(Map.of(), state.reals());
        }
    }

    @Test
    void aStateThatDoesNotFitIsRefusedAndChangesNothing() {
        try (VectorQuant layer = VectorQuant.builder(4, 9).replaceFreq(3).build();
                VectorQuant wider = VectorQuant.builder(5, 9).replaceFreq(3).build();
                VectorQuant plain = VectorQuant.builder(4, 9).seed(5).build();
                VectorQuant affine =
                        VectorQuant.builder(4, 9).replaceFreq(3).affineLr(1).build()) {
            float[] codebook = layer.codebook().toFloatArray();
            refused(layer, wider.state(), "need a tensor codebook F32[9, 4], got F32[9, 5]");
            refused(layer, plain.state(), "need a tensor replacement.counters I32[9], got none");
            refused(layer, affine.state(), "need the state of this layer and no more, got [affine.bias, affine.scale]");
            LayerState late = layer.state();
            Map<String, Long> numbers = new HashMap<>(late.numbers());
            numbers.put("trainingSteps", -1L);
            refused(layer, new LayerState(late.tensors(), numbers, late.reals()), "<= trainingSteps <=");
            assertArrayEquals(codebook, layer.codebook().toFloatArray());
        }
    }

    @Test
    void aRestoredLayerHasNoPendingBackward() {
        try (VectorQuant layer = VectorQuant.builder(4, 9).build();
                Quantized q = layer.forward(Tensor.of(new float[] {1, 2, 3, 4}, 1, 4))) {
            assertEquals(1, q.codes().size());
            layer.restore(layer.state());
            assertThrows(IllegalStateException.class, () -> layer.backward(null, 1));
        }
    }

    @Test
    void aLayerOfSeveralWorkersIsNotCopied() {
        try (VectorQuant layer =
                VectorQuant.builder(4, 9).workers(AllReduce.inProcess(1).get(0)).build()) {
            String message = assertThrows(IllegalStateException.class, () -> layer.copy(Backend.cpu()))
                    .getMessage();
            assertTrue(message.startsWith("need a layer without workers"), message);
        }
    }

    private static void refused(Quantizer layer, LayerState state, String part) {
        String message = assertThrows(IllegalArgumentException.class, () -> layer.restore(state))
                .getMessage();
        assertTrue(message.contains(part), message);
    }
}
