package io.github.vq4j.torch;

import static io.github.vq4j.torch.Tensors.assertClose;
import static io.github.vq4j.torch.Tensors.bits;
import static io.github.vq4j.torch.Tensors.floats;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.Backend;
import io.github.vq4j.Gradients;
import io.github.vq4j.Optimizer;
import io.github.vq4j.VectorQuant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** How output and loss take part in libtorch's graph, whatever an objective makes of them. */
@SuppressWarnings("try") // Guards are there to be closed.
class GraphTest {
    private static final long[] SHAPE = {3, 4, 5, 2};

    private PointerScope scope;
    private VectorQuantModule module;
    private Tensor z;
    private Tensor weights;

    @BeforeEach
    void makeLayer() {
        scope = new PointerScope();
        module = layer(1);
        torch.manual_seed(7);
        z = torch.randn(SHAPE).requires_grad_();
        weights = torch.randn(SHAPE);
    }

    @AfterEach
    void close() {
        module.close();
        scope.close();
    }

    @Test
    void outputAloneHasNoCommitment() {
        Tensor expected = layersGradient(weights, 0);
        task(module.forward(z)).backward();
        assertSame(expected, z.grad());
    }

    @Test
    void lossAloneHasNoTask() {
        Tensor expected = layersGradient(null, 1);
        module.forward(z).loss().backward();
        assertSame(expected, z.grad());
    }

    @Test
    void theWeightOfTheLossIsAlpha() {
        double alpha = 3 * (0.25 + 2);
        List<Function<QuantizedTensors, Tensor>> objectives = List.of(
                q -> task(q).add(q.loss().mul(new Scalar(alpha))),
                q -> q.loss().mul(new Scalar(alpha)).add(task(q)),
                // The loss twice, at different depths, before and after the task is made.
                q -> {
                    Tensor quarter = q.loss().mul(new Scalar(0.25));
                    Tensor third = task(q).div(new Scalar(3)).add(quarter);
                    return third.add(q.loss().mul(new Scalar(2))).mul(new Scalar(3));
                },
                q -> {
                    Tensor twice = q.loss().add(q.loss());
                    Tensor task = task(q).div(new Scalar(3));
                    return twice.add(task).add(q.loss().mul(new Scalar(0.25))).mul(new Scalar(3));
                });
        Tensor expected = layersGradient(weights, alpha);
        for (Function<QuantizedTensors, Tensor> objective : objectives) {
            forgetGradient();
            objective.apply(module.forward(z)).backward();
            assertClose(expected, z.grad(), 1e-6, "gradient of z");
        }
    }

    @Test
    void aLossOfWeightZeroCounts() {
        Tensor expected = layersGradient(weights, 0);
        QuantizedTensors q = module.forward(z);
        task(q).add(q.loss().mul(new Scalar(0))).backward();
        assertSame(expected, z.grad());
    }

    @Test
    void theOutputMayBeUsedSeveralTimes() {
        Tensor expected = layersGradient(weights, 0);
        QuantizedTensors q = module.forward(z);
        Tensor half = q.output().mul(weights).sum().mul(new Scalar(0.5));
        q.output().mul(weights).mul(new Scalar(0.5)).sum().add(half).backward();
        assertClose(expected, z.grad(), 1e-6, "gradient of z");
    }

    @Test
    void theOutputMayBeChangedInPlace() {
        QuantizedTensors first = module.forward(z);
        torch.relu(first.output()).mul(weights).sum().backward();
        float[] expected = floats(z.grad());
        forgetGradient();
        QuantizedTensors second = module.forward(z);
        second.output().relu_().mul(weights).sum().backward();
        assertArrayEquals(expected, floats(z.grad()));
    }

