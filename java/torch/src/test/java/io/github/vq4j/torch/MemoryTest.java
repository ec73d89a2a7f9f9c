package io.github.vq4j.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.github.vq4j.Backend;
import io.github.vq4j.ResidualVectorQuant;
import io.github.vq4j.VectorQuant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/**
 * Memory over many steps. A forgotten tensor of 64 KiB a step makes every window of steps grow by 16 MiB; the
 * allocators of libtorch grow too, but not in every window, so one level window tells the two apart.
 */
@SuppressWarnings("try") // Scopes are there to be closed.
class MemoryTest {
    private static final int WINDOWS = 10;
    private static final int STEPS = 250;
    private static final long ROOM = 8L << 20;

    @Test
    void stepsInAScopeLeaveNothing() {
        try (VectorQuantModule module = module()) {
            staysLevel(() -> {
                try (PointerScope scope = new PointerScope()) {
                    step(module, torch.randn(16, 16, 8, 8).requires_grad_());
                }
            });
        }
    }

    @Test
    void aParameterOfLibtorchOutlivesItsModule() throws InterruptedException {
        List<float[]> values = new ArrayList<>();
        List<Tensor> codebooks = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            codebooks.add(codebookOfForgottenModule(values));
        }
        for (int round = 0; round < 10; round++) {
            System.gc();
            Thread.sleep(10);
            for (int i = 0; i < 20; i++) {
                // What is given back would be taken again, and written to.
                VectorQuant.builder(64, 64).seed(round).backend(Backend.cpu()).build();
            }
        }
        for (int i = 0; i < codebooks.size(); i++) {
            assertArrayEquals(values.get(i), Tensors.floats(codebooks.get(i)), "codebook " + i);
        }
    }

    private static Tensor codebookOfForgottenModule(List<float[]> values) {
        VectorQuant layer =
                VectorQuant.builder(64, 64).seed(7).backend(Backend.cpu()).build();
        values.add(layer.codebook().toFloatArray());
        return new Tensor(new VectorQuantModule(layer).named_parameters().get("codebook"));
    }

    @Test
    void forwardsWithoutBackwardLeaveNothing() {
        try (VectorQuantModule module = module()) {
            staysLevel(() -> {
                try (PointerScope scope = new PointerScope()) {
                    module.forward(torch.randn(16, 16, 8, 8).requires_grad_());
                }
            });
        }
    }

    @Test
    void closedHandlesLeaveNothingWithoutAScope() {
        try (VectorQuantModule module = module()) {
            staysLevel(() -> {
                try (Tensor z = torch.randn(16, 16, 8, 8);
                        Tensor leaf = z.requires_grad_();
                        QuantizedTensors q = module.forward(leaf);
                        Tensor task = q.output().sum();
                        Tensor objective = task.add(q.loss())) {
                    objective.backward();
                }
            });
        }
    }

    @Test
    void maskedStepsOfSixteenBitsWithoutAScopeLeaveNothing() {
        try (VectorQuantModule module = new VectorQuantModule(ResidualVectorQuant.builder(16, 32, 2)
                        .ema(0.9)
                        .backend(Backend.cpu())
                        .build());
                Tensor ones = torch.ones(16, 8, 8);
                Tensor mask = ones.to(ScalarType.Bool)) {
            staysLevel(() -> {
                try (Tensor z = torch.randn(16, 16, 8, 8);
                        Tensor half = z.to(ScalarType.BFloat16);
                        Tensor leaf = half.requires_grad_();
                        QuantizedTensors q = module.forward(leaf, mask);
                        Tensor task = q.output().sum();
                        Tensor objective = task.add(q.loss())) {
                    objective.backward();
                    module.encode(half, mask).close();
                }
            });
        }
    }

    @Test
    void statesThatAreClosedLeaveNothing() {
        try (VectorQuantModule module = module()) {
            staysLevel(() -> {
                Map<String, Tensor> state = module.stateDict();
                module.loadStateDict(state);
                state.values().forEach(Tensor::close);
            });
        }
    }

    @Test
    void modulesThatAreClosedLeaveNothing() {
        staysLevel(() -> {
            try (PointerScope scope = new PointerScope();
                    VectorQuantModule module = module()) {
                step(module, torch.randn(16, 16, 8, 8).requires_grad_());
            }
        });
    }

    private static VectorQuantModule module() {
        return new VectorQuantModule(
                VectorQuant.builder(16, 32).affineLr(1).backend(Backend.cpu()).build());
    }

    private static void step(VectorQuantModule module, Tensor z) {
        QuantizedTensors q = module.forward(z);
        q.output().square().sum().add(q.loss()).backward();
        assertTrue(z.grad().defined());
    }

    private static void staysLevel(Runnable step) {
        List<Long> grown = new ArrayList<>();
        for (int window = 0; window < WINDOWS; window++) {
            long before = Pointer.physicalBytes();
            for (int i = 0; i < STEPS; i++) {
                step.run();
            }
            grown.add(Pointer.physicalBytes() - before);
            if (grown.get(window) < ROOM) {
                return;
            }
        }
        fail("every window of " + STEPS + " steps grew, by bytes: " + grown);
    }
}
