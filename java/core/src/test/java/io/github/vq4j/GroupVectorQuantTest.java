package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A group layer is a {@link VectorQuant} for every group. Powers of two as sizes keep the means exact, so that the
 * comparison is bit for bit.
 */
class GroupVectorQuantTest {
    private static final int ROWS = 64;
    private static final int FEATURES = 16;
    private static final int GROUPS = 4;
    private static final int WIDTH = FEATURES / GROUPS;
    private static final int CODES = 32;
    private static final double ALPHA = 4;

    static List<Backend> backends() {
        return Backends.all();
    }

    static Stream<Arguments> cases() {
        return backends().stream()
                .flatMap(backend -> Stream.of(GradientEstimator.values()).map(each -> Arguments.of(backend, each)));
    }

    /** What both kinds of layer get. */
    private static void options(QuantizerBuilder<?> builder, GradientEstimator estimator) {
        double nu = estimator == GradientEstimator.DIVEQ ? 0 : 0.5;
        builder.dim(-1).beta(0.75).syncNu(nu).affineLr(2).affineGroups(2).gradientEstimator(estimator);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void groupsWithCodebooksOfTheirOwnAreLayersOfTheirOwn(Backend backend, GradientEstimator estimator) {
        float[] z = normal(1, ROWS * FEATURES);
        float[] g = normal(2, ROWS * FEATURES);
        GroupVectorQuant.Builder builder = GroupVectorQuant.builder(FEATURES, CODES, GROUPS);
        options(builder, estimator);
        try (GroupVectorQuant layer = builder.backend(backend).build();
                Quantized q = layer.forward(Tensor.of(z, ROWS, FEATURES));
                Gradients gradients = layer.backward(Tensor.of(g, ROWS, FEATURES), ALPHA)) {
            assertArrayEquals(new long[] {ROWS, GROUPS}, q.codes().shape());
            double loss = 0;
            for (int group = 0; group < GROUPS; group++) {
                VectorQuant.Builder own = VectorQuant.builder(WIDTH, CODES / GROUPS);
                options(own, estimator);
                try (VectorQuant single = own.backend(backend).build()) {
                    single.setCodebook(layer.codebook(group));
                    try (Quantized part = single.forward(Tensor.of(slice(z, group), ROWS, WIDTH));
                            Gradients ofPart =
                                    single.backward(Tensor.of(slice(g, group), ROWS, WIDTH), ALPHA / GROUPS)) {
                        assertArrayEquals(
                                part.output().toFloatArray(), slice(q.output().toFloatArray(), group));
                        assertArrayEquals(
                                ofPart.input().toFloatArray(),
                                slice(gradients.input().toFloatArray(), group));
                        int[] codes = part.codes().toIntArray();
                        float[] distances = part.distances().toFloatArray();
                        for (int n = 0; n < ROWS; n++) {
                            int at = n * GROUPS + group;
                            assertEquals(
                                    codes[n] + group * CODES / GROUPS, q.codes().toIntArray()[at]);
                            assertEquals(distances[n], q.distances().toFloatArray()[at]);
                        }
                        loss += part.loss() / GROUPS;
                        for (String name : List.of("codebook", "affine.scale", "affine.bias")) {
                            assertArrayEquals(
                                    Backends.parameter(single, name).gradient().toFloatArray(),
                                    Backends.parameter(layer, group + "." + name)
                                            .gradient()
                                            .toFloatArray(),
                                    name);
                        }
                    }
                }
            }
            assertEquals(loss, q.loss());
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void groupsThatShareACodebookAreRowsOfOneLayer(Backend backend, GradientEstimator estimator) {
        float[] z = normal(3, ROWS * FEATURES);
        float[] g = normal(4, ROWS * FEATURES);
        GroupVectorQuant.Builder builder =
                GroupVectorQuant.builder(FEATURES, CODES, GROUPS).share(true);
        options(builder, estimator);
        VectorQuant.Builder own = VectorQuant.builder(WIDTH, CODES);
        options(own, estimator);
        try (GroupVectorQuant layer = builder.backend(backend).build();
                VectorQuant single = own.backend(backend).build()) {
            single.setCodebook(layer.codebook(0));
            try (Quantized q = layer.forward(Tensor.of(z, ROWS, FEATURES));
                    Quantized s = single.forward(Tensor.of(z, ROWS * GROUPS, WIDTH));
                    Gradients ofLayer = layer.backward(Tensor.of(g, ROWS, FEATURES), ALPHA);
                    Gradients ofSingle = single.backward(Tensor.of(g, ROWS * GROUPS, WIDTH), ALPHA)) {
                assertArrayEquals(s.output().toFloatArray(), q.output().toFloatArray());
                assertArrayEquals(s.codes().toIntArray(), q.codes().toIntArray());
                assertEquals(s.loss(), q.loss());
                assertEquals(s.perplexity(), q.perplexity());
                assertArrayEquals(
                        ofSingle.input().toFloatArray(), ofLayer.input().toFloatArray());
                for (Parameter parameter : single.parameters()) {
                    assertArrayEquals(
                            parameter.gradient().toFloatArray(),
                            Backends.parameter(layer, parameter.name())
                                    .gradient()
                                    .toFloatArray(),
                            parameter.name());
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void channelsFirstGivesTheSameBits(Backend backend, GradientEstimator estimator) {
        int images = 4;
        int pixels = 9;
        float[] rows = normal(5, images * pixels * FEATURES);
        float[] g = normal(6, rows.length);
        for (boolean share : new boolean[] {false, true}) {
            try (GroupVectorQuant last = layer(share, -1, estimator, backend);
                    GroupVectorQuant first = layer(share, 1, estimator, backend)) {
                try (Quantized a = last.forward(Tensor.of(rows, images, pixels, FEATURES));
                        Quantized b = first.forward(
                                Tensor.of(swapped(rows, images, pixels, FEATURES), images, FEATURES, pixels));
                        Gradients ofLast = last.backward(Tensor.of(g, images, pixels, FEATURES), ALPHA);
                        Gradients ofFirst = first.backward(
                                Tensor.of(swapped(g, images, pixels, FEATURES), images, FEATURES, pixels), ALPHA)) {
                    assertArrayEquals(
                            new long[] {images, GROUPS, pixels}, b.codes().shape());
                    assertArrayEquals(
                            swapped(a.output().toFloatArray(), images, pixels, FEATURES),
                            b.output().toFloatArray());
                    assertArrayEquals(
                            swapped(ofLast.input().toFloatArray(), images, pixels, FEATURES),
                            ofFirst.input().toFloatArray());
                    if (!share) {
                        // A shared codebook sums its rows in the order in which they lie.
                        assertArrayEquals(
                                last.parameters().get(0).gradient().toFloatArray(),
                                first.parameters().get(0).gradient().toFloatArray());
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void decodeGivesTheOutputBackBitForBit(Backend backend) {
        for (boolean share : new boolean[] {false, true}) {
            try (GroupVectorQuant layer = layer(share, 1, GradientEstimator.STRAIGHT_THROUGH, backend)) {
                layer.eval();
                Tensor z = Tensor.of(normal(7, 3 * FEATURES * 5), 3, FEATURES, 5);
                try (Quantized q = layer.forward(z);
                        Tensor codes = layer.encode(z);
                        Tensor decoded = layer.decode(codes)) {
                    assertArrayEquals(q.codes().toIntArray(), codes.toIntArray());
                    assertArrayEquals(q.output().shape(), decoded.shape());
                    assertArrayEquals(q.output().toFloatArray(), decoded.toFloatArray());
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void decodeWritesIntoMemoryOfTheCallers(Backend backend) {
        for (boolean share : new boolean[] {false, true}) {
            try (GroupVectorQuant layer = layer(share, 1, GradientEstimator.STRAIGHT_THROUGH, backend)) {
                Tensor z = Tensor.of(normal(7, 3 * FEATURES * 5), 3, FEATURES, 5);
                float[] memory = new float[3 * FEATURES * 5];
                try (Tensor codes = layer.encode(z);
                        Tensor decoded = layer.decode(codes)) {
                    layer.decode(codes, Tensor.of(memory, 3, FEATURES, 5));
                    assertArrayEquals(decoded.toFloatArray(), memory);
                    refused(
                            () -> layer.decode(codes, Tensor.of(memory, 3, 5, FEATURES)),
                            "output of shape [3, " + FEATURES + ", 5]",
                            "[3, 5, " + FEATURES + "]");
                    refused(() -> layer.decode(codes, codes), "output of type FLOAT32", "INT32");
                    int[] masked = codes.toIntArray();
                    masked[5] = -1;
                    refused(() -> layer.decode(Tensor.of(masked, codes.shape())), "code -1", "out of range");
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void everyGroupStartsFromItsOwnSubVectorsAndReplacesByThem(Backend backend) {
        // Group g holds values around 100 g: a code of another group would be far away.
        float[] z = normal(8, ROWS * FEATURES);
        for (int i = 0; i < z.length; i++) {
            z[i] += 100 * (i % FEATURES / WIDTH);
        }
        try (GroupVectorQuant layer = GroupVectorQuant.builder(FEATURES, CODES, GROUPS)
                .dim(-1)
                .kmeansInit(true)
                .replaceFreq(1)
                .backend(backend)
                .build()) {
            for (int step = 0; step < 3; step++) {
                layer.forward(Tensor.of(z, ROWS, FEATURES)).close();
                for (int group = 0; group < GROUPS; group++) {
                    for (float value : layer.codebook(group).toFloatArray()) {
                        assertEquals(100 * group, value, 40, "step " + step + ", group " + group);
                    }
                }
            }
            layer.setCodebook(2, Tensor.of(new float[CODES / GROUPS * WIDTH], CODES / GROUPS, WIDTH));
            try (Quantized q = layer.forward(Tensor.of(z, ROWS, FEATURES))) {
                int[] replaced = layer.replacedCodes();
                assertEquals(q.replacedCodes(), replaced.length);
                // All rows of group 2 take its first code, so that the others are replaced.
                assertTrue(replaced.length >= CODES / GROUPS - 1);
                for (int code = 2 * CODES / GROUPS + 1; code < 3 * CODES / GROUPS; code++) {
                    int wanted = code;
                    assertTrue(Arrays.stream(replaced).anyMatch(each -> each == wanted), "code " + code);
                }
            }
        }
    }

    @Test
    void optionsThatDoNotDivideAreRefused() {
        refused(() -> GroupVectorQuant.builder(16, 32, 3).build(), "groups", "featureSize = 16", "3");
        refused(() -> GroupVectorQuant.builder(16, 30, 4).build(), "groups", "numCodes = 30", "4");
        refused(() -> GroupVectorQuant.builder(16, 32, 4).affineGroups(3).build(), "affineGroups", "8", "3");
        refused(() -> GroupVectorQuant.builder(16, 32, 0), "groups", "0");
        GroupVectorQuant.builder(16, 30, 4)
                .share(true)
                .backend(Backend.cpu())
                .build()
                .close();
    }

    @Test
    void codesOfAnotherNumberOfGroupsAreRefused() {
        try (GroupVectorQuant layer = layer(false, 1, GradientEstimator.STRAIGHT_THROUGH, Backend.cpu())) {
            refused(() -> layer.decode(Tensor.of(new int[6], 2, 3)), "4 codes of a row", "[2, 3]");
            refused(
                    () -> layer.decode(Tensor.of(new int[] {0, 16, 16, 24}, 1, 4)),
                    "code 16 at position 1",
                    "out of range");
            refused(() -> layer.setCodebook(4, Tensor.of(new float[1], 1, 1)), "codebook < 4", "4");
        }
    }

    private static GroupVectorQuant layer(boolean share, int dim, GradientEstimator estimator, Backend backend) {
        GroupVectorQuant.Builder builder = GroupVectorQuant.builder(FEATURES, CODES, GROUPS);
        options(builder, estimator);
        return builder.share(share).dim(dim).backend(backend).build();
    }

    static void refused(Runnable call, String... parts) {
        IllegalArgumentException failure = assertThrows(IllegalArgumentException.class, call::run);
        for (String part : parts) {
            assertTrue(failure.getMessage().contains(part), "\"" + part + "\" in: " + failure.getMessage());
        }
    }

    private static float[] slice(float[] rows, int group) {
        float[] part = new float[rows.length / GROUPS];
        for (int n = 0; n < rows.length / FEATURES; n++) {
            System.arraycopy(rows, n * FEATURES + group * WIDTH, part, n * WIDTH, WIDTH);
        }
        return part;
    }

    /** B x P x D to B x D x P. */
    static float[] swapped(float[] values, int images, int pixels, int features) {
        float[] result = new float[values.length];
        for (int b = 0; b < images; b++) {
            for (int p = 0; p < pixels; p++) {
                for (int d = 0; d < features; d++) {
                    result[(b * features + d) * pixels + p] = values[(b * pixels + p) * features + d];
                }
            }
        }
        return result;
    }

    static float[] normal(long seed, int count) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
