package io.github.vq4j.torch;

import static io.github.vq4j.torch.Tensors.bits;
import static io.github.vq4j.torch.Tensors.floats;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.github.vq4j.Backend;
import io.github.vq4j.Checkpoint;
import io.github.vq4j.GroupVectorQuant;
import io.github.vq4j.Norm;
import io.github.vq4j.Optimizer;
import io.github.vq4j.QuantizerBuilder;
import io.github.vq4j.ResidualVectorQuant;
import io.github.vq4j.VectorQuant;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.InputArchive;
import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.OutputArchive;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** The state of a module, in maps, archives of libtorch and checkpoints. */
@SuppressWarnings("try") // Scopes are there to be closed.
class StateDictTest {
    private static final Map<String, Supplier<QuantizerBuilder<?>>> LAYERS = new LinkedHashMap<>();

    static {
        LAYERS.put(
                "affine, replacement",
                () -> VectorQuant.builder(8, 12).affineLr(1).replaceFreq(2).kmeansInit(true));
        LAYERS.put(
                "statistics affine, batch norm",
                () -> VectorQuant.builder(8, 12).statisticsAffine(true).norm(Norm.BATCH));
        LAYERS.put("moving averages", () -> VectorQuant.builder(8, 12).ema(0.8).emaExpiry(0.5));
        LAYERS.put("alternated", () -> VectorQuant.builder(8, 12).alternated(Optimizer.adam(1e-2), 1, true));
        LAYERS.put("linear codebook", () -> VectorQuant.builder(8, 12).linearCodebook(true));
        LAYERS.put("groups of moving averages", () -> GroupVectorQuant.builder(8, 12, 2)
                .ema(0.9));
        LAYERS.put(
                "stages",
                () -> ResidualVectorQuant.builder(8, 12, 3).replaceFreq(1).quantizerDropout(1, true));
    }

    @TempDir
    private Path folder;

    /** Encoder and quantizer. */
    private static final class Model extends Module {
        private final LinearImpl encoder;
        private final VectorQuantModule quantizer;

        Model(QuantizerBuilder<?> layer, long seed) {
            torch.manual_seed(seed);
            encoder = register_module("encoder", new LinearImpl(5, 8));
            quantizer = register_module(
                    "quantizer",
                    new VectorQuantModule(
                            layer.dim(-1).seed(7).backend(Backend.cpu()).build()));
        }

        float[] train(int from, int to) {
            float[] last = new float[0];
            for (int step = from; step < to; step++) {
                torch.manual_seed(100 + step);
                QuantizedTensors q = quantizer.forward(encoder.forward(torch.randn(6, 5)));
                q.output().sum().add(q.loss()).backward();
                last = floats(q.output());
            }
            return last;
        }
    }

    @TestFactory
    Stream<DynamicTest> aModelLoadedFromAnArchiveGoesOnAsTheOneThatWasSaved() {
        return LAYERS.entrySet().stream()
                .map(layer -> dynamicTest(layer.getKey(), () -> savedAndLoaded(layer.getValue())));
    }

    private void savedAndLoaded(Supplier<QuantizerBuilder<?>> layer) {
        String file = folder.resolve("model.pt").toString();
        try (PointerScope scope = new PointerScope()) {
            Model model = new Model(layer.get(), 1);
            model.train(0, 3);
            OutputArchive written = new OutputArchive();
            // The parent's: libtorch calls that of the quantizer.
            model.save(written);
            written.save_to(file);
            float[] expected = model.train(3, 6);

            Model other = new Model(layer.get(), 2);
            other.train(0, 1);
            InputArchive read = new InputArchive();
            read.load_from(file);
            other.load(read);
            assertArrayEquals(bits(expected), bits(other.train(3, 6)));
            model.quantizer.close();
            other.quantizer.close();
        }
    }

    @TestFactory
    Stream<DynamicTest> aStateFromAMapIsTheWholeState() {
        return LAYERS.entrySet().stream().map(layer -> dynamicTest(layer.getKey(), () -> mapped(layer.getValue())));
    }

    private static void mapped(Supplier<QuantizerBuilder<?>> layer) {
        try (PointerScope scope = new PointerScope()) {
            Model model = new Model(layer.get(), 1);
            model.train(0, 3);
            Map<String, Tensor> state = model.quantizer.stateDict();
            float[] expected = model.train(3, 6);
            // Copies, which further training does not reach.
            model.quantizer.loadStateDict(state);
            assertArrayEquals(bits(expected), bits(model.train(3, 6)));
            model.quantizer.close();
        }
    }

