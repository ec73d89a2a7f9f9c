package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class CodePackingTest {
    @Test
    void aCodeTakesTheBitsThatItsCodebookNeeds() {
        int[][] expected = {
            {1, 1}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {1000, 10}, {1024, 10}, {1025, 11}, {Integer.MAX_VALUE, 31}
        };
        for (int[] pair : expected) {
            assertEquals(pair[1], CodePacking.of(pair[0]).bitsOfCode(), pair[0] + " codes");
        }
        assertEquals(4, CodePacking.of(1000).bytes(3));
        assertEquals(1, CodePacking.of(1000).words(3));
        assertEquals((1L << 60) / 8 * 31, CodePacking.of(Integer.MAX_VALUE).bytes(1L << 60));
        assertEquals(31, CodePacking.of(1L << 31).bitsOfCode());
        assertThrows(IllegalArgumentException.class, () -> CodePacking.of(0));
        assertThrows(IllegalArgumentException.class, () -> CodePacking.of((1L << 31) + 1));
    }

    @Test
    void theStreamIsOneLittleEndianNumber() {
        for (int numCodes : new int[] {1, 2, 3, 100, 1000, 65_536, Integer.MAX_VALUE}) {
            CodePacking packing = CodePacking.of(numCodes);
            for (int count : new int[] {1, 7, 8, 9, 33, 1001}) {
                int[] codes = random(count, numCodes);
                byte[] packed = packing.pack(Tensor.of(codes, count));
                BigInteger stream = BigInteger.ZERO;
                for (int i = count - 1; i >= 0; i--) {
                    stream = stream.shiftLeft(packing.bitsOfCode()).or(BigInteger.valueOf(codes[i]));
                }
                assertEquals(packing.bytes(count), packed.length);
                assertEquals(stream, new BigInteger(1, reversed(packed)));
                assertArrayEquals(codes, packing.unpack(packed, count).toIntArray());
            }
        }
    }

    @Test
    void everyKindOfTensorIsPacked() {
        CodePacking packing = CodePacking.of(777);
        int[] codes = random(60, 777);
        byte[] expected = packing.pack(Tensor.of(codes, 60));
        for (Backend backend : Backends.all()) {
            try (Tensor there = Tensor.allocate(backend.kernels(), DataType.INT32, 3, 4, 5);
                    Tensor words = Tensor.allocate(backend.kernels(), DataType.INT32, packing.words(60));
                    Tensor back = Tensor.allocate(backend.kernels(), DataType.INT32, 60)) {
                backend.kernels().write(codes, there.ints());
                assertArrayEquals(expected, packing.pack(there));
                packing.pack(there, words);
                packing.unpack(words, back);
                assertArrayEquals(codes, back.toIntArray());
                int[] onHeap = new int[(int) packing.words(60)];
                packing.pack(there, Tensor.of(onHeap, onHeap.length));
                assertArrayEquals(words.toIntArray(), onHeap);
            }
        }
        assertEquals(0, packing.pack(Tensor.of(new int[0], 0)).length);
        assertEquals(0, packing.unpack(new byte[0], 4, 0).size());
    }

    @Test
    void codesOfALayerComeBack() {
        for (QuantizerBuilder<?> builder : new QuantizerBuilder<?>[] {
            VectorQuant.builder(32, 100),
            GroupVectorQuant.builder(32, 400, 4),
            GroupVectorQuant.builder(32, 100, 4).share(true),
            ResidualVectorQuant.builder(32, 300, 3).dim(-2),
            ResidualVectorQuant.builder(32, 100, 3).share(true)
        }) {
            try (Quantizer layer = builder.backend(Backend.cpu()).build();
                    FrozenQuantizer frozen = layer.freeze();
                    Tensor codes = frozen.encode(TrainedLayer.batch(1))) {
                assertEquals(7, layer.packing().bitsOfCode(), layer + " has codebooks of 100 codes");
                byte[] packed = frozen.packing().pack(codes);
                assertEquals((codes.size() * 7 + 7) / 8, packed.length);
                assertArrayEquals(
                        codes.toIntArray(),
                        layer.packing().unpack(packed, codes.shape()).toIntArray());
            }
        }
    }

    @Test
    void codesWithoutACodebookComeBack() {
        try (FiniteScalarQuant layer = FiniteScalarQuant.builder(8, 5, 5, 5)
                .dim(-1)
                .backend(Backend.cpu())
                .build()) {
            int[] codes = layer.encode(Tensor.of(Arrays.copyOf(TrainedLayer.normal(4), 400), 100, 4))
                    .toIntArray();
            byte[] packed = layer.packing().pack(Tensor.of(codes, 100));
            assertEquals(125, packed.length);
            assertArrayEquals(codes, layer.packing().unpack(packed, 100).toIntArray());
        }
    }

    @Test
    void codesOutOfRangeAreNamed() {
        CodePacking packing = CodePacking.of(5);
        assertTrue(refused(() -> packing.pack(Tensor.of(new int[] {0, 5, -1}, 3)))
                .contains("code 5 at position 1 is out of range; need 0 <= code < 5"));
        assertTrue(
                refused(() -> packing.pack(Tensor.of(new int[] {0, 4, -1}, 3))).contains("code -1 at position 2"));
        assertTrue(refused(() -> packing.unpack(new byte[] {(byte) 0xff}, 2)).contains("code 7 at position 0"));
        try (Quantizer layer =
                GroupVectorQuant.builder(32, 40, 4).backend(Backend.cpu()).build()) {
            assertTrue(refused(() -> layer.packing().pack(Tensor.of(new int[] {9, 10, 20, 29}, 1, 4)))
                    .contains("code 29 at position 3 is out of range; need 30 <= code < 40"));
            assertTrue(refused(() -> layer.packing().pack(Tensor.of(new int[5], 1, 5)))
                    .contains("need codes of at most 4 codebooks on axis 1, got"));
        }
    }

    @Test
    void bytesThatDoNotFitTheShapeAreRefused() {
        CodePacking packing = CodePacking.of(1000);
        for (int size : new int[] {0, 3, 5}) {
            assertTrue(refused(() -> packing.unpack(new byte[size], 3))
                    .contains("need 4 bytes for codes of shape [3] at 10 bits each, got " + size));
        }
        assertTrue(refused(() -> packing.unpack(new byte[3], 1L << 50)).contains("got 3"));
        assertTrue(refused(() -> packing.pack(Tensor.of(new int[4], 4), Tensor.of(new int[1], 1)))
                .contains("need 2 words"));
        assertTrue(refused(() -> packing.pack(Tensor.of(new float[4], 4))).contains("of type INT32"));
    }

    private static String refused(Executable call) {
        return assertThrows(IllegalArgumentException.class, call).getMessage();
    }

    private static int[] random(int count, int numCodes) {
        return new Random(count).ints(count, 0, numCodes).toArray();
    }

    private static byte[] reversed(byte[] bytes) {
        byte[] reversed = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            reversed[i] = bytes[bytes.length - 1 - i];
        }
        return reversed;
    }
}
