package io.github.vq4j;

import static io.github.vq4j.GroupVectorQuantTest.normal;
import static io.github.vq4j.GroupVectorQuantTest.refused;
import static io.github.vq4j.GroupVectorQuantTest.swapped;
import static io.github.vq4j.ResidualVectorQuantTest.BETA;
import static io.github.vq4j.ResidualVectorQuantTest.CODES;
import static io.github.vq4j.ResidualVectorQuantTest.FEATURES;
import static io.github.vq4j.ResidualVectorQuantTest.RATE;
import static io.github.vq4j.ResidualVectorQuantTest.ROWS;
import static io.github.vq4j.ResidualVectorQuantTest.STAGES;
import static io.github.vq4j.ResidualVectorQuantTest.followsTheFormulas;
import static io.github.vq4j.ResidualVectorQuantTest.gradient;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.internal.CpuKernels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What a residual layer does with its stages: quantizer dropout, beam search, the first stages alone. */
class ResidualStagesTest {
    static List<Backend> backends() {
        return Backends.all();
    }

    /** Backend, share, stage losses, dropout by sample, beam width, estimator. */
    static Stream<Arguments> cases() {
        return backends().stream()
                .flatMap(backend -> Stream.of(
                        Arguments.of(backend, false, false, true, 1, GradientEstimator.STRAIGHT_THROUGH),
                        Arguments.of(backend, false, true, true, 1, GradientEstimator.ROTATION),
                        Arguments.of(backend, true, false, true, 1, GradientEstimator.DIVEQ),
                        Arguments.of(backend, true, true, true, 1, GradientEstimator.STRAIGHT_THROUGH),
                        Arguments.of(backend, false, false, false, 1, GradientEstimator.DIVEQ),
                        Arguments.of(backend, true, true, false, 1, GradientEstimator.STRAIGHT_THROUGH),
                        Arguments.of(backend, false, false, true, 3, GradientEstimator.STRAIGHT_THROUGH),
                        Arguments.of(backend, true, true, true, 4, GradientEstimator.ROTATION)));
    }

    /** Backend, share. */
    static Stream<Arguments> shared() {
        return backends().stream()
                .flatMap(backend -> Stream.of(Arguments.of(backend, false), Arguments.of(backend, true)));
    }

    private static ResidualVectorQuant.Builder builder(Backend backend) {
        return ResidualVectorQuant.builder(FEATURES, CODES, STAGES).dim(-1).backend(backend);
    }

    // ---- dropout -----------------------------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("cases")
    void valuesAndGradientsFollowTheFormulas(
            Backend backend,
            boolean share,
            boolean stageLosses,
            boolean bySample,
            int beamWidth,
            GradientEstimator estimator) {
        double nu = estimator == GradientEstimator.DIVEQ ? 0 : 0.3;
        try (ResidualVectorQuant layer = builder(backend)
                .share(share)
                .stageLosses(stageLosses)
                .quantizerDropout(1, bySample)
                .beamWidth(beamWidth)
                .beta(BETA)
                .syncNu(nu)
                .gradientEstimator(estimator)
                .affineLr(RATE)
                .build()) {
            boolean[] seen = new boolean[STAGES + 1];
            for (int step = 0; step < 5; step++) {
                int[] codes = followsTheFormulas(layer, share, stageLosses, estimator, nu, beamWidth == 1);
                int[] used = stagesOfRows(codes, STAGES);
                Arrays.stream(used).forEach(number -> seen[number] = true);
                if (!bySample) {
                    assertEquals(1, Arrays.stream(used).distinct().count());
                }
            }
            assertTrue(seen[1] || seen[2], "some stage was left out");
            assertTrue(!bySample || (seen[1] && seen[2] && seen[3]), "every number is drawn");
        }
    }

