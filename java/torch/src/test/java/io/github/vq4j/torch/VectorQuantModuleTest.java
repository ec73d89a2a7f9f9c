package io.github.vq4j.torch;

import static io.github.vq4j.torch.Tensors.bits;
import static io.github.vq4j.torch.Tensors.codes;
import static io.github.vq4j.torch.Tensors.floats;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.Backend;
import io.github.vq4j.Norm;
import io.github.vq4j.Optimizer;
import io.github.vq4j.Quantized;
import io.github.vq4j.VectorQuant;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.InputArchive;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.OutputArchive;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the module does besides gradients: memory, results, modes, parameters. */
@SuppressWarnings("try") // Guards and scopes are there to be closed.
class VectorQuantModuleTest {
    private PointerScope scope;

    @BeforeEach
    void open() {
        scope = new PointerScope();
        torch.manual_seed(3);
    }

    @AfterEach
    void close() {
        scope.close();
    }

    // ---- memory ------------------------------------------------------------------------------------------------

    @Test
    void kernelsWorkOnTheMemoryOfLibtorch() {
        Tensor z = torch.randn(2, 4, 3, 5);
        assertEquals(z.data_ptr().address(), SharedMemory.floats(z).address());
        assertEquals(z.data_ptr().address(), z.contiguous().data_ptr().address());
    }

    @Test
    void parametersAreTheMemoryOfTheLayer() {
        try (VectorQuantModule module = module(everything())) {
            List<Tensor> shared = List.of(module.parameters().get());
            assertEquals(5, shared.size());
            for (int i = 0; i < shared.size(); i++) {
                assertEquals(
                        module.layer().parameters().get(i).value().address(),
                        shared.get(i).data_ptr().address());
                assertTrue(shared.get(i).requires_grad() && shared.get(i).is_leaf());
            }
        }
    }

