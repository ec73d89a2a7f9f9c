package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Bad input is refused with an error that names it, the values seen and what is needed; nothing has changed then. */
class BadInputTest {
    private static final float[] NOT_FINITE = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY};

    static List<Backend> backends() {
        return Backends.all();
    }

    // ---- options -----------------------------------------------------------------------------------------------

    @ParameterizedTest
    @ValueSource(doubles = {-0.01, 1.01, Double.NaN})
    void betaOutsideTheUnitInterval(double beta) {
        refused(() -> VectorQuant.builder(4, 4).beta(beta), "beta", "[0, 1]", String.valueOf(beta));
    }

    @Test
    void sizesBelowOne() {
        refused(() -> VectorQuant.builder(0, 4), "featureSize", "0");
        refused(() -> VectorQuant.builder(4, -1), "numCodes", "-1");
        refused(() -> VectorQuant.builder(4, 4).affineGroups(0), "affineGroups", "0");
    }

    @Test
    void negativeOrInfiniteOptions() {
        refused(() -> VectorQuant.builder(4, 4).syncNu(-1), "syncNu", "-1.0");
        refused(() -> VectorQuant.builder(4, 4).syncNu(Double.POSITIVE_INFINITY), "syncNu", "Infinity");
        refused(() -> VectorQuant.builder(4, 4).affineLr(-0.5), "affineLr", "-0.5");
        refused(() -> VectorQuant.builder(4, 4).affineLr(Double.NaN), "affineLr", "NaN");
        refused(() -> VectorQuant.builder(4, 4).replaceFreq(-1), "replaceFreq", "-1");
    }

    @Test
    void codesThatTheAffineGroupsDoNotDivide() {
        refused(() -> cpu(4, 10).affineLr(1).affineGroups(3).build(), "affineGroups", "numCodes = 10", "3");
    }

    @Test
    void bothAffines() {
        refused(() -> cpu(4, 10).affineLr(1).statisticsAffine(true).build(), "affineLr", "statisticsAffine");
    }

    @Test
    void syncWithAnEstimatorThatMovesTheCodes() {
        refused(
                () -> cpu(4, 10)
                        .gradientEstimator(GradientEstimator.DIVEQ)
                        .syncNu(0.5)
                        .build(),
                "syncNu = 0",
                "DIVEQ",
                "0.5");
        refused(
                () -> cpu(4, 10)
                        .gradientEstimator(GradientEstimator.DIVEQ)
                        .ema(0.9)
                        .build(),
                "DIVEQ",
                "ema");
    }

    @Test
    void featuresThatTheGroupNormDoesNotDivide() {
        refused(() -> cpu(48, 10).norm(Norm.GROUP).build(), "featureSize", "32 groups", "48");
    }

    @Test
    void aCodebookWhoseSizeOverflows() {
        refused(() -> cpu(1 << 20, 1 << 20).build(), "featureSize * numCodes", "1048576 * 1048576");
    }

    // ---- shapes ------------------------------------------------------------------------------------------------

    @Test
    void aFeatureSizeThatDoesNotMatch() {
        try (VectorQuant layer = cpu(4, 10).build()) {
            refused(() -> layer.forward(floats(2, 3, 5)), "featureSize = 4 on axis 1", "[2, 3, 5]");
            refused(() -> layer.encode(floats(2, 3, 5)), "featureSize = 4 on axis 1", "[2, 3, 5]");
        }
    }

    @Test
    void anAxisThatIsNotThere() {
        try (VectorQuant layer = cpu(4, 10).dim(2).build();
                VectorQuant fromTheEnd = cpu(4, 10).dim(-3).build()) {
            refused(() -> layer.forward(floats(4, 4)), "axis 2", "[4, 4]");
            refused(() -> fromTheEnd.forward(floats(4, 4)), "axis -3", "[4, 4]");
            refused(() -> fromTheEnd.decode(Tensor.of(new int[1], 1)), "axis -3", "[1]");
        }
    }

    @Test
    void noRows() {
        try (VectorQuant layer = cpu(4, 10).build()) {
            refused(() -> layer.forward(floats(0, 4)), "at least one row", "[0, 4]");
            refused(() -> layer.encode(floats(3, 4, 0)), "at least one row", "[3, 4, 0]");
            refused(() -> layer.decode(Tensor.of(new int[0], 0)), "at least one code", "[0]");
        }
    }

    @Test
    void sizesWhoseProductOverflows() {
        refused(() -> Tensor.ofAddress(64, Device.HOST, 1L << 31, 1L << 31, 4), "overflow", "2147483648");
        refused(() -> Tensor.ofAddress(64, Device.HOST, 1L << 60), "overflow", String.valueOf(1L << 60));
    }

    @Test
    void gradientsAndOutputsOfAnotherShape() {
        try (VectorQuant layer = cpu(4, 10).build()) {
            refused(() -> layer.forward(floats(2, 4), floats(4, 2)), "output", "[2, 4]", "[4, 2]");
            layer.forward(floats(2, 4)).close();
            refused(() -> layer.backward(floats(4, 2), 1), "gradOutput", "[2, 4]", "[4, 2]");
            refused(() -> layer.backward(null, 1, floats(2, 5)), "gradInput", "[2, 4]", "[2, 5]");
            layer.backward(null, 1).close();
        }
    }

    @Test
    void outputsThatOverlapTheInput() {
        try (VectorQuant layer = cpu(4, 10).build();
                Tensor memory = Tensor.allocate(DataType.FLOAT32, 12)) {
            Tensor z = Tensor.ofAddress(memory.address(), Device.HOST, 2, 4);
            Tensor shifted = Tensor.ofAddress(memory.address() + 16, Device.HOST, 2, 4);
            refused(() -> layer.forward(z, shifted), "output overlaps z");
            float[] array = new float[8];
            refused(() -> layer.forward(Tensor.of(array, 2, 4), Tensor.of(array, 2, 4)), "output overlaps z");
            layer.forward(z).close();
            refused(() -> layer.backward(null, 1, shifted), "gradInput overlaps z");
        }
    }

    @Test
    void codesInPlaceOfFloatsAndBack() {
        try (VectorQuant layer = cpu(4, 10).build()) {
            refused(() -> layer.forward(Tensor.of(new int[8], 2, 4)), "z", "FLOAT32", "INT32");
            refused(() -> layer.decode(floats(2, 4)), "codes", "INT32", "FLOAT32");
        }
    }

    @Test
    void aDeviceTensorForTheCpu() {
        try (VectorQuant layer = cpu(4, 10).build()) {
            Tensor onDevice = Tensor.ofAddress(64, Device.CUDA, 2, 4);
            refused(() -> layer.forward(onDevice), "z on HOST", "CUDA");
            refused(() -> layer.forward(floats(2, 4), onDevice), "output on HOST", "CUDA");
        }
    }

    @Test
    void hostMemoryForADevice() {
        assumeTrue(Backend.whyNoCuda().isEmpty(), () -> Backend.whyNoCuda().orElse(""));
        try (FloatPointer ofHost = new FloatPointer(8)) {
            Tensor called = Tensor.ofAddress(ofHost.address(), Device.CUDA, 2, 4);
            refused(called::toFloatArray, "memory of a CUDA device", "host");
        }
    }

    @Test
    void memoryOfAnotherDevice() {
        assumeTrue(Backend.whyNoCuda().isEmpty(), () -> Backend.whyNoCuda().orElse(""));
        assumeTrue(Backend.cudaDevices() > 1, "one CUDA device");
        Kernels other = Backend.cuda(1).kernels();
        try (Memory<FloatPointer> memory = Memory.floats(other, 8);
                Tensor allocated = Tensor.allocate(other, DataType.FLOAT32, 2, 4);
                Tensor lent = Tensor.ofAddress(4096, Device.CUDA, 2, 4);
                Tensor imported = Dlpack.importTensor(Dlpack.exportTensor(lent, 1));
                VectorQuant layer = cpu(4, 10).backend(Backend.cuda(0)).build();
                VectorQuant there = cpu(4, 10).backend(Backend.cuda(1)).build()) {
            other.clear(memory.pointer(), 8L * Float.BYTES);
            Tensor view = Tensor.ofAddress(memory.pointer().address(), Device.CUDA, 4, 2);
            for (Tensor each : List.of(allocated, imported, view.reshape(2, 4))) {
                refused(() -> layer.forward(each), "need z on cuda:0", "[2, 4] on CUDA on cuda:1");
                refused(() -> layer.forward(floats(2, 4), each), "need output on cuda:0", "on cuda:1");
            }
            there.forward(view.reshape(2, 4), allocated);
            assertEquals(8, allocated.toFloatArray().length);
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void codesOutOfRange(Backend backend) {
        try (VectorQuant layer = cpu(4, 10).backend(backend).build()) {
            refused(() -> layer.decode(Tensor.of(new int[] {0, 9, 10}, 3)), "code 10 of row 2", "< 10");
            refused(() -> layer.decode(Tensor.of(new int[] {0, -1}, 2)), "code -1 of row 1");
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void codesOutOfRangeOfTheirStage(Backend backend) {
        try (ResidualVectorQuant layer =
                ResidualVectorQuant.builder(4, 12, 3).dim(-1).backend(backend).build()) {
            for (int bad : new int[] {-2, 3, 8, 12, Integer.MIN_VALUE}) {
                refused(
                        () -> layer.decode(Tensor.of(new int[] {0, 4, 8, 0, bad, 8}, 2, 3)),
                        "code " + bad + " at position 4 is out of range; need 4 <= code < 8");
            }
            refused(() -> layer.decode(Tensor.of(new int[] {0, 4, 8, -1, 4, 8}, 2, 3)), "code -1 of row 1");
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"BATCH", "GROUP", "INSTANCE"})
    void oneValueForAVariance(Norm norm) {
        try (VectorQuant layer = cpu(32, 10).norm(norm).build()) {
            refused(() -> layer.forward(floats(1, 32)), "norm " + norm, "at least 2 values");
        }
    }

    // ---- values ------------------------------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("backends")
    void notFiniteInput(Backend backend) {
        for (Norm norm : Norm.values()) {
            for (float value : NOT_FINITE) {
                try (VectorQuant layer = everything(backend).norm(norm).build()) {
                    float[] z = normal(1, 3 * 32 * 7);
                    // Feature 1 of row 12 = 1 * 7 + 5, and a later row.
                    z[(1 * 32 + 1) * 7 + 5] = value;
                    z[(2 * 32 + 1) * 7 + 5] = value;
                    NotFiniteException exception =
                            unchanged(layer, NotFiniteException.class, () -> layer.forward(Tensor.of(z, 3, 32, 7)));
                    assertEquals("z", exception.tensor(), norm.name());
                    assertEquals(12, exception.row(), norm.name());
                    assertTrue(exception.getMessage().contains("row 12"), exception.getMessage());
                    layer.forward(Tensor.of(normal(2, 3 * 32 * 7), 3, 32, 7)).close();
                    assertEquals(
                            12,
                            assertThrows(NotFiniteException.class, () -> layer.encode(Tensor.of(z, 3, 32, 7)))
                                    .row());
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void aVarianceThatOverflows(Backend backend) {
        for (Norm norm : List.of(Norm.BATCH, Norm.GROUP, Norm.INSTANCE)) {
            try (VectorQuant layer =
                    everything(backend).norm(norm).statisticsAffine(false).build()) {
                layer.forward(batch(7)).close();
                Tensor z = batch(7);
                z.floatBuffer().put(40, 1e22f);
                NotFiniteException failure = unchanged(
                        layer, NotFiniteException.class, () -> layer.forward(z).loss());
                assertEquals("the variance of z", failure.tensor(), norm.name());
                layer.forward(batch(7)).close();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void notFiniteGradient(Backend backend) {
        for (Norm norm : Norm.values()) {
            for (float value : NOT_FINITE) {
                try (VectorQuant layer = everything(backend).norm(norm).build()) {
                    float[] gradient = normal(2, 3 * 32 * 7);
                    gradient[(1 * 32 + 31) * 7 + 2] = value;
                    layer.forward(batch(1)).close();
                    layer.backward(batch(2), 1).close();
                    layer.forward(batch(3)).close();
                    NotFiniteException exception = unchanged(
                            layer, NotFiniteException.class, () -> layer.backward(Tensor.of(gradient, 3, 32, 7), 1));
                    assertEquals("gradient", exception.tensor());
                    assertEquals(9, exception.row());
                    layer.backward(batch(4), 1).close();
                }
            }
        }
    }

    /** Estimators of group layers see sub-vectors; the error names the row all the same. */
    @ParameterizedTest
    @MethodSource("backends")
    void notFiniteGradientOfAnEstimator(Backend backend) {
        for (GradientEstimator estimator : List.of(GradientEstimator.ROTATION, GradientEstimator.DIVEQ)) {
            try (GroupVectorQuant layer = GroupVectorQuant.builder(32, 16, 4)
                    .gradientEstimator(estimator)
                    .backend(backend)
                    .build()) {
                float[] gradient = normal(2, 3 * 32 * 7);
                gradient[(1 * 32 + 31) * 7 + 2] = Float.NaN;
                gradient[(2 * 32 + 1) * 7 + 3] = Float.NaN;
                layer.forward(batch(1)).close();
                NotFiniteException exception =
                        assertThrows(NotFiniteException.class, () -> layer.backward(Tensor.of(gradient, 3, 32, 7), 1));
                assertEquals("gradient", exception.tensor());
                assertEquals(9, exception.row());
                layer.backward(batch(2), 1).close();
            }
        }
    }

    /** Groups are differentiated one after the other: what those before the bad one have found is not taken over. */
    @ParameterizedTest
    @MethodSource("backends")
    void notFiniteGradientOfALaterGroup(Backend backend) {
        try (GroupVectorQuant layer =
                GroupVectorQuant.builder(32, 16, 4).backend(backend).build()) {
            layer.forward(batch(1)).close();
            layer.backward(batch(2), 1).close();
            List<float[]> before = new ArrayList<>();
            layer.parameters().forEach(each -> before.add(each.gradient().toFloatArray()));
            float[] gradient = normal(3, 3 * 32 * 7);
            gradient[(1 * 32 + 31) * 7 + 2] = Float.NaN; // of the last group
            layer.forward(batch(4)).close();
            assertThrows(NotFiniteException.class, () -> layer.backward(Tensor.of(gradient, 3, 32, 7), 1));
            for (int i = 0; i < before.size(); i++) {
                Parameter parameter = layer.parameters().get(i);
                assertArrayEquals(before.get(i), parameter.gradient().toFloatArray(), parameter.name());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void notFiniteCodebook(Backend backend) {
        for (CodebookNorm norm : CodebookNorm.values()) {
            for (float value : NOT_FINITE) {
                try (VectorQuant layer =
                        everything(backend).kmeansInit(false).codebookNorm(norm).build()) {
                    float[] codebook = normal(3, 12 * 32);
                    codebook[5 * 32 + 3] = value;
                    NotFiniteException set = unchanged(
                            layer, NotFiniteException.class, () -> layer.setCodebook(Tensor.of(codebook, 12, 32)));
                    assertEquals("codebook", set.tensor());
                    assertEquals(5, set.row());
                    // An optimiser outside may have written it.
                    Backends.write(Backends.parameter(layer, "codebook"), codebook);
                    NotFiniteException used = unchanged(layer, NotFiniteException.class, () -> layer.forward(batch(1)));
                    assertEquals("codebook", used.tensor());
                    assertEquals(5, used.row());
                }
            }
        }
    }

    @Test
    void anAlphaThatIsNotFinite() {
        try (VectorQuant layer = cpu(4, 10).build()) {
            layer.forward(floats(2, 4)).close();
            refused(() -> layer.backward(null, Double.NaN), "alpha", "NaN");
        }
    }

    @Test
    void aCodebookOfAnotherShape() {
        try (VectorQuant layer = cpu(4, 10).build()) {
            refused(() -> layer.setCodebook(floats(4, 10)), "[10, 4]", "[4, 10]");
        }
    }

    // ---- order of calls ----------------------------------------------------------------------------------------

    @Test
    void backwardWithoutForward() {
        try (VectorQuant layer = cpu(4, 10).build()) {
            refusedNow(() -> layer.backward(null, 1), "backward needs a forward");
            layer.forward(floats(2, 4)).close();
            layer.backward(null, 1).close();
            refusedNow(() -> layer.backward(null, 1), "backward needs a forward");
            layer.forward(floats(2, 4)).close();
            layer.setCodebook(floats(10, 4));
            refusedNow(() -> layer.backward(null, 1), "backward needs a forward");
        }
    }

    @Test
    void aClosedLayer() {
        VectorQuant layer = cpu(4, 10).build();
        Tensor z = floats(2, 4);
        layer.forward(z).close();
        layer.close();
        layer.close();
        for (Executable use : List.<Executable>of(
                () -> layer.forward(z),
                () -> layer.backward(null, 1),
                () -> layer.encode(z),
                () -> layer.decode(Tensor.of(new int[1], 1)),
                () -> layer.setCodebook(floats(10, 4)),
                layer::effectiveCodebook,
                layer::train,
                layer::eval,
                () -> layer.codebook().toFloatArray())) {
            refusedNow(use, "closed");
        }
        assertTrue(assertThrows(IllegalStateException.class, () -> layer.forward(z))
                .getMessage()
                .contains("VectorQuant of 10 codes x 4 features"));
    }

    @Test
    void aClosedInput() {
        try (VectorQuant layer = cpu(4, 10).build()) {
            Tensor z = Tensor.allocate(DataType.FLOAT32, 2, 4);
            layer.forward(z).close();
            z.close();
            refusedNow(() -> layer.backward(null, 1), "z of the forward is closed");
            refusedNow(() -> layer.forward(z), "z Tensor FLOAT32[2, 4] on HOST is closed");
        }
    }

    @Test
    void aClosedOutput() {
        try (VectorQuant layer = cpu(4, 10).build()) {
            Tensor output = Tensor.allocate(DataType.FLOAT32, 2, 4);
            output.close();
            refusedNow(() -> layer.forward(floats(2, 4), output), "output Tensor FLOAT32[2, 4] on HOST is closed");
        }
    }

    @Test
    void aParameterThatIsClosed() {
        try (VectorQuant layer = cpu(4, 10).build()) {
            layer.codebook().close();
            layer.parameters().get(0).gradient().close();
            layer.forward(floats(2, 4)).close();
            layer.backward(null, 1).close();
        }
    }

    // ---- helpers -----------------------------------------------------------------------------------------------

    private static VectorQuant.Builder cpu(int features, int codes) {
        return VectorQuant.builder(features, codes).backend(Backend.cpu());
    }

    /** Everything that a forward may change. */
    private static VectorQuant.Builder everything(Backend backend) {
        return VectorQuant.builder(32, 12)
                .kmeansInit(true)
                .codebookNorm(CodebookNorm.UNIT)
                .statisticsAffine(true)
                .replaceFreq(1)
                .backend(backend);
    }

    private static void refused(Executable call, String... parts) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        for (String part : parts) {
            assertTrue(message.contains(part), "\"" + part + "\" in: " + message);
        }
    }

    private static void refusedNow(Executable call, String part) {
        String message = assertThrows(IllegalStateException.class, call).getMessage();
        assertTrue(message.contains(part), "\"" + part + "\" in: " + message);
    }

    /** The exception of a call that leaves all state of the layer as it was. */
    private static <T extends Throwable> T unchanged(VectorQuant layer, Class<T> type, Executable call) {
        List<float[]> before = state(layer);
        T exception = assertThrows(type, call);
        List<float[]> after = state(layer);
        for (int i = 0; i < before.size(); i++) {
            assertArrayEquals(before.get(i), after.get(i), "state " + i);
        }
        return exception;
    }

    private static List<float[]> state(VectorQuant layer) {
        List<float[]> state = new ArrayList<>();
        for (Parameter parameter : layer.parameters()) {
            state.add(parameter.value().toFloatArray());
            state.add(parameter.gradient().toFloatArray());
        }
        state.add(floats(layer.lifeCounters()));
        layer.runningMoments().ifPresent(moments -> {
            state.add(moments.inputMean());
            state.add(moments.inputVariance());
            state.add(moments.codebookMean());
            state.add(moments.codebookVariance());
        });
        layer.normMoments().ifPresent(state::addAll);
        return state;
    }

    private static float[] floats(int[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            floats[i] = values[i];
        }
        return floats;
    }

    private static Tensor batch(int seed) {
        return Tensor.of(normal(seed, 3 * 32 * 7), 3, 32, 7);
    }

    private static Tensor floats(long... shape) {
        int size = 1;
        for (long axis : shape) {
            size *= (int) axis;
        }
        return Tensor.of(new float[size], shape);
    }

    private static float[] normal(long seed, int count) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