    /** Rows of an image draw together, images by themselves, steps anew; inference uses all stages. */
    @ParameterizedTest
    @MethodSource("backends")
    void everySampleDrawsFromTheLeastToAll(Backend backend) {
        int images = 400;
        Tensor z = Tensor.of(normal(1, images * FEATURES * 2), images, FEATURES, 2);
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, 40, 4)
                        .quantizerDropout(2, true)
                        .seed(9)
                        .backend(backend)
                        .build();
                ResidualVectorQuant again = ResidualVectorQuant.builder(FEATURES, 40, 4)
                        .quantizerDropout(2, true)
                        .seed(9)
                        .backend(backend)
                        .build()) {
            int[] histogram = new int[5];
            int[] before = null;
            for (int step = 0; step < 3; step++) {
                try (Quantized q = layer.forward(z);
                        Quantized same = again.forward(z)) {
                    int[] codes = q.codes().toIntArray();
                    assertArrayEquals(same.codes().toIntArray(), codes);
                    int[] used = stagesOfRows(pixelsLast(codes, 4, 2), 4);
                    for (int n = 0; n < used.length; n++) {
                        assertEquals(used[n / 2 * 2], used[n]);
                        histogram[used[n]]++;
                    }
                    assertTrue(before == null || !Arrays.equals(before, used));
                    before = used;
                }
            }
            for (int number = 2; number <= 4; number++) {
                assertEquals(2 * images, histogram[number], 200, "draws of " + number);
            }
            assertEquals(0, histogram[1]);
            layer.eval();
            try (Quantized q = layer.forward(z)) {
                assertTrue(Arrays.stream(q.codes().toIntArray()).allMatch(code -> code >= 0));
            }
        }
    }

    /** A batch that draws l stages is a batch of a layer of l stages; the other codebooks are as if it had not been. */
    @ParameterizedTest
    @MethodSource("backends")
    void aBatchOfFewerStagesIsThatOfALayerOfFewer(Backend backend) {
        float[] z = normal(1, ROWS * FEATURES);
        float[] g = normal(2, ROWS * FEATURES);
        boolean[] seen = new boolean[STAGES + 1];
        for (long seed = 0; seed < 8; seed++) {
            try (ResidualVectorQuant layer = builder(backend)
                    .seed(seed)
                    .quantizerDropout(1, false)
                    .statisticsAffine(true)
                    .replaceFreq(1)
                    .syncNu(1)
                    .build()) {
                float[][] stored = new float[STAGES][];
                for (int c = 0; c < STAGES; c++) {
                    stored[c] = layer.codebook(c).toFloatArray();
                }
                try (Quantized q = layer.forward(Tensor.of(z, ROWS, FEATURES));
                        Gradients gradients = layer.backward(Tensor.of(g, ROWS, FEATURES), 3)) {
                    int used = stagesOfRows(q.codes().toIntArray(), STAGES)[0];
                    seen[used] = true;
                    try (ResidualVectorQuant fewer = ResidualVectorQuant.builder(FEATURES, CODES / STAGES * used, used)
                            .dim(-1)
                            .seed(seed)
                            .statisticsAffine(true)
                            .replaceFreq(1)
                            .syncNu(1)
                            .backend(backend)
                            .build()) {
                        for (int c = 0; c < used; c++) {
                            fewer.setCodebook(c, Tensor.of(stored[c], CODES / STAGES, FEATURES));
                        }
                        try (Quantized expected = fewer.forward(Tensor.of(z, ROWS, FEATURES));
                                Gradients ofFewer = fewer.backward(Tensor.of(g, ROWS, FEATURES), 3)) {
                            assertArrayEquals(
                                    expected.output().toFloatArray(), q.output().toFloatArray());
                            assertEquals(expected.loss(), q.loss());
                            assertEquals(expected.perplexity(), q.perplexity());
                            assertEquals(expected.activeCodes(), q.activeCodes());
                            assertEquals(expected.replacedCodes(), q.replacedCodes());
                            assertArrayEquals(expected.sampleLosses(), q.sampleLosses());
                            assertArrayEquals(
                                    ofFewer.input().toFloatArray(),
                                    gradients.input().toFloatArray(),
                                    1e-7f);
                        }
                        for (int c = 0; c < STAGES; c++) {
                            String name = c + ".codebook";
                            String nameInFewer = used == 1 ? "codebook" : name;
                            assertArrayEquals(
                                    c < used ? fewer.codebook(c).toFloatArray() : stored[c],
                                    layer.codebook(c).toFloatArray());
                            assertArrayEquals(
                                    c < used ? gradient(fewer, nameInFewer) : new float[stored[c].length],
                                    gradient(layer, name));
                            assertEquals(c < used, layer.runningMoments(c).isPresent());
                        }
                    }
                }
            }
        }
        assertTrue(seen[1] && seen[2] && seen[3]);
    }

    /** A stage is initialised from what is left of the rows that use it, and of no others. */
    @ParameterizedTest
    @MethodSource("backends")
    void stagesStartFromTheirOwnRows(Backend backend) {
        float[] z = normal(4, ROWS * FEATURES);
        for (int width : new int[] {1, 3}) {
            try (ResidualVectorQuant layer = builder(backend)
                    .quantizerDropout(1, true)
                    .kmeansInit(true)
                    .beamWidth(width)
                    .seed(3)
                    .build()) {
                try (Quantized q = layer.forward(Tensor.of(z, ROWS, FEATURES))) {
                    int[] used = stagesOfRows(q.codes().toIntArray(), STAGES);
                    int[] own =
                            IntStream.range(0, ROWS).filter(n -> used[n] > 1).toArray();
                    float[] left = new float[own.length * FEATURES];
                    try (VectorQuant first = VectorQuant.builder(FEATURES, CODES / STAGES)
                            .dim(-1)
                            .backend(backend)
                            .build()) {
                        first.setCodebook(layer.codebook(0));
                        float[] nearest;
                        try (Quantized ofFirst = first.eval().forward(Tensor.of(z, ROWS, FEATURES))) {
                            nearest = ofFirst.output().toFloatArray();
                        }
                        for (int i = 0; i < left.length; i++) {
                            int at = own[i / FEATURES] * FEATURES + i % FEATURES;
                            left[i] = z[at] - nearest[at];
                        }
                    }
                    // The second codebook's random numbers are those of its own seed.
                    try (KMeansResult expected = KMeans.builder(CODES / STAGES)
                            .seed(3 + 0x9E3779B97F4A7C15L)
                            .backend(backend)
                            .build()
                            .fit(Tensor.of(left, own.length, FEATURES), 1)) {
                        assertArrayEquals(
                                expected.codebook().toFloatArray(),
                                layer.codebook(1).toFloatArray());
                    }
                }
            }
        }
    }

    /** Moving averages and health see each codebook's own rows, however many stages share it. */
    @ParameterizedTest
    @MethodSource("backends")
    void averagesAndHealthAreOfTheRowsThatUseAStage(Backend backend) {
        float[] z = normal(5, ROWS * FEATURES);
        for (boolean share : new boolean[] {false, true}) {
            try (ResidualVectorQuant layer = builder(backend)
                            .share(share)
                            .quantizerDropout(1, true)
                            .ema(0.5)
                            .build();
                    CodebookHealth health = CodebookHealth.of(layer, 1);
                    Quantized q = layer.forward(Tensor.of(z, ROWS, FEATURES))) {
                List<CodebookReport> reports = health.observe();
                int[] codes = q.codes().toIntArray();
                float[] distances = q.distances().toFloatArray();
                int size = CODES / layer.codebookCount();
                assertEquals(layer.codebookCount(), reports.size());
                for (int c = 0; c < layer.codebookCount(); c++) {
                    double error = 0;
                    int count = 0;
                    boolean[] used = new boolean[size];
                    for (int i = 0; i < codes.length; i++) {
                        if (codes[i] >= 0 && (share || i % STAGES == c)) {
                            used[codes[i] - c * size] = true;
                            error += distances[i] / FEATURES;
                            count++;
                        }
                    }
                    assertEquals(error / count, reports.get(c).quantizationError(), 1e-6);
                    int active = 0;
                    for (boolean each : used) {
                        active += each ? 1 : 0;
                    }
                    assertEquals(active, reports.get(c).activeCodes());
                }
            }
        }
        try (ResidualVectorQuant layer =
                        builder(backend).quantizerDropout(1, false).ema(0.5).build();
                CodebookHealth health = CodebookHealth.of(layer, 1)) {
            for (int step = 0; step < 6; step++) {
                float[][] before = new float[STAGES][];
                for (int c = 0; c < STAGES; c++) {
                    before[c] = layer.codebook(c).toFloatArray();
                }
                try (Quantized q = layer.forward(Tensor.of(z, ROWS, FEATURES))) {
                    int used = stagesOfRows(q.codes().toIntArray(), STAGES)[0];
                    assertEquals(used, health.observe().size());
                    for (int c = 0; c < STAGES; c++) {
                        assertEquals(
                                c >= used,
                                Arrays.equals(before[c], layer.codebook(c).toFloatArray()),
                                "codebook " + c);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void maskedRowsDrawWithTheirSample(Backend backend) {
        int images = 30;
        Tensor z = Tensor.of(normal(1, images * FEATURES * 5), images, FEATURES, 5);
        boolean[] mask = new boolean[images * 5];
        for (int n = 0; n < mask.length; n++) {
            mask[n] = n % 7 < 3 && n / 5 != 4;
        }
        for (int width : new int[] {1, 2}) {
            try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, 40, 4)
                            .quantizerDropout(1, true)
                            .beamWidth(width)
                            .backend(backend)
                            .build();
                    ResidualVectorQuant other = ResidualVectorQuant.builder(FEATURES, 40, 4)
                            .quantizerDropout(1, true)
                            .beamWidth(width)
                            .backend(backend)
                            .build();
                    Quantized all = layer.forward(z);
                    Quantized masked = other.forward(z, RowMask.of(mask, images, 5))) {
                int[] expected = pixelsLast(all.codes().toIntArray(), 4, 5);
                int[] found = pixelsLast(masked.codes().toIntArray(), 4, 5);
                double[] sums = new double[images];
                int[] counts = new int[images];
                float[] distances = pixelsLast(masked.distances().toFloatArray(), 4, 5);
                for (int n = 0; n < mask.length; n++) {
                    for (int i = 0; i < 4; i++) {
                        assertEquals(mask[n] ? expected[n * 4 + i] : -1, found[n * 4 + i]);
                        if (found[n * 4 + i] >= 0 && (i == 3 || found[n * 4 + i + 1] < 0)) {
                            sums[n / 5] += distances[n * 4 + i];
                            counts[n / 5]++;
                        }
                    }
                }
                for (int image = 0; image < images; image++) {
                    double mean = counts[image] == 0 ? 0 : sums[image] / (counts[image] * FEATURES);
                    assertEquals(mean, masked.sampleLosses()[image], 1e-9);
                }
            }
        }
    }

    // ---- beam search -------------------------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("backends")
    void noRowEndsWorseThanByGreedySearch(Backend backend) {
        float[] z = normal(5, 700 * FEATURES);
        for (boolean share : new boolean[] {false, true}) {
            for (int width : new int[] {2, 3, 8, 13}) {
                try (ResidualVectorQuant greedy = ResidualVectorQuant.builder(FEATURES, 40, 4)
                                .share(share)
                                .dim(-1)
                                .backend(backend)
                                .build();
                        ResidualVectorQuant beams = ResidualVectorQuant.builder(FEATURES, 40, 4)
                                .share(share)
                                .beamWidth(width)
                                .dim(-1)
                                .backend(backend)
                                .build();
                        Quantized a = greedy.forward(Tensor.of(z, 700, FEATURES));
                        Quantized b = beams.forward(Tensor.of(z, 700, FEATURES))) {
                    int better = 0;
                    for (int n = 0; n < 700; n++) {
                        float before = a.distances().toFloatArray()[n * 4 + 3];
                        float after = b.distances().toFloatArray()[n * 4 + 3];
                        assertTrue(after <= before, "row " + n + ": " + after + " after " + before);
                        assertEquals(
                                squaredDifference(z, b.output().toFloatArray(), n), after, 1e-4 * after, "row " + n);
                        better += after < before ? 1 : 0;
                    }
                    assertTrue(better > 200, better + " rows are better");
                    assertTrue(b.loss() < a.loss());
                }
            }
        }
    }

    /** With room for every sum of codes the search is exhaustive. */
    @ParameterizedTest
    @MethodSource("backends")
    void aBeamThatHoldsAllSumsFindsTheNearest(Backend backend) {
        float[] z = normal(6, 50 * 3);
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(3, 12, 3)
                .dim(-1)
                .beamWidth(64)
                .backend(backend)
                .build()) {
            float[][] books = new float[3][];
            for (int c = 0; c < 3; c++) {
                books[c] = layer.codebook(c).toFloatArray();
            }
            layer.eval();
            try (Quantized q = layer.forward(Tensor.of(z, 50, 3))) {
                float[] output = q.output().toFloatArray();
                for (int n = 0; n < 50; n++) {
                    double least = Double.MAX_VALUE;
                    for (int path = 0; path < 64; path++) {
                        double sum = 0;
                        for (int d = 0; d < 3; d++) {
                            double e = (double) books[0][path / 16 * 3 + d]
                                    + books[1][path / 4 % 4 * 3 + d]
                                    + books[2][path % 4 * 3 + d];
                            sum += (z[n * 3 + d] - e) * (z[n * 3 + d] - e);
                        }
                        least = Math.min(least, sum);
                    }
                    double found = 0;
                    for (int d = 0; d < 3; d++) {
                        found += Math.pow(z[n * 3 + d] - output[n * 3 + d], 2);
                    }
                    assertEquals(least, found, 1e-5 * (1 + least), "row " + n);
                }
            }
        }
    }

    /** 3 = 2 + 1 = 1 + 2: the sum with the lowest codes, earlier stages first, wins; greedy search would too, with 4 - 1. */
    @ParameterizedTest
    @MethodSource("backends")
    void ofEqualSumsTheLowestCodesWin(Backend backend) {
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(1, 6, 2)
                .dim(-1)
                .beamWidth(3)
                .backend(backend)
                .build()) {
            layer.setCodebook(0, Tensor.of(new float[] {2, 1, 4}, 3, 1));
            layer.setCodebook(1, Tensor.of(new float[] {1, 2, -1}, 3, 1));
            assertArrayEquals(
                    new int[] {0, 3},
                    layer.encode(Tensor.of(new float[] {3}, 1, 1)).toIntArray());
            layer.setCodebook(0, Tensor.of(new float[] {1, 2, 2}, 3, 1));
            assertArrayEquals(
                    new int[] {0, 4},
                    layer.encode(Tensor.of(new float[] {3}, 1, 1)).toIntArray());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void whatTrainingFindsInferenceAndDecodingFindToo(Backend backend) {
        float[] rows = normal(7, 4 * 9 * FEATURES);
        Tensor first = Tensor.of(swapped(rows, 4, 9, FEATURES), 4, FEATURES, 9);
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, 60, 3)
                        .affineLr(1)
                        .beamWidth(4)
                        .backend(backend)
                        .build();
                ResidualVectorQuant last = ResidualVectorQuant.builder(FEATURES, 60, 3)
                        .affineLr(1)
                        .beamWidth(4)
                        .dim(-1)
                        .backend(backend)
                        .build();
                Quantized q = layer.forward(first);
                Quantized ofLast = last.forward(Tensor.of(rows, 36, FEATURES));
                Tensor codes = layer.encode(first);
                Tensor decoded = layer.decode(codes)) {
            assertArrayEquals(q.codes().toIntArray(), codes.toIntArray());
            assertArrayEquals(q.output().toFloatArray(), decoded.toFloatArray());
            assertArrayEquals(
                    ofLast.codes().toIntArray(), pixelsLast(q.codes().toIntArray(), 3, 9), "channels first and last");
        }
    }

    // ---- the first stages alone --------------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("backends")
    void theFirstStagesAreTheFirstColumns(Backend backend) {
        Tensor z = Tensor.of(normal(8, 3 * FEATURES * 11), 3, FEATURES, 11);
        for (boolean share : new boolean[] {false, true}) {
            try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, 60, 4)
                            .share(share)
                            .affineLr(1)
                            .backend(backend)
                            .build();
                    Tensor all = layer.encode(z)) {
                float[] whole = z.toFloatArray();
                int[] codes = pixelsLast(all.toIntArray(), 4, 11);
                for (int number = 1; number <= 4; number++) {
                    boolean[] mask = new boolean[33];
                    mask[5] = true;
                    try (Tensor first = layer.encode(z, number);
                            Tensor masked = layer.encode(z, RowMask.of(mask, 3, 11), number);
                            Tensor fromFirst = layer.decode(first, number);
                            Tensor fromAll = layer.decode(all, number)) {
                        assertArrayEquals(new long[] {3, number, 11}, first.shape());
                        int[] found = pixelsLast(first.toIntArray(), number, 11);
                        int[] ofMasked = pixelsLast(masked.toIntArray(), number, 11);
                        for (int i = 0; i < found.length; i++) {
                            assertEquals(codes[i / number * 4 + i % number], found[i]);
                            assertEquals(i / number == 5 ? found[i] : -1, ofMasked[i]);
                        }
                        assertArrayEquals(fromFirst.toFloatArray(), fromAll.toFloatArray());
                        double left = 0;
                        for (int i = 0; i < whole.length; i++) {
                            left += Math.pow(whole[i] - fromFirst.toFloatArray()[i], 2);
                        }
                        double expected = 0;
                        try (Quantized q = layer.eval().forward(z)) {
                            float[] distances = pixelsLast(q.distances().toFloatArray(), 4, 11);
                            for (int n = 0; n < 33; n++) {
                                expected += distances[n * 4 + number - 1];
                            }
                        }
                        assertEquals(expected, left, 1e-4 * expected);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void aSearchOverTheFirstStagesEndsThere(Backend backend) {
        float[] z = normal(9, 400 * FEATURES);
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, 40, 4)
                        .dim(-1)
                        .beamWidth(5)
                        .backend(backend)
                        .build();
                Tensor all = layer.encode(Tensor.of(z, 400, FEATURES));
                Tensor two = layer.encode(Tensor.of(z, 400, FEATURES), 2);
                Tensor fromAll = layer.decode(all, 2);
                Tensor fromTwo = layer.decode(two, 2)) {
            int better = 0;
            for (int n = 0; n < 400; n++) {
                double cut = squaredDifference(z, fromAll.toFloatArray(), n);
                double ended = squaredDifference(z, fromTwo.toFloatArray(), n);
                assertTrue(ended <= cut * (1 + 1e-6), "row " + n);
                better += ended < cut * (1 - 1e-3) ? 1 : 0;
            }
            assertTrue(better > 20, better + " rows are better");
        }
    }

    /** What dropout has left out adds nothing. */
    @ParameterizedTest
    @MethodSource("shared")
    void codesOfDropoutAreDecodedByTheirStages(Backend backend, boolean share) {
        float[] z = normal(10, ROWS * FEATURES);
        try (ResidualVectorQuant layer =
                        builder(backend).share(share).quantizerDropout(1, true).build();
                Quantized q = layer.forward(Tensor.of(z, ROWS, FEATURES));
                FrozenQuantizer frozen = layer.freeze();
                Tensor decoded = layer.decode(q.codes());
                Tensor ofFrozen = frozen.decode(q.codes());
                Tensor ofTwo = layer.decode(q.codes(), 2)) {
            assertArrayEquals(q.output().toFloatArray(), decoded.toFloatArray());
            assertArrayEquals(q.output().toFloatArray(), ofFrozen.toFloatArray());
            int[] used = stagesOfRows(q.codes().toIntArray(), STAGES);
            for (int n = 0; n < ROWS; n++) {
                boolean same = Arrays.equals(
                        Arrays.copyOfRange(ofTwo.toFloatArray(), n * FEATURES, (n + 1) * FEATURES),
                        Arrays.copyOfRange(q.output().toFloatArray(), n * FEATURES, (n + 1) * FEATURES));
                assertEquals(used[n] <= 2, same, "row " + n);
            }
        }
    }

    /** A row without its first code is one that a mask has left out, and -2 is no code of any stage. */
    @ParameterizedTest
    @MethodSource("shared")
    void codesThatNoStageHasAreRefused(Backend backend, boolean share) {
        try (ResidualVectorQuant layer = builder(backend).share(share).build();
                Tensor codes = layer.encode(Tensor.of(normal(10, 4 * FEATURES), 4, FEATURES))) {
            int[] masked = codes.toIntArray();
            Arrays.fill(masked, 2 * STAGES, 3 * STAGES, -1);
            refused(() -> layer.decode(Tensor.of(masked, 4, STAGES)), "code -1", "row 2", "out of range");
            int[] wrong = codes.toIntArray();
            wrong[2 * STAGES + 1] = -2;
            refused(() -> layer.decode(Tensor.of(wrong, 4, STAGES)), "code -2", "out of range");
        }
    }

    @Test
    void numbersThatDoNotFitAreRefused() {
        refused(() -> builder(Backend.cpu()).quantizerDropout(0, true), "minStages", "0");
        refused(() -> builder(Backend.cpu()).quantizerDropout(4, true).build(), "minStages", "stages = 3", "4");
        refused(() -> builder(Backend.cpu()).beamWidth(0), "beamWidth", "0");
        refused(
                () -> builder(Backend.cpu())
                        .beamWidth(2)
                        .alternated(Optimizer.sgd(1), 1, false)
                        .build(),
                "beamWidth = 1",
                "alternated",
                "2");
        try (ResidualVectorQuant layer = builder(Backend.cpu()).build()) {
            Tensor z = Tensor.of(new float[2 * FEATURES], 2, FEATURES);
            refused(() -> layer.encode(z, 0), "1 <= stages <= 3", "0");
            refused(() -> layer.encode(z, 4), "1 <= stages <= 3", "4");
            refused(() -> layer.decode(Tensor.of(new int[4], 2, 2), 3), "3 to 3 codes", "[2, 2]");
            refused(() -> layer.decode(Tensor.of(new int[8], 2, 4), 2), "2 to 3 codes", "[2, 4]");
            refused(() -> layer.decode(Tensor.of(new int[4], 2, 2)), "3 codes of a row", "[2, 2]");
        }
    }

    // ---- the same everywhere -----------------------------------------------------------------------------------

    @Test
    void trainingLeavesTheSameBitsEverywhere() {
        for (boolean share : new boolean[] {false, true}) {
            int[] expected = run(share, Backend.cpu());
            for (Backend backend : backends()) {
                assertArrayEquals(expected, run(share, backend), backend.name());
            }
            int threads = Backend.cpuThreads();
            String set = CpuKernels.instructionSet().getString();
            try {
                for (int number : new int[] {1, 2, 3}) {
                    Backend.setCpuThreads(number);
                    assertArrayEquals(expected, run(share, Backend.cpu()), number + " threads");
                }
                for (String name : Backends.instructionSets()) {
                    CpuKernels.setInstructionSet(name);
                    assertArrayEquals(expected, run(share, Backend.cpu()), name);
                }
            } finally {
                Backend.setCpuThreads(threads);
                CpuKernels.setInstructionSet(set);
            }
        }
    }

    private static int[] run(boolean share, Backend backend) {
        List<int[]> parts = new ArrayList<>();
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(33, 88, 4)
                        .share(share)
                        .beamWidth(3)
                        .quantizerDropout(1, true)
                        .kmeansInit(true)
                        .replaceFreq(1)
                        .affineLr(1)
                        .syncNu(0.5)
                        .gradientEstimator(GradientEstimator.ROTATION)
                        .backend(backend)
                        .build();
                Optimizer optimizer = Optimizer.adam(1e-2)) {
            boolean[] mask = new boolean[6 * 53];
            for (int n = 0; n < mask.length; n++) {
                mask[n] = n % 5 > 0;
            }
            for (int step = 0; step < 3; step++) {
                Tensor z = Tensor.of(normal(step, 6 * 33 * 53), 6, 33, 53);
                try (Quantized q = layer.forward(z, RowMask.of(mask, 6, 53));
                        Gradients gradients = layer.backward(Tensor.of(normal(9 + step, 6 * 33 * 53), 6, 33, 53), 3)) {
                    parts.add(q.codes().toIntArray());
                    parts.add(bits(q.output().toFloatArray()));
                    parts.add(bits(q.distances().toFloatArray()));
                    parts.add(bits(gradients.input().toFloatArray()));
                    parts.add(new int[] {Double.hashCode(q.loss()), Arrays.hashCode(q.sampleLosses()), q.replacedCodes()
                    });
                }
                optimizer.step(layer);
                layer.parameters()
                        .forEach(parameter -> parts.add(bits(parameter.value().toFloatArray())));
            }
        }
        return parts.stream().flatMapToInt(Arrays::stream).toArray();
    }

    // ---- helpers -----------------------------------------------------------------------------------------------

    /** How many stages each row of a matrix of codes uses; those it does not use come last. */
    private static int[] stagesOfRows(int[] codes, int stages) {
        int[] used = new int[codes.length / stages];
        for (int n = 0; n < used.length; n++) {
            while (used[n] < stages && codes[n * stages + used[n]] >= 0) {
                used[n]++;
            }
            for (int i = used[n]; i < stages; i++) {
                assertEquals(-1, codes[n * stages + i]);
            }
        }
        return used;
    }

    /** B x S x P to B x P x S. */
    private static int[] pixelsLast(int[] values, int stages, int pixels) {
        int[] result = new int[values.length];
        for (int i = 0; i < result.length; i++) {
            result[i] = values[(i / stages / pixels * stages + i % stages) * pixels + i / stages % pixels];
        }
        return result;
    }

    private static float[] pixelsLast(float[] values, int stages, int pixels) {
        float[] result = new float[values.length];
        for (int i = 0; i < result.length; i++) {
            result[i] = values[(i / stages / pixels * stages + i % stages) * pixels + i / stages % pixels];
        }
        return result;
    }

    private static double squaredDifference(float[] z, float[] output, int n) {
        double sum = 0;
        for (int d = 0; d < FEATURES; d++) {
            sum += Math.pow(z[n * FEATURES + d] - output[n * FEATURES + d], 2);
        }
        return sum;
    }

    private static int[] bits(float[] values) {
        int[] bits = new int[values.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = Float.floatToRawIntBits(values[i]);
        }
        return bits;
    }
}
