package io.github.vq4j.torch;

import static io.github.vq4j.torch.Tensors.assertClose;
import static io.github.vq4j.torch.Tensors.bits;
import static io.github.vq4j.torch.Tensors.codes;
import static io.github.vq4j.torch.Tensors.floats;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.github.vq4j.Backend;
import io.github.vq4j.FiniteScalarQuant;
import io.github.vq4j.Gradients;
import io.github.vq4j.GroupVectorQuant;
import io.github.vq4j.LookupFreeQuant;
import io.github.vq4j.LookupFreeQuantized;
import io.github.vq4j.Quantized;
import io.github.vq4j.Quantizer;
import io.github.vq4j.QuantizerBuilder;
import io.github.vq4j.ResidualVectorQuant;
import io.github.vq4j.RowMask;
import io.github.vq4j.VectorQuant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Every layer and way to a loss as a module: the layer's own values, and the gradients of libtorch's autograd. */
@SuppressWarnings("try") // Scopes are there to be closed.
class EveryLayerTest {
    private static final long[] SHAPE = {3, 5, 8};
    private static final double TOLERANCE = 2e-5;
    private static final Map<String, Supplier<QuantizerBuilder<?>>> LAYERS = new LinkedHashMap<>();

    static {
        LAYERS.put("one codebook", () -> VectorQuant.builder(8, 12).syncNu(0.5));
        LAYERS.put("moving averages", () -> VectorQuant.builder(8, 12).ema(0.9));
        LAYERS.put("groups", () -> GroupVectorQuant.builder(8, 12, 2).affineLr(1));
        LAYERS.put(
                "groups of moving averages",
                () -> GroupVectorQuant.builder(8, 12, 2).ema(0.9).emaExpiry(0.5));
        LAYERS.put("stages", () -> ResidualVectorQuant.builder(8, 12, 3));
        LAYERS.put("stages with losses of their own", () -> ResidualVectorQuant.builder(8, 12, 3)
                .stageLosses(true));
        LAYERS.put(
                "stages that share, dropped by sample",
                () -> ResidualVectorQuant.builder(8, 7, 3).share(true).quantizerDropout(1, true));
        LAYERS.put("lookup in four dimensions", () -> VectorQuant.builder(8, 12).lookupSize(4));
    }

    @TestFactory
    Stream<DynamicTest> resultsAndGradientsAreThoseOfTheLayer() {
        List<DynamicTest> tests = new ArrayList<>();
        LAYERS.forEach((name, builder) -> {
            for (boolean masked : new boolean[] {false, true}) {
                for (boolean training : new boolean[] {false, true}) {
                    tests.add(dynamicTest(
                            name + (masked ? ", masked" : "") + (training ? ", training" : ", inference"),
                            () -> compare(builder.get(), masked, training)));
                }
            }
        });
        return tests.stream();
    }

    private static void compare(QuantizerBuilder<?> builder, boolean masked, boolean training) {
        builder.dim(-1).backend(Backend.cpu());
        try (PointerScope scope = new PointerScope();
                Quantizer layer = builder.build();
                VectorQuantModule module = new VectorQuantModule(builder.build())) {
            if (!training) {
                layer.eval();
                module.eval();
            }
            torch.manual_seed(9);
            Tensor z = torch.randn(SHAPE).requires_grad_();
            Tensor weights = torch.randn(SHAPE);
            boolean[] kept = new boolean[15];
            for (int n = 0; n < kept.length; n++) {
                kept[n] = n % 4 != 1;
            }
            QuantizedTensors q = masked ? module.forward(z, mask(kept)) : module.forward(z);
            q.output().mul(weights).sum().add(q.loss().mul(new Scalar(3.0))).backward();

            io.github.vq4j.Tensor input = io.github.vq4j.Tensor.of(floats(z), SHAPE);
            try (Quantized expected = masked ? layer.forward(input, RowMask.of(kept, 3, 5)) : layer.forward(input);
                    Gradients gradients = layer.backward(io.github.vq4j.Tensor.of(floats(weights), SHAPE), 3)) {
                assertArrayEquals(bits(expected.output().toFloatArray()), bits(floats(q.output())));
                assertArrayEquals(expected.codes().toIntArray(), codes(q.codes()));
                assertArrayEquals(expected.codes().shape(), SharedMemory.shape(q.codes()));
                assertArrayEquals(expected.distances().toFloatArray(), floats(q.distances()));
                assertEquals((float) expected.loss(), q.loss().item_float());
                assertArrayEquals(bits(gradients.input().toFloatArray()), bits(floats(z.grad())));
            }
            for (int i = 0; i < layer.parameters().size(); i++) {
                assertArrayEquals(
                        layer.parameters().get(i).gradient().toFloatArray(),
                        floats(module.parameters().get(i).grad()));
            }
            Tensor encoded = masked ? module.encode(z, mask(kept)) : module.encode(z);
            assertArrayEquals(SharedMemory.shape(q.codes()), SharedMemory.shape(encoded));
            if (!training) {
                assertTrue(torch.equal(encoded, q.codes()));
            }
            if (!training && !masked) {
                assertTrue(torch.equal(q.output(), module.decode(encoded)));
            }
        }
    }