    @Test
    void namesAndTypesAreThoseOfTheLayer() {
        try (PointerScope scope = new PointerScope()) {
            Model model = new Model(GroupVectorQuant.builder(8, 12, 2).ema(0.9).replaceFreq(3), 1);
            Map<String, Tensor> state = model.quantizer.stateDict();
            assertArrayEquals(
                    new long[] {6, 4},
                    SharedMemory.shape(state.get("0_codebook").contiguous()));
            assertEquals(ScalarType.Float, state.get("1_ema_sums").scalar_type().intern());
            assertEquals(
                    ScalarType.Int,
                    state.get("1_replacement_counters").scalar_type().intern());
            assertEquals(
                    ScalarType.Long, state.get("trainingSteps").scalar_type().intern());
            assertEquals(0, state.get("trainingSteps").dim());
            model.quantizer.close();
        }
    }

    @Test
    void aStateThatDoesNotFitIsRefusedAndChangesNothing() {
        try (PointerScope scope = new PointerScope()) {
            Model model = new Model(VectorQuant.builder(8, 12).affineLr(1), 1);
            VectorQuantModule module = model.quantizer;
            Map<String, Tensor> good = module.stateDict();
            float[] before = floats(module.parameters().get(0));
            refused(module, changed(good, "codebook", null), "need a tensor codebook F32[12, 8], got none");
            refused(module, changed(good, "codebook", torch.zeros(12, 7)), "got F32[12, 7]");
            refused(module, changed(good, "more", torch.zeros(1)), "no more, got [more]");
            refused(
                    module,
                    changed(good, "affine_bias", torch.zeros(1, 8).to(ScalarType.Half)),
                    "need affine_bias of dtype Float, Int, Long or Double, got Half");
            refused(
                    module,
                    changed(good, "trainingSteps", torch.zeros(2).to(ScalarType.Long)),
                    "need trainingSteps of one element, got 2");
            assertArrayEquals(before, floats(module.parameters().get(0)));
            module.close();
        }
    }

    @Test
    void anArchiveOfAnotherLayerIsRefusedByTheParentToo() {
        String file = folder.resolve("model.pt").toString();
        try (PointerScope scope = new PointerScope()) {
            Model model = new Model(VectorQuant.builder(8, 12), 1);
            OutputArchive written = new OutputArchive();
            model.save(written);
            written.save_to(file);
            Model other = new Model(VectorQuant.builder(8, 13), 1);
            InputArchive read = new InputArchive();
            read.load_from(file);
            RuntimeException refusal = assertThrows(RuntimeException.class, () -> other.load(read));
            assertTrue(refusal.getMessage().contains("need a tensor codebook F32[13, 8]"), refusal.getMessage());
            model.quantizer.close();
            other.quantizer.close();
        }
    }

    @Test
    void aBackwardThatWaitsIsGivenUp() {
        try (PointerScope scope = new PointerScope()) {
            Model model = new Model(VectorQuant.builder(8, 12), 1);
            QuantizedTensors q = model.quantizer.forward(torch.randn(6, 8).requires_grad_());
            model.quantizer.loadStateDict(model.quantizer.stateDict());
            RuntimeException refusal =
                    assertThrows(RuntimeException.class, () -> q.loss().backward());
            assertTrue(refusal.getMessage().contains("no forward waits"), refusal.getMessage());
            model.quantizer.close();
        }
    }

    /** The safetensors file of the library, with an optimiser of the library's. */
    @Test
    void checkpointsTakeTheLayerOfAModule() throws IOException {
        Path file = folder.resolve("quantizer.safetensors");
        try (PointerScope scope = new PointerScope();
                Optimizer optimizer = Optimizer.adamW(1e-2);
                Optimizer restored = Optimizer.adamW(1e-2)) {
            Model model = new Model(VectorQuant.builder(8, 12).affineLr(1), 1);
            model.train(0, 2);
            optimizer.step(model.quantizer.layer());
            Checkpoint.save(file, model.quantizer.layer(), optimizer);
            float[] saved = floats(model.quantizer.parameters().get(0));
            model.train(2, 4);
            optimizer.step(model.quantizer.layer());
            Checkpoint.restore(file, model.quantizer.layer(), restored);
            assertArrayEquals(saved, floats(model.quantizer.parameters().get(0)));
            model.quantizer.close();
        }
    }

    private static Map<String, Tensor> changed(Map<String, Tensor> state, String name, Tensor tensor) {
        Map<String, Tensor> copy = new LinkedHashMap<>(state);
        if (tensor == null) {
            copy.remove(name);
        } else {
            copy.put(name, tensor);
        }
        return copy;
    }

    private static void refused(VectorQuantModule module, Map<String, Tensor> state, String part) {
        String message = assertThrows(IllegalArgumentException.class, () -> module.loadStateDict(state))
                .getMessage();
        assertTrue(message.contains(part), message);
    }
}
