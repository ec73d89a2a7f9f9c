package io.github.vq4j.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.Backend;
import io.github.vq4j.FiniteScalarQuant;
import io.github.vq4j.NotFiniteException;
import io.github.vq4j.ResidualVectorQuant;
import io.github.vq4j.VectorQuant;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.InferenceMode;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What is refused, and in which words. */
class BadInputTest {
    private PointerScope scope;
    private VectorQuantModule module;

    @BeforeEach
    void makeLayer() {
        scope = new PointerScope();
        module = new VectorQuantModule(
                VectorQuant.builder(4, 9).backend(Backend.cpu()).build());
    }

    @AfterEach
    void close() {
        module.close();
        scope.close();
    }

    @Test
    void anInputOfAnotherType() {
        String needed = "z of dtype Float, Half or BFloat16, got ";
        refused(() -> module.forward(torch.randn(6, 4).to(ScalarType.Double)), needed + "Double");
        refused(() -> module.encode(torch.zeros(6, 4).to(ScalarType.Int)), needed + "Int");
        refused(() -> module.decode(torch.randn(6)), "codes of dtype Long, got Float");
    }

    @Test
    void anInputOnAnotherDevice() {
        Tensor meta = torch.randn(6, 4).to(new org.bytedeco.pytorch.Device("meta"), ScalarType.Float);
        refused(
                () -> module.forward(meta),
                "z on the device of VectorQuant of 9 codes x 4 features on cpu, got one on meta");
    }

    @Test
    void devicesAreToldApartByTheirNumbers() {
        assertTrue(QuantizerModule.isOn("cuda:1", "cuda:1"));
        assertFalse(QuantizerModule.isOn("cuda:1", "cuda:0"));
        assertFalse(QuantizerModule.isOn("cuda:10", "cuda:1"));
        assertFalse(QuantizerModule.isOn("cpu", "cuda:0"));
        assertFalse(QuantizerModule.isOn("cuda:0", "cpu"));
        assertTrue(QuantizerModule.isOn("cpu", "cpu"));
        assertTrue(QuantizerModule.isOn("cpu:0", "cpu"));
    }

    @Test
    void anInputOfAnotherLayout() {
        refused(() -> module.forward(torch.randn(6, 4).to_sparse()), "z of layout Strided, got Sparse");
    }

    @Test
    void anInputOfAnotherShape() {
        refused(() -> module.forward(torch.randn(6, 5)), "need featureSize = 4 on axis 1, got shape [6, 5]");
        refused(() -> module.forward(torch.randn(0, 4)), "need at least one row, got shape [0, 4]");
    }

    @Test
    void anUndefinedInput() {
        refused(() -> module.forward(new Tensor()), "need a defined tensor z");
    }

    @Test
    @SuppressWarnings("try") // A guard is there to be closed.
    void anInputOfInferenceMode() {
        Tensor z;
        try (InferenceMode inference = new InferenceMode()) {
            z = torch.randn(6, 4);
        }
        refused(() -> module.forward(z), "need z made outside of InferenceMode", "clone it");
        module.forward(z.clone()).loss().backward();
        module.eval();
        try (NoGradGuard noGradient = new NoGradGuard()) {
            module.forward(z);
        }
    }

    @Test
    void aLayerThatHasAModule() {
        refused(
                () -> new VectorQuantModule(module.layer()),
                "need a layer that no module has yet, got VectorQuant of 9");
        FiniteScalarQuant scalars =
                FiniteScalarQuant.builder(3, 3).backend(Backend.cpu()).build();
        try (CodebookFreeModule first = new CodebookFreeModule(scalars)) {
            refused(() -> new CodebookFreeModule(scalars), "need a layer that no module has yet");
            first.forward(torch.randn(6, 2));
        }
    }

    @Test
    void nothing() {
        for (Executable call : List.<Executable>of(
                () -> module.forward(null), () -> module.encode(null), () -> module.forward(torch.randn(6, 4), null))) {
            assertThrows(NullPointerException.class, call);
        }
        assertEquals(
                "z",
                assertThrows(NullPointerException.class, () -> module.forward(null))
                        .getMessage());
        assertEquals(
                "layer",
                assertThrows(NullPointerException.class, () -> new VectorQuantModule(null))
                        .getMessage());
    }