    /** Groups: sub-vectors and their codes, one after the other. */
    @Test
    void gradientsOfGroupsAreThoseOfAutograd() {
        try (PointerScope scope = new PointerScope();
                VectorQuantModule module = new VectorQuantModule(GroupVectorQuant.builder(8, 12, 2)
                        .dim(-1)
                        .beta(0.7)
                        .syncNu(0.3)
                        .backend(Backend.cpu())
                        .build())) {
            Tensor z = random().requires_grad_();
            Tensor weights = torch.randn(SHAPE);
            QuantizedTensors q = module.forward(z);
            objective(q.output(), q.loss(), weights).backward();

            Tensor plainZ = z.detach().clone().requires_grad_();
            List<Tensor> codebooks = copies(module);
            Tensor rows = plainZ.reshape(15, 8);
            Tensor ofRows = q.codes().reshape(15, 2);
            Tensor e = torch.cat(joined(parts(codebooks, ofRows, 6)), 1);
            objective(straightThrough(rows, e, 0.3), loss(rows, e, 0.7), weights.reshape(15, 8))
                    .backward();
            assertClose(plainZ.grad(), z.grad(), TOLERANCE, "gradient of z");
            assertGradients(codebooks, module);
        }
    }

    /** Stages: every code has the gradient of the sum, what is passed on is a constant. */
    @Test
    void gradientsOfStagesAreThoseOfAutograd() {
        try (PointerScope scope = new PointerScope();
                VectorQuantModule module = new VectorQuantModule(ResidualVectorQuant.builder(8, 12, 2)
                        .dim(-1)
                        .beta(0.7)
                        .syncNu(0.3)
                        .backend(Backend.cpu())
                        .build())) {
            Tensor z = random().requires_grad_();
            Tensor weights = torch.randn(SHAPE);
            QuantizedTensors q = module.forward(z);
            objective(q.output(), q.loss(), weights).backward();

            Tensor plainZ = z.detach().clone().requires_grad_();
            List<Tensor> codebooks = copies(module);
            Tensor rows = plainZ.reshape(15, 8);
            List<Tensor> parts = parts(codebooks, q.codes().reshape(15, 2), 6);
            Tensor e = parts.get(0).add(parts.get(1));
            objective(straightThrough(rows, e, 0.3), loss(rows, e, 0.7), weights.reshape(15, 8))
                    .backward();
            assertClose(plainZ.grad(), z.grad(), TOLERANCE, "gradient of z");
            assertGradients(codebooks, module);
        }
    }

    /** A masked row lets the task's gradient through; the loss is the mean over the others. */
    @Test
    void gradientsUnderAMaskAreThoseOfAutograd() {
        try (PointerScope scope = new PointerScope();
                VectorQuantModule module = new VectorQuantModule(VectorQuant.builder(8, 12)
                        .dim(-1)
                        .beta(0.7)
                        .backend(Backend.cpu())
                        .build())) {
            Tensor z = random().requires_grad_();
            Tensor weights = torch.randn(SHAPE);
            boolean[] kept = new boolean[15];
            for (int n = 0; n < kept.length; n++) {
                kept[n] = n >= 4;
            }
            QuantizedTensors q = module.forward(z, mask(kept));
            objective(q.output(), q.loss(), weights).backward();

            Tensor plainZ = z.detach().clone().requires_grad_();
            List<Tensor> codebooks = copies(module);
            Tensor rows = plainZ.reshape(15, 8);
            Tensor left = rows.narrow(0, 4, 11);
            Tensor e = codebooks.get(0).index_select(0, q.codes().reshape(15).narrow(0, 4, 11));
            Tensor output = torch.cat(joined(List.of(rows.narrow(0, 0, 4), straightThrough(left, e, 0))), 0);
            objective(output, loss(left, e, 0.7), weights.reshape(15, 8)).backward();
            assertClose(plainZ.grad(), z.grad(), TOLERANCE, "gradient of z");
            assertGradients(codebooks, module);
        }
    }

    @Test
    void finiteScalarsHaveTheGradientOfAutogradAndNoLoss() {
        try (PointerScope scope = new PointerScope();
                CodebookFreeModule module = new CodebookFreeModule(FiniteScalarQuant.builder(5, 3)
                        .dim(-1)
                        .backend(Backend.cpu())
                        .build())) {
            torch.manual_seed(9);
            Tensor z = torch.randn(6, 2).requires_grad_();
            Tensor weights = torch.randn(6, 2);
            QuantizedTensors q = module.forward(z);
            assertEquals(0f, q.loss().item_float());
            assertNull(q.distances());
            objective(q.output(), q.loss(), weights).backward();

            Tensor plainZ = z.detach().clone().requires_grad_();
            Tensor half = Tensor.create(new float[] {4 * 1.001f / 2, 2 * 1.001f / 2}, 1, 2);
            Tensor bounded = plainZ.tanh().mul(half);
            Tensor values =
                    bounded.add(bounded.round().sub(bounded).detach()).div(Tensor.create(new float[] {2, 1}, 1, 2));
            assertClose(values, q.output(), 1e-6, "output");
            objective(values, q.loss().detach(), weights).backward();
            assertClose(plainZ.grad(), z.grad(), TOLERANCE, "gradient of z");
            assertTrue(torch.equal(q.output(), module.decode(module.encode(z))));
        }
    }

