package io.github.vq4j.torch;

import static io.github.vq4j.torch.Tensors.floats;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.Backend;
import io.github.vq4j.VectorQuant;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Input of 16 bits: as that of 32 bits, with output and gradient rounded. */
@SuppressWarnings("try") // Scopes are there to be closed.
class MixedPrecisionTest {
    @ParameterizedTest
    @EnumSource(
            value = ScalarType.class,
            names = {"Half", "BFloat16"})
    void theOutputAndTheGradientHaveTheTypeOfTheInput(ScalarType type) {
        try (PointerScope scope = new PointerScope();
                VectorQuantModule module = new VectorQuantModule(layer())) {
            torch.manual_seed(3);
            Tensor z = torch.randn(5, 4, 7).to(type).requires_grad_();
            Tensor floatZ = z.detach().to(ScalarType.Float).requires_grad_();
            Tensor weights = torch.randn(5, 4, 7).to(type);

            QuantizedTensors q = module.forward(z);
            q.output().mul(weights).sum().to(ScalarType.Float).add(q.loss()).backward();
            float[] codebookGradient = floats(module.parameters().get(0).grad());
            module.parameters().get(0).mutable_grad().put(new Tensor());
            QuantizedTensors expected = module.forward(floatZ);
            expected.output()
                    .mul(weights.to(ScalarType.Float))
                    .sum()
                    .add(expected.loss())
                    .backward();

            assertEquals(type, q.output().scalar_type().intern());
            assertEquals(ScalarType.Float, q.loss().scalar_type().intern());
            assertEquals(ScalarType.Float, q.distances().scalar_type().intern());
            assertTrue(torch.equal(expected.codes(), q.codes()));
            assertTrue(torch.equal(expected.output().to(type), q.output()));
            assertEquals(expected.loss().item_float(), q.loss().item_float());
            assertEquals(type, z.grad().scalar_type().intern());
            assertTrue(torch.equal(floatZ.grad().to(type), z.grad()));
            assertArrayEquals(floats(module.parameters().get(0).grad()), codebookGradient);
            assertTrue(torch.equal(q.codes(), module.encode(z)));
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = ScalarType.class,
            names = {"Half", "BFloat16"})
    void aModelOfSixteenBitsTrainsWithALayerOfThirtyTwo(ScalarType type) {
        try (PointerScope scope = new PointerScope()) {
            torch.manual_seed(4);
            Module model = new Module("model");
            LinearImpl encoder = model.register_module("encoder", new LinearImpl(6, 4));
            VectorQuantModule quantizer = model.register_module(
                    "quantizer",
                    new VectorQuantModule(VectorQuant.builder(4, 9)
                            .dim(-1)
                            .backend(Backend.cpu())
                            .build()));
            LinearImpl decoder = model.register_module("decoder", new LinearImpl(4, 6));
            model.to(type, false);
            assertEquals(type, encoder.weight().scalar_type().intern());
            assertEquals(
                    ScalarType.Float,
                    quantizer.parameters().get(0).scalar_type().intern());

            Tensor x = torch.randn(10, 6).to(type);
            QuantizedTensors q = quantizer.forward(encoder.forward(x));
            torch.mse_loss(decoder.forward(q.output()), x)
                    .to(ScalarType.Float)
                    .add(q.loss())
                    .backward();
            assertEquals(type, encoder.weight().grad().scalar_type().intern());
            assertTrue(quantizer.parameters().get(0).grad().defined());
            quantizer.close();
        }
    }

    private static VectorQuant layer() {
        return VectorQuant.builder(4, 9).backend(Backend.cpu()).build();
    }
}
