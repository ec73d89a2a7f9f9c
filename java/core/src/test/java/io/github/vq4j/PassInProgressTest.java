package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class PassInProgressTest {
    private static final Tensor Z = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 3, 2);

    /** A worker alone, whose forward stops until it may go on. */
    private static final class Held implements AllReduce {
        final CountDownLatch inside = new CountDownLatch(1);
        final CountDownLatch goOn = new CountDownLatch(1);

        @Override
        public int workers() {
            return 1;
        }

        @Override
        public void sum(long[] values) {
            inside.countDown();
            try {
                goOn.await();
            } catch (InterruptedException interrupted) {
                throw new IllegalStateException(interrupted);
            }
        }

        @Override
        public void max(long[] values) {
            sum(values);
        }
    }

    @Test
    void forwardsInInferenceWaitForOneAnother() {
        Random random = new Random(5);
        try (VectorQuant layer =
                VectorQuant.builder(8, 64).dim(-1).backend(Backend.cpu()).build()) {
            layer.eval();
            List<Tensor> batches = IntStream.range(0, 400)
                    .mapToObj(i -> {
                        float[] z = new float[16 * 8];
                        IntStream.range(0, z.length).forEach(n -> z[n] = (float) random.nextGaussian());
                        return Tensor.of(z, 16, 8);
                    })
                    .toList();
            batches.parallelStream().forEach(z -> {
                try (Quantized quantized = layer.forward(z);
                        Tensor expected = layer.encode(z)) {
                    assertArrayEquals(expected.toIntArray(), quantized.codes().toIntArray());
                }
            });
        }
    }

    @Test
    @Timeout(60)
    void aPassBesideAnotherOneIsRefusedAndTheOtherGoesOn() throws Exception {
        Held held = new Held();
        try (VectorQuant layer = VectorQuant.builder(2, 3)
                        .dim(-1)
                        .workers(held)
                        .backend(Backend.cpu())
                        .build();
                Tensor expected = layer.encode(Z)) {
            CompletableFuture<Quantized> forward = CompletableFuture.supplyAsync(() -> layer.forward(Z));
            held.inside.await();
            String message = assertThrows(IllegalStateException.class, () -> layer.forward(Z))
                    .getMessage();
            assertTrue(message.contains("another thread runs a forward or backward of this VectorQuant"), message);
            assertThrows(IllegalStateException.class, () -> layer.backward(null, 1));
            held.goOn.countDown();
            try (Quantized quantized = forward.get()) {
                assertArrayEquals(expected.toIntArray(), quantized.codes().toIntArray());
            }
            layer.backward(null, 1).close();
        }
    }
}