    @Test
    void parametersHaveTheNamesOfTheLayersWithUnderscores() {
        try (VectorQuantModule module = module(everything())) {
            List<String> names = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                names.add(module.named_parameters().get(i).key().getString());
            }
            assertEquals(List.of("codebook", "affine_scale", "affine_bias", "norm_scale", "norm_shift"), names);
        }
    }

    @Test
    void aModuleIsNamedByItsLayer() {
        try (VectorQuantModule module = new VectorQuantModule(layer(4, 9).build())) {
            assertEquals("module of VectorQuant of 9 codes x 4 features on cpu", module.toString());
        }
    }

    @Test
    @SuppressWarnings("try") // A guard is there to be closed.
    void severalThreadsMayInfer() {
        try (VectorQuantModule module =
                new VectorQuantModule(layer(4, 9).build().eval())) {
            IntStream.range(0, 200).parallel().forEach(i -> {
                try (PointerScope inner = new PointerScope();
                        NoGradGuard noGradient = new NoGradGuard()) {
                    Tensor z = torch.randn(6, 4);
                    assertTrue(torch.equal(module.encode(z), module.forward(z).codes()));
                }
            });
        }
    }

    @Test
    void aModuleOutlivesTheScopeItWasMadeIn() {
        VectorQuant layer = layer(4, 9).build();
        try (VectorQuantModule module = new VectorQuantModule(layer)) {
            module.retainReference();
            QuantizedTensors q;
            try (PointerScope inner = new PointerScope()) {
                q = module.forward(torch.randn(6, 4).requires_grad_());
                q.loss().retainReference();
            }
            // Backward after the scope of the forward has closed the handles of z and of the output.
            q.loss().backward();
            q.loss().close();
            assertTrue(module.parameters().get(0).grad().defined());
        }
    }

    // ---- results -----------------------------------------------------------------------------------------------

    @Test
    void resultsAreThoseOfTheLayer() {
        try (VectorQuant layer = layer(4, 9).build();
                VectorQuantModule module = module(layer(4, 9))) {
            Tensor z = torch.randn(2, 4, 3, 5);
            QuantizedTensors q = module.forward(z);
            try (Quantized expected = layer.forward(io.github.vq4j.Tensor.of(floats(z), 2, 4, 3, 5))) {
                assertArrayEquals(bits(expected.output().toFloatArray()), bits(floats(q.output())));
                assertArrayEquals(expected.codes().toIntArray(), codes(q.codes()));
                assertArrayEquals(expected.distances().toFloatArray(), floats(q.distances()));
                assertEquals((float) expected.loss(), q.loss().item_float());
                assertArrayEquals(expected.sampleLosses(), q.sampleLosses());
                assertEquals(expected.perplexity(), q.perplexity());
                assertEquals(expected.activeCodes(), q.activeCodes());
                assertEquals(expected.replacedCodes(), q.replacedCodes());
            }
            assertArrayEquals(new long[] {2, 4, 3, 5}, SharedMemory.shape(q.output()));
            assertArrayEquals(new long[] {2, 3, 5}, SharedMemory.shape(q.codes()));
            assertArrayEquals(new long[] {2, 3, 5}, SharedMemory.shape(q.distances()));
            assertEquals(0, q.loss().dim());
            assertEquals(ScalarType.Long, q.codes().scalar_type().intern());
        }
    }

    @Test
    void theOutputKeepsTheSignOfZero() {
        try (VectorQuantModule module = module(layer(2, 1).dim(-1))) {
            module.layer().setCodebook(0, io.github.vq4j.Tensor.of(new float[] {-0f, 0f}, 1, 2));
            QuantizedTensors q = module.forward(torch.randn(1, 2).requires_grad_());
            assertArrayEquals(bits(new float[] {-0f, 0f}), bits(floats(q.output())));
        }
    }

    @Test
    void anInputOfAnyStridesGivesTheSame() {
        try (VectorQuantModule module = module(layer(4, 9))) {
            Tensor channelsLast = torch.randn(2, 3, 5, 4).requires_grad_();
            Tensor view = channelsLast.permute(0, 3, 1, 2);
            Tensor copy = view.detach().contiguous().requires_grad_();
            Tensor weights = torch.randn(2, 4, 3, 5);
            QuantizedTensors ofView = module.forward(view);
            ofView.output().mul(weights).sum().add(ofView.loss()).backward();
            QuantizedTensors ofCopy = module.forward(copy);
            ofCopy.output().mul(weights).sum().add(ofCopy.loss()).backward();
            assertArrayEquals(floats(ofCopy.output()), floats(ofView.output()));
            assertArrayEquals(floats(copy.grad()), floats(channelsLast.grad().permute(0, 3, 1, 2)));
        }
    }

    @Test
    void encodeThenDecodeGivesTheOutputOfInference() {
        try (VectorQuantModule module = module(layer(4, 9).affineLr(1))) {
            Tensor z = torch.randn(2, 4, 3, 5);
            module.eval();
            QuantizedTensors q = module.forward(z);
            Tensor codes = module.encode(z);
            assertTrue(torch.equal(q.codes(), codes));
            assertTrue(torch.equal(q.output(), module.decode(codes)));
        }
    }

    @Test
    void encodeAndDecodeLeaveAPendingBackwardAlone() {
        try (VectorQuantModule module = module(layer(4, 9))) {
            Tensor z = torch.randn(6, 4).requires_grad_();
            QuantizedTensors q = module.forward(z);
            module.decode(module.encode(torch.randn(2, 4)));
            q.output().sum().backward();
            assertArrayEquals(floats(torch.ones(6, 4)), floats(z.grad()));
        }
    }

    // ---- modes -------------------------------------------------------------------------------------------------

    @Test
    void aParentSetsTheMode() {
        try (VectorQuantModule module = module(layer(4, 9))) {
            Module parent = new Module("parent");
            parent.register_module("quantizer", module);
            assertEquals(1, parent.parameters().size());
            parent.eval();
            module.forward(torch.randn(6, 4));
            assertFalse(module.layer().isTraining());
            parent.train(true);
            module.forward(torch.randn(6, 4));
            assertTrue(module.layer().isTraining());
        }
    }

    @Test
    void aModuleStartsInTheModeOfItsLayer() {
        try (VectorQuantModule module = module(layer(4, 9))) {
            assertTrue(module.is_training());
        }
        try (VectorQuantModule module =
                new VectorQuantModule(layer(4, 9).build().eval())) {
            assertFalse(module.is_training());
        }
    }

    @Test
    void inferenceChangesNothing() {
        try (VectorQuantModule module = module(everything().kmeansInit(true).replaceFreq(1))) {
            module.eval();
            List<float[]> before = values(module);
            try (NoGradGuard noGradient = new NoGradGuard()) {
                for (int i = 0; i < 3; i++) {
                    QuantizedTensors q = module.forward(torch.randn(2, 32, 7));
                    assertEquals(0, q.replacedCodes());
                }
            }
            List<float[]> after = values(module);
            for (int i = 0; i < before.size(); i++) {
                assertArrayEquals(before.get(i), after.get(i));
                assertFalse(List.of(module.parameters().get()).get(i).grad().defined());
            }
        }
    }

    @Test
    void gradientsFlowThroughInferenceToo() {
        try (VectorQuantModule module = module(layer(4, 9))) {
            module.eval();
            Tensor z = torch.randn(6, 4).requires_grad_();
            module.forward(z).output().sum().backward();
            assertArrayEquals(floats(torch.ones(6, 4)), floats(z.grad()));
        }
    }

    @Test
    void replacedCodesAreCounted() {
        try (VectorQuantModule module = module(layer(4, 9).replaceFreq(1))) {
            QuantizedTensors q = module.forward(torch.randn(2, 4).requires_grad_());
            assertEquals(9 - q.activeCodes(), q.replacedCodes());
            assertEquals(q.replacedCodes(), module.layer().replacedCodes().length);
            // The backward still knows the codes of the forward.
            q.loss().backward();
        }
    }

    // ---- parameters --------------------------------------------------------------------------------------------

    @Test
    void valuesFromAnArchiveAreTakenOver(@TempDir Path folder) {
        String file = folder.resolve("module.pt").toString();
        float[] saved;
        Tensor z = torch.randn(6, 4);
        float[] expected;
        try (VectorQuantModule module = module(layer(4, 9).seed(1))) {
            saved = module.layer().codebook(0).toFloatArray();
            expected = floats(module.forward(z).output());
            OutputArchive archive = new OutputArchive();
            module.save(archive);
            archive.save_to(file);
        }
        try (VectorQuantModule module = module(layer(4, 9).seed(2))) {
            InputArchive archive = new InputArchive();
            archive.load_from(file);
            module.load(archive);
            assertArrayEquals(expected, floats(module.forward(z).output()));
            assertArrayEquals(saved, module.layer().codebook(0).toFloatArray());
            assertEquals(
                    module.layer().codebook(0).address(),
                    module.parameters().get(0).data_ptr().address());
        }
    }

    @Test
    void eitherKindOfOptimiserReachesTheLayer() {
        try (VectorQuantModule module = module(layer(4, 9));
                Optimizer ours = Optimizer.sgd(1)) {
            QuantizedTensors q = module.forward(torch.randn(6, 4));
            q.loss().backward();
            float[] gradient = floats(module.parameters().get(0).grad());
            float[] before = module.layer().codebook(0).toFloatArray();
            ours.step(module.layer());
            float[] after = floats(module.parameters().get(0));
            for (int i = 0; i < before.length; i++) {
                assertEquals(before[i] - gradient[i], after[i]);
            }
            try (NoGradGuard noGradient = new NoGradGuard()) {
                module.parameters().get(0).add_(new Scalar(1));
            }
            assertEquals(after[0] + 1, module.layer().codebook(0).toFloatArray()[0]);
            assertNotEquals(before[0], after[0] + 1);
        }
    }

    @Test
    void closingEmptiesTheParameters() {
        VectorQuantModule module = module(layer(4, 9));
        Tensor codebook = module.parameters().get(0);
        module.close();
        module.close();
        assertEquals(0, codebook.numel());
    }

    // ---- helpers -----------------------------------------------------------------------------------------------

    private static VectorQuant.Builder layer(int features, int codes) {
        return VectorQuant.builder(features, codes).backend(Backend.cpu());
    }

    private static VectorQuant.Builder everything() {
        return layer(32, 12).norm(Norm.GROUP).affineLr(1).affineGroups(3).syncNu(0.5);
    }

    private static VectorQuantModule module(VectorQuant.Builder layer) {
        return new VectorQuantModule(layer.build());
    }

    private static List<float[]> values(VectorQuantModule module) {
        return module.layer().parameters().stream()
                .map(parameter -> parameter.value().toFloatArray())
                .toList();
    }
}
