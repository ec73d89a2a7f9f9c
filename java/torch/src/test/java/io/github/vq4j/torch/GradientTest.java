package io.github.vq4j.torch;

import static io.github.vq4j.torch.Tensors.assertClose;
import static io.github.vq4j.torch.Tensors.bits;
import static io.github.vq4j.torch.Tensors.codes;
import static io.github.vq4j.torch.Tensors.floats;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.vq4j.CodebookNorm;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The module's values and gradients against the same layer in libtorch's own operations. */
@SuppressWarnings("try") // Scopes are there to be closed.
class GradientTest {
    private static final double TOLERANCE = 2e-5;

    static Stream<LayerCase> cases() {
        return LongStream.range(0, 60).mapToObj(LayerCase::random);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void gradientsAreThoseOfLibtorchsAutograd(LayerCase options) {
        try (PointerScope scope = new PointerScope();
                VectorQuantModule module = options.module()) {
            PlainLayer plain = PlainLayer.like(module, options);
            Tensor z = torch.randn(options.shape()).requires_grad_();
            Tensor plainZ = z.detach().clone().requires_grad_();
            Tensor weights = torch.randn(options.shape());

            QuantizedTensors q = module.forward(z);
            objective(q.output(), q.loss(), weights, options.alpha()).backward();
            PlainLayer.Result expected = plain.forward(plainZ, q.codes());
            objective(expected.output(), expected.loss(), weights, options.alpha())
                    .backward();

            assertEquals(
                    expected.loss().item_float(),
                    q.loss().item_float(),
                    1e-5 * (1 + q.loss().item_float()));
            assertClose(expected.output(), q.output(), TOLERANCE, "output");
            assertClose(plainZ.grad(), z.grad(), TOLERANCE, "gradient of z");
            List<Tensor> parameters = List.of(module.parameters().get());
            for (int i = 0; i < parameters.size(); i++) {
                Tensor gradient = parameters.get(i).grad();
                assertClose(plain.parameters().get(i).grad(), gradient, TOLERANCE, "gradient of parameter " + i);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void outputIsTheEffectiveCodeBitForBit(LayerCase options) {
        try (PointerScope scope = new PointerScope();
                VectorQuantModule module = options.module()) {
            // A training forward stores projected codes, and those rounded again are others.
            module.train(options.codebookNorm() == CodebookNorm.NONE);
            Tensor z = torch.randn(options.shape()).requires_grad_();
            QuantizedTensors q = module.forward(z);
            int[] codes = codes(q.codes());
            float[] effective = module.layer().effectiveCodebook(0).toFloatArray();
            float[] rows = floats(q.output().movedim(options.dim(), -1));
            int features = options.features();
            float[] expected = new float[rows.length];
            for (int n = 0; n < codes.length; n++) {
                System.arraycopy(effective, codes[n] * features, expected, n * features, features);
            }
            assertArrayEquals(bits(expected), bits(rows));
        }
    }

    /** Not linear in the output, so that its gradient depends on it. */
    private static Tensor objective(Tensor output, Tensor loss, Tensor weights, double alpha) {
        return output.mul(weights).tanh().sum().add(loss.mul(new Scalar(alpha)));
    }
}
