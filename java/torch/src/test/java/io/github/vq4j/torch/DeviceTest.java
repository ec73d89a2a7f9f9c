package io.github.vq4j.torch;

import static io.github.vq4j.torch.Tensors.floats;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.Backend;
import io.github.vq4j.FiniteScalarQuant;
import io.github.vq4j.Quantizer;
import io.github.vq4j.VectorQuant;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Moves between devices, as far as a machine without CUDA has them. */
class DeviceTest {
    private PointerScope scope;
    private VectorQuantModule module;
    private Module parent;

    @BeforeEach
    void makeLayer() {
        scope = new PointerScope();
        module = new VectorQuantModule(
                VectorQuant.builder(4, 9).affineLr(1).backend(Backend.cpu()).build());
        parent = new Module("parent");
        parent.register_module("quantizer", module);
        torch.manual_seed(5);
    }

    @AfterEach
    void close() {
        module.close();
        scope.close();
    }

    @Test
    void aMoveToWhereTheLayerIsChangesNothing() {
        Quantizer layer = module.layer();
        Tensor z = torch.randn(6, 4).requires_grad_();
        QuantizedTensors q = module.forward(z);
        module.to(new Device("cpu"), false);
        parent.to(new Device("cpu"), false);
        module.to(new Device("cpu"), ScalarType.Float, false);
        assertSame(layer, module.layer());
        q.output().sum().backward();
        assertArrayEquals(floats(torch.ones(6, 4)), floats(z.grad()));
    }

    /** What a move does, from the CPU to the CPU. */
    @Test
    void aMovedLayerHasTheValuesAndTheModuleItsMemory() {
        Tensor z = torch.randn(6, 4);
        QuantizedTensors before = module.forward(z);
        before.loss().backward();
        Quantizer old = module.layer();
        module.move(Backend.cpu());
        assertThrows(IllegalStateException.class, old::state);
        List<Tensor> parameters = List.of(module.parameters().get());
        for (int i = 0; i < parameters.size(); i++) {
            assertEquals(
                    module.layer().parameters().get(i).value().address(),
                    parameters.get(i).data_ptr().address());
            assertFalse(parameters.get(i).grad().defined());
        }
        QuantizedTensors after = module.forward(z);
        assertArrayEquals(floats(before.output()), floats(after.output()));
        after.loss().backward();
        assertArrayEquals(
                module.layer().parameters().get(0).gradient().toFloatArray(),
                floats(module.parameters().get(0).grad()));
    }

    @Test
    void aMoveToADeviceThatIsNotThereIsRefusedAndChangesNothing() {
        Quantizer layer = module.layer();
        refused(new Device("meta"), "need device cpu or cuda, got meta");
        if (!torch.hasCUDA()) {
            refused(new Device("cuda:1"), "need a libtorch with CUDA for device cuda:1, got one without");
        }
        assertSame(layer, module.layer());
        assertTrue(module.forward(torch.randn(6, 4)).output().defined());
    }

    @Test
    void typesOfThirtyTwoBitsAndLessLeaveTheLayerAndOthersAreRefused() {
        parent.to(ScalarType.BFloat16, false);
        assertTrue(module.parameters().get(0).scalar_type().intern() == ScalarType.Float);
        String message = assertThrows(IllegalArgumentException.class, () -> module.to(ScalarType.Double, false))
                .getMessage();
        assertTrue(message.startsWith("need a module of dtype Float, Half or BFloat16, got Double"), message);
        RuntimeException byParent = assertThrows(RuntimeException.class, () -> parent.to(ScalarType.Double, false));
        assertTrue(byParent.getMessage().contains("got Double"), byParent.getMessage());
    }

    @Test
    void quantizersWithoutACodebookMoveToo() {
        try (CodebookFreeModule free = new CodebookFreeModule(
                FiniteScalarQuant.builder(5, 4).dim(-1).backend(Backend.cpu()).build())) {
            Tensor z = torch.randn(6, 2);
            Tensor codes = free.encode(z);
            free.to(new Device("cpu"), false);
            free.move(Backend.cpu());
            assertTrue(torch.equal(codes, free.encode(z)));
        }
    }

    private void refused(Device device, String part) {
        String message = assertThrows(IllegalArgumentException.class, () -> module.to(device, false))
                .getMessage();
        assertTrue(message.contains(part), message);
    }
}