    @Test
    void gradientsOfAnyStridesAreTaken() {
        Tensor expected = layersGradient(torch.ones(SHAPE), 0);
        module.forward(z).output().sum().backward();
        assertSame(expected, z.grad());

        Tensor transposed = torch.randn(2, 5, 4, 3);
        Tensor expectedOfTransposed =
                layersGradient(transposed.permute(3, 2, 1, 0).contiguous(), 0);
        forgetGradient();
        module.forward(z).output().permute(3, 2, 1, 0).mul(transposed).sum().backward();
        assertSame(expectedOfTransposed, z.grad());
    }

    @Test
    void gradientsReachWhatMadeTheInput() {
        Tensor expected = layersGradient(weights, 2).mul(new Scalar(3));
        Tensor source = z.detach().div(new Scalar(3)).requires_grad_();
        // Times three rounds: the kernels have to see the bits of z itself.
        Tensor made = source.mul(new Scalar(3));
        try (NoGradGuard noGradient = new NoGradGuard()) {
            made.set_data(z.detach());
        }
        QuantizedTensors q = module.forward(made);
        task(q).add(q.loss().mul(new Scalar(2))).backward();
        assertSame(expected, source.grad());
    }

    @Test
    void anInputWithoutGradientStillTrainsTheCodebook() {
        layersGradient(weights, 1);
        float[] expected = layersCodebookGradient();
        QuantizedTensors q = module.forward(z.detach());
        task(q).add(q.loss()).backward();
        assertArrayEquals(expected, floats(codebook().grad()));
    }

    @Test
    void gradientsOfParametersAddUp() {
        for (int i = 0; i < 2; i++) {
            QuantizedTensors q = module.forward(z);
            task(q).add(q.loss()).backward();
        }
        float[] once = layersCodebookGradient();
        float[] twice = floats(codebook().grad());
        for (int i = 0; i < once.length; i++) {
            assertEquals(2 * once[i], twice[i]);
        }
    }

    @Test
    void parametersThatAreFrozenGetNoGradient() {
        codebook().set_requires_grad(false);
        QuantizedTensors q = module.forward(z);
        task(q).add(q.loss()).backward();
        assertFalse(codebook().grad().defined());
        assertTrue(z.grad().defined());
    }

    @Test
    void nothingIsRecordedUnderNoGradGuard() {
        try (NoGradGuard noGradient = new NoGradGuard()) {
            QuantizedTensors q = module.forward(z);
            assertFalse(q.output().requires_grad());
            assertFalse(q.loss().requires_grad());
        }
        assertFalse(codebook().grad().defined());
    }

    @Test
    void oneBackwardMayServeSeveralModules() {
        try (VectorQuantModule other = layer(2)) {
            Tensor twoSteps = other.forward(module.forward(z).output()).output();
            twoSteps.mul(weights).sum().backward();
            // Straight through both.
            assertArrayEquals(floats(weights), floats(z.grad()));
            assertTrue(List.of(other.parameters().get()).get(0).grad().defined());
        }
    }