    @Test
    void theLossOfFiniteScalarsAloneHasAGradientOfZero() {
        try (PointerScope scope = new PointerScope();
                CodebookFreeModule module = new CodebookFreeModule(FiniteScalarQuant.builder(5, 3)
                        .dim(-1)
                        .backend(Backend.cpu())
                        .build())) {
            Tensor z = torch.randn(6, 2).requires_grad_();
            module.forward(z).loss().backward();
            assertTrue(torch.equal(torch.zeros(6, 2), z.grad()));
        }
    }

    @Test
    void bitsHaveTheLossAndTheGradientOfTheLayerUnderAMaskToo() {
        LookupFreeQuant.Builder builder = LookupFreeQuant.builder(4)
                .dim(-1)
                .inverseTemperature(2)
                .entropyWeight(0.5)
                .backend(Backend.cpu());
        boolean[] kept = {true, false, true, true, false, true};
        try (PointerScope scope = new PointerScope();
                LookupFreeQuant layer = builder.build();
                CodebookFreeModule module = new CodebookFreeModule(builder.build())) {
            torch.manual_seed(9);
            Tensor z = torch.randn(6, 4).requires_grad_();
            Tensor weights = torch.randn(6, 4);
            QuantizedTensors q =
                    module.forward(z, mask(kept).reshape(15).narrow(0, 0, 6).contiguous());
            q.output().mul(weights).sum().add(q.loss()).backward();
            try (LookupFreeQuantized expected =
                            layer.forward(io.github.vq4j.Tensor.of(floats(z), 6, 4), RowMask.of(kept, 6));
                    Gradients gradients = layer.backward(io.github.vq4j.Tensor.of(floats(weights), 6, 4), 1)) {
                assertEquals((float) expected.loss(), q.loss().item_float());
                assertArrayEquals(expected.codes().toIntArray(), codes(q.codes()));
                assertArrayEquals(gradients.input().toFloatArray(), floats(z.grad()));
            }
        }
    }

    // ---- helpers -----------------------------------------------------------------------------------------------

    private static Tensor random() {
        torch.manual_seed(9);
        return torch.randn(SHAPE);
    }

    /** 3 x 5 marks; more are false. */
    private static Tensor mask(boolean[] kept) {
        int[] marks = new int[15];
        for (int n = 0; n < kept.length; n++) {
            marks[n] = kept[n] ? 1 : 0;
        }
        return Tensor.create(marks, 3, 5).to(ScalarType.Bool);
    }

    /** Not linear in the output, so that its gradient depends on it. */
    private static Tensor objective(Tensor output, Tensor loss, Tensor weights) {
        return output.mul(weights).tanh().sum().add(loss.mul(new Scalar(2.0)));
    }

    private static Tensor straightThrough(Tensor rows, Tensor e, double nu) {
        Tensor synchronised = e.mul(new Scalar(nu));
        return rows.add(e.sub(rows).detach()).add(synchronised).sub(synchronised.detach());
    }

    private static Tensor loss(Tensor rows, Tensor e, double beta) {
        return torch.mse_loss(rows, e.detach())
                .mul(new Scalar(1 - beta))
                .add(torch.mse_loss(rows.detach(), e).mul(new Scalar(beta)));
    }

    private static List<Tensor> copies(VectorQuantModule module) {
        List<Tensor> copies = new ArrayList<>();
        for (Tensor parameter : module.parameters().get()) {
            copies.add(parameter.detach().clone().requires_grad_());
        }
        return copies;
    }

    /** The codes of every codebook, whose own begin at a multiple of their number. */
    private static List<Tensor> parts(List<Tensor> codebooks, Tensor codesOfRows, int each) {
        List<Tensor> parts = new ArrayList<>();
        for (int i = 0; i < codebooks.size(); i++) {
            Tensor own = codesOfRows.select(1, i).sub(new Scalar(i * each));
            parts.add(codebooks.get(i).index_select(0, own));
        }
        return parts;
    }

    private static TensorVector joined(List<Tensor> tensors) {
        return new TensorVector(tensors.toArray(new Tensor[0]));
    }

    private static void assertGradients(List<Tensor> codebooks, VectorQuantModule module) {
        for (int i = 0; i < codebooks.size(); i++) {
            assertClose(
                    codebooks.get(i).grad(), module.parameters().get(i).grad(), TOLERANCE, "gradient of codebook " + i);
        }
    }
}