    @Test
    void anInputThatIsNotFinite() {
        Tensor z = torch.zeros(6, 4);
        z.select(0, 3).fill_(new Scalar(Double.NaN));
        NotFiniteException refusal = assertThrows(NotFiniteException.class, () -> module.forward(z));
        assertEquals(3, refusal.row());
    }

    @Test
    void aMaskThatDoesNotFit() {
        Tensor z = torch.randn(2, 4, 3);
        refused(() -> module.forward(z, torch.ones(2, 3)), "mask of dtype Bool, got Float");
        Tensor narrow = torch.ones(2, 4).to(ScalarType.Bool);
        refused(
                () -> module.forward(z, narrow),
                "need a mask of z's shape without the feature axis, [2, 3], got Tensor INT32[2, 4] on HOST");
        refused(() -> module.encode(z, narrow), "[2, 3], got Tensor INT32[2, 4]");
        Tensor elsewhere = torch.ones(2, 3).to(new org.bytedeco.pytorch.Device("meta"), ScalarType.Bool);
        refused(() -> module.forward(z, elsewhere), "need mask on the device of VectorQuant");
    }

    @Test
    void codesThatDoNotExist() {
        for (long code : new long[] {-1, 9, 1L << 32, Long.MIN_VALUE}) {
            Tensor codes = torch.zeros(3).to(ScalarType.Long).fill_(new Scalar(code));
            assertThrows(IllegalArgumentException.class, () -> module.decode(codes), () -> "code " + code);
        }
        // Of a stage that dropout may leave out, -1 alone is one.
        try (VectorQuantModule stages = new VectorQuantModule(ResidualVectorQuant.builder(4, 18, 2)
                .dim(-1)
                .backend(Backend.cpu())
                .build())) {
            for (long code : new long[] {-2, 18, 1L << 32, Long.MIN_VALUE}) {
                Tensor codes = torch.tensor(new long[] {0, code}).reshape(1, 2);
                assertThrows(IllegalArgumentException.class, () -> stages.decode(codes), () -> "code " + code);
            }
        }
    }

    @Test
    void aRefusedForwardLeavesTheBackwardThatWaits() {
        Tensor z = torch.randn(6, 4).requires_grad_();
        QuantizedTensors q = module.forward(z);
        refused(() -> module.forward(torch.randn(6, 5)), "featureSize");
        q.output().sum().backward();
        assertTrue(torch.equal(torch.ones(6, 4), z.grad()));
    }

    @Test
    void parametersOfAnotherType() {
        module.parameters().get(0).set_data(torch.zeros(9, 4).to(ScalarType.Double));
        IllegalStateException refusal =
                assertThrows(IllegalStateException.class, () -> module.forward(torch.randn(6, 4)));
        String expected =
                "need parameter codebook of dtype Float and shape [9, 4] on HOST, the module now has dtype Double";
        assertTrue(refusal.getMessage().contains(expected), refusal.getMessage());
    }

    @Test
    void aClosedModule() {
        module.close();
        for (Executable use : new Executable[] {
            () -> module.forward(torch.randn(6, 4)),
            () -> module.encode(torch.randn(6, 4)),
            () -> module.decode(torch.zeros(6).to(ScalarType.Long)),
            () -> module.to(ScalarType.Half, false),
            () -> module.to(new org.bytedeco.pytorch.Device("cpu"), false),
            module::stateDict,
            () -> module.loadStateDict(Map.of())
        }) {
            IllegalStateException refusal = assertThrows(IllegalStateException.class, use);
            assertTrue(refusal.getMessage().contains("is closed"), refusal.getMessage());
        }
    }

    private static void refused(Executable call, String... parts) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        for (String part : parts) {
            assertTrue(message.contains(part), "\"" + part + "\" in: " + message);
        }
    }
}