    @Test
    void modulesMayWaitInAnyNumber() {
        List<VectorQuantModule> modules = new ArrayList<>();
        List<QuantizedTensors> results = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            modules.add(layer(i));
            results.add(modules.get(i).forward(z));
        }
        for (QuantizedTensors q : results) {
            task(q).backward();
        }
        assertClose(weights.mul(new Scalar(40)), z.grad(), 1e-5, "gradient of z");
        modules.forEach(VectorQuantModule::close);
    }

    @Test
    void anotherThreadMayRunBackward() throws Exception {
        Tensor expected = layersGradient(weights, 0);
        Tensor objective = task(module.forward(z));
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try {
            thread.submit((Runnable) objective::backward).get();
        } finally {
            thread.shutdown();
        }
        assertSame(expected, z.grad());
    }

    // ---- what is refused ---------------------------------------------------------------------------------------

    @Test
    void backwardThroughAForwardThatWasReplacedIsRefused() {
        QuantizedTensors first = module.forward(z);
        QuantizedTensors second = module.forward(z);
        assertRefused(task(first), "each backward needs a forward of its own");
        assertRefused(first.loss(), "each backward needs a forward of its own");
        task(second).backward();
        assertArrayEquals(floats(weights), floats(z.grad()));
    }

    @Test
    void aSecondBackwardIsRefused() {
        Tensor objective = task(module.forward(z));
        objective.backward(new Tensor(), new BoolOptional(true), false, new TensorArrayRefOptional());
        assertRefused(objective, "each backward needs a forward of its own");
    }

    @Test
    void anInputChangedInPlaceIsRefused() {
        Tensor made = z.mul(new Scalar(2));
        QuantizedTensors q = module.forward(made);
        made.add_(new Scalar(1));
        assertRefused(task(q), "z was changed in place");
    }

    @Test
    void parametersChangedBeforeBackwardAreRefused() {
        QuantizedTensors q = module.forward(z);
        try (NoGradGuard noGradient = new NoGradGuard()) {
            codebook().mul_(new Scalar(2));
        }
        assertRefused(task(q), "parameter codebook was changed in place");
    }

    @Test
    void aStepOfTheLayersOwnOptimizerIsNoticed() {
        try (Optimizer optimizer = Optimizer.sgd(0.1)) {
            task(module.forward(z)).backward();
            optimizer.step(module.layer());
            QuantizedTensors q = module.forward(z);
            optimizer.step(module.layer());
            assertRefused(task(q), "parameter codebook was changed in place");
        }
    }

    @Test
    void aGradientThatIsNotFiniteIsRefusedAndChangesNothing() {
        QuantizedTensors q = module.forward(z);
        assertRefused(task(q).mul(new Scalar(Double.NaN)), "gradient");
        assertFalse(z.grad().defined());
        assertFalse(codebook().grad().defined());
        task(q).backward();
        assertArrayEquals(floats(weights), floats(z.grad()));
    }

    @Test
    void aFailedBackwardLeavesNothingOfItsLoss() {
        Tensor expected = layersGradient(weights, 0);
        QuantizedTensors q = module.forward(z);
        assertRefused(task(q).mul(new Scalar(Double.NaN)).add(q.loss()), "gradient");
        task(q).backward();
        assertSame(expected, z.grad());
    }

    @Test
    void backwardAfterCloseIsRefused() {
        Tensor objective = task(module.forward(z));
        module.close();
        assertRefused(objective, "no forward waits");
    }

    // ---- helpers -----------------------------------------------------------------------------------------------

    private static VectorQuantModule layer(long seed) {
        return new VectorQuantModule(VectorQuant.builder(4, 11)
                .beta(0.7)
                .syncNu(0.3)
                .seed(seed)
                .backend(Backend.cpu())
                .build());
    }

    private void forgetGradient() {
        z.mutable_grad().put(new Tensor());
    }

    private Tensor codebook() {
        return module.parameters().get(0);
    }

    private Tensor task(QuantizedTensors q) {
        return q.output().mul(weights).sum();
    }

    /** The gradient of z that the layer itself gives, without libtorch's graph. */
    private Tensor layersGradient(@Nullable Tensor gradOutput, double alpha) {
        io.github.vq4j.Tensor input = io.github.vq4j.Tensor.of(floats(z), SHAPE);
        module.layer().forward(input).close();
        try (Gradients gradients =
                module.layer().backward(gradOutput == null ? null : SharedMemory.floats(gradOutput), alpha)) {
            return SharedMemory.of(gradients.input()).clone();
        }
    }

    /** The gradient of the codebook that the last backward left in the layer. */
    private float[] layersCodebookGradient() {
        return module.layer().parameters().get(0).gradient().toFloatArray();
    }

    private static void assertSame(Tensor expected, Tensor actual) {
        assertArrayEquals(bits(floats(expected)), bits(floats(actual)));
    }

    private static void assertRefused(Tensor objective, String message) {
        RuntimeException refusal = assertThrows(
                RuntimeException.class,
                () -> objective.backward(new Tensor(), new BoolOptional(true), false, new TensorArrayRefOptional()));
        assertTrue(refusal.getMessage().contains(message), refusal.getMessage());
    }
}
