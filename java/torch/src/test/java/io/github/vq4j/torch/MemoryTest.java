package io.github.vq4j.torch;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.Backend;
import io.github.vq4j.VectorQuant;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/** Memory over many steps. One forgotten tensor a step would be 160 MiB in all; the Java heap may grow a little. */
@SuppressWarnings("try") // Scopes are there to be closed.
class MemoryTest {
    private static final int STEPS = 2500;
    private static final long ROOM = 64L << 20;

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
    void modulesThatAreClosedLeaveNothing() {
        staysLevel(() -> {
            try (PointerScope scope = new PointerScope();
                    VectorQuantModule module = module()) {
                step(module, torch.randn(4, 16).requires_grad_());
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
        for (int i = 0; i < STEPS / 5; i++) {
            step.run();
        }
        long before = Pointer.physicalBytes();
        for (int i = 0; i < STEPS; i++) {
            step.run();
        }
        long grown = Pointer.physicalBytes() - before;
        assertTrue(grown < ROOM, grown + " bytes after " + STEPS + " steps");
    }
}
