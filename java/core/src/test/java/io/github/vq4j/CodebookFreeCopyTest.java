package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** Copies of quantizers without a codebook, on every backend. */
class CodebookFreeCopyTest {
    @Test
    void aCopyOfFiniteScalarsGivesTheSame() {
        Tensor z = input(3);
        for (Backend backend : Backends.all()) {
            try (FiniteScalarQuant layer =
                            FiniteScalarQuant.builder(8, 5, 4).dim(-1).build().eval();
                    FiniteScalarQuant copy = layer.copy(backend);
                    FiniteScalarQuantized expected = layer.forward(z);
                    FiniteScalarQuantized actual = copy.forward(z)) {
                assertEquals(backend, copy.backend());
                assertFalse(copy.isTraining());
                assertArrayEquals(expected.codes().toIntArray(), actual.codes().toIntArray());
            }
        }
    }

    @Test
    void aCopyOfBitsHasTheSameLossAndGradient() {
        Tensor z = input(6);
        for (Backend backend : Backends.all()) {
            try (LookupFreeQuant layer = LookupFreeQuant.builder(6)
                            .dim(-1)
                            .spherical(true)
                            .inverseTemperature(3)
                            .commitmentWeight(0.5)
                            .entropyWeight(0.7)
                            .diversityGamma(2)
                            .build();
                    LookupFreeQuant copy = layer.copy(backend);
                    LookupFreeQuantized expected = layer.forward(z);
                    LookupFreeQuantized actual = copy.forward(z);
                    Gradients expectedGradients = layer.backward(null, 1.5);
                    Gradients actualGradients = copy.backward(null, 1.5)) {
                assertEquals(backend, copy.backend());
                assertEquals(expected.loss(), actual.loss());
                assertArrayEquals(
                        expectedGradients.input().toFloatArray(),
                        actualGradients.input().toFloatArray());
            }
        }
    }

    private static Tensor input(int features) {
        Random random = new Random(4);
        float[] values = new float[30 * features];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, 30, features);
    }
}
