package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

class ReferenceStateDictTest {
    @TempDir
    Path folder;

    /** The learned affine with groups that the reference computed: its state in, its codes and output out. */
    @Test
    void theReferencesStateGivesItsOutput() throws IOException {
        Safetensors golden = new Safetensors(Path.of("src/test/resources/golden/vq_affine_sync_adam.safetensors"));
        Path file = folder.resolve("model");
        new SafetensorsWriter()
                .floats("head.weight", new float[6], 2, 3)
                .floats("vq.codebook.weight", golden.floats("step0.after_codebook"), 64, 16)
                .floats("vq.affine_transform.scale", golden.floats("step0.after_affine_scale"), 2, 16)
                .floats("vq.affine_transform.bias", golden.floats("step0.after_affine_bias"), 2, 16)
                .write(file);
        for (Backend backend : Backends.all()) {
            try (VectorQuant layer = VectorQuant.builder(16, 64)
                    .dim(-1)
                    .affineLr(2)
                    .affineGroups(2)
                    .backend(backend)
                    .build()) {
                ReferenceStateDict.load(file, "vq.", layer);
                try (Quantized q = layer.forward(Tensor.of(golden.floats("step1.z"), golden.shape("step1.z")))) {
                    assertArrayEquals(golden.ints("step1.q"), q.codes().toIntArray());
                    assertArrayEquals(golden.floats("step1.z_q"), q.output().toFloatArray(), 1e-5f);
                }
            }
        }
    }

    /** The running statistics that the reference had after a step: the next step's are its own. */
    @Test
    void theReferencesMomentsGoOn() throws IOException {
        Safetensors golden = new Safetensors(Path.of("src/test/resources/golden/vq_affine_running.safetensors"));
        Path file = folder.resolve("moments");
        SafetensorsWriter writer = new SafetensorsWriter()
                .floats("codebook.weight", golden.floats("step0.after_codebook"), 64, 16)
                .floats("affine_transform.running_statistics_initialized", new float[] {1}, 1);
        for (String name : List.of("running_ze_mean", "running_ze_var", "running_c_mean", "running_c_var")) {
            writer.floats("affine_transform." + name, golden.floats("step0." + name), 1, 16);
        }
        writer.write(file);
        try (VectorQuant layer = VectorQuant.builder(16, 64)
                .dim(-1)
                .statisticsAffine(true)
                .backend(Backend.cpu())
                .build()) {
            ReferenceStateDict.load(file, "", layer);
            layer.forward(Tensor.of(golden.floats("step1.z"), golden.shape("step1.z")))
                    .close();
            RunningMoments moments = layer.runningMoments().orElseThrow();
            assertArrayEquals(golden.floats("step1.running_ze_mean"), moments.inputMean(), 1e-5f);
            assertArrayEquals(golden.floats("step1.running_ze_var"), moments.inputVariance(), 1e-5f);
            assertArrayEquals(golden.floats("step1.running_c_mean"), moments.codebookMean(), 1e-5f);
            assertArrayEquals(golden.floats("step1.running_c_var"), moments.codebookVariance(), 1e-5f);
        }
    }

    @TestFactory
    Stream<DynamicTest> whatIsWrittenIsReadBack() {
        List<DynamicTest> tests = new ArrayList<>();
        TrainedLayer.builders().forEach((name, builder) -> {
            for (Backend backend : Backends.all()) {
                tests.add(dynamicTest(name + " on " + backend.name(), () -> roundTrip(builder, backend)));
            }
        });
        return tests.stream();
    }

    private void roundTrip(Supplier<QuantizerBuilder<?>> builder, Backend backend) throws IOException {
        Path file = folder.resolve("written");
        Path again = folder.resolve("again");
        try (Quantizer layer = builder.get().backend(backend).build();
                Quantizer other = builder.get().backend(Backend.cpu()).build();
                Optimizer optimizer = Optimizer.sgd(0)) {
            TrainedLayer.train(layer, optimizer, 0, 2);
            boolean otherForm = layer.options().get("linearCodebook").equals("true")
                    || !layer.options().get("lookupSize").equals("0");
            if (otherForm) {
                String message = assertThrows(
                                IllegalArgumentException.class, () -> ReferenceStateDict.save(file, "", layer))
                        .getMessage();
                assertTrue(message.contains("which the reference does not have"), message);
                return;
            }
            boolean affine = layer.options().get("statisticsAffine").equals("true")
                    || !layer.options().get("affineLr").equals("0.0");
            if (affine && layer.codebookCount() > 1) {
                String message = assertThrows(
                                IllegalArgumentException.class, () -> ReferenceStateDict.save(file, "", layer))
                        .getMessage();
                assertTrue(message.contains("in all codebooks"), message);
                return;
            }
            ReferenceStateDict.save(file, "a.b.", layer);
            ReferenceStateDict.load(file, "a.b.", other);
            ReferenceStateDict.save(again, "a.b.", other);
            try (SafetensorsFile first = SafetensorsFile.open(file);
                    SafetensorsFile second = SafetensorsFile.open(again)) {
                assertEquals(first.names(), second.names());
                for (String tensor : first.names()) {
                    if (!tensor.endsWith("num_batches_tracked")) {
                        assertArrayEquals(first.bytes(tensor), second.bytes(tensor), tensor);
                    }
                }
            }
            Tensor z = TrainedLayer.batch(9);
            assertArrayEquals(layer.encode(z).toIntArray(), other.encode(z).toIntArray());
        }
    }

    @Test
    void theNamesAndShapesAreThoseOfTheReference() throws IOException {
        Path file = folder.resolve("names");
        try (VectorQuant layer = VectorQuant.builder(32, 12)
                        .statisticsAffine(true)
                        .affineGroups(3)
                        .norm(Norm.BATCH)
                        .kmeansInit(true)
                        .replaceFreq(5)
                        .backend(Backend.cpu())
                        .build();
                Optimizer optimizer = Optimizer.sgd(0)) {
            ReferenceStateDict.save(file, "", layer);
            try (SafetensorsFile saved = SafetensorsFile.open(file)) {
                assertEquals(0, saved.floats("data_initialized")[0]);
                assertEquals(0, saved.floats("affine_transform.running_statistics_initialized")[0]);
            }
            TrainedLayer.train(layer, optimizer, 0, 2);
            ReferenceStateDict.save(file, "", layer);
        }
        try (SafetensorsFile saved = SafetensorsFile.open(file)) {
            assertEquals(
                    Set.of(
                            "codebook.weight",
                            "affine_transform.running_statistics_initialized",
                            "affine_transform.running_ze_mean",
                            "affine_transform.running_ze_var",
                            "affine_transform.running_c_mean",
                            "affine_transform.running_c_var",
                            "norm_layer.weight",
                            "norm_layer.bias",
                            "norm_layer.running_mean",
                            "norm_layer.running_var",
                            "norm_layer.num_batches_tracked",
                            "data_initialized",
                            "_counts"),
                    saved.names());
            assertArrayEquals(new long[] {3, 32}, saved.shape("affine_transform.running_ze_mean"));
            assertArrayEquals(new long[] {12}, saved.shape("_counts"));
            assertArrayEquals(new long[] {2}, saved.longs("norm_layer.num_batches_tracked"));
            assertArrayEquals(new float[] {1}, saved.floats("data_initialized"));
        }
    }

    @Test
    void oneAffineIsReadIntoAllCodebooks() throws IOException {
        Path file = folder.resolve("one");
        float[] scale = Arrays.copyOf(TrainedLayer.normal(1), 8);
        new SafetensorsWriter()
                .floats("codebook.weight", new float[64], 8, 8)
                .floats("affine_transform.scale", scale, 1, 8)
                .floats("affine_transform.bias", new float[8], 1, 8)
                .write(file);
        try (GroupVectorQuant layer = GroupVectorQuant.builder(32, 8, 4)
                .affineLr(1)
                .backend(Backend.cpu())
                .build()) {
            ReferenceStateDict.load(file, "", layer);
            for (Parameter parameter : layer.parameters()) {
                if (parameter.name().endsWith("affine.scale")) {
                    assertArrayEquals(scale, parameter.value().toFloatArray(), parameter.name());
                }
            }
            ReferenceStateDict.save(file, "", layer);
        }
    }

    @Test
    void aFileThatDoesNotFitChangesNothing() throws IOException {
        Path file = folder.resolve("bad");
        float[] codes = Arrays.copyOf(TrainedLayer.normal(2), 8 * 32);
        refused(file, new SafetensorsWriter(), "need a tensor codebook.weight F32[8, 32]");
        refused(
                file,
                new SafetensorsWriter().floats("encoder.vq.codebook.weight", codes, 8, 32),
                "got none, but with other prefixes [encoder.vq.codebook.weight]");
        refused(file, new SafetensorsWriter().floats("codebook.weight", codes, 32, 8), "got F32[32, 8]");
        refused(file, new SafetensorsWriter().doubles("codebook.weight", new double[256], 8, 32), "got F64[8, 32]");
        refused(
                file,
                new SafetensorsWriter().floats("codebook.weight", codes, 8, 32).floats("_counts", new float[8], 8),
                "need whole _counts from 1 to replaceFreq = 3, got 0.0");
        refused(
                file,
                new SafetensorsWriter()
                        .floats("codebook.weight", codes, 8, 32)
                        .floats("affine_transform.scale", new float[32], 1, 32),
                "need a layer with a place for affine_transform.scale");
        refused(
                file,
                new SafetensorsWriter()
                        .floats("codebook.weight", codes, 8, 32)
                        .floats("norm_layer.weight", new float[32], 32),
                "need a layer with a place for norm_layer.weight");
        float[] bad = codes.clone();
        bad[70] = Float.NaN;
        refused(
                file,
                new SafetensorsWriter().floats("codebook.weight", bad, 8, 32),
                file + ": need finite numbers in codebook.weight, got NaN at position 70");
        try (VectorQuant layer = VectorQuant.builder(32, 8)
                .affineLr(1)
                .norm(Norm.BATCH)
                .backend(Backend.cpu())
                .build()) {
            for (String name : List.of("affine_transform.scale", "affine_transform.bias", "norm_layer.running_var")) {
                assertEquals(
                        file + ": need finite numbers in " + name + ", got Infinity at position 5",
                        refusalWith(file, layer, name, values -> values[5] = Float.POSITIVE_INFINITY));
            }
            assertEquals(
                    file + ": need variances of at least 0 in norm_layer.running_var, got -1.0 at position 5",
                    refusalWith(file, layer, "norm_layer.running_var", values -> values[5] = -1));
        }
        try (VectorQuant layer = VectorQuant.builder(32, 8)
                .statisticsAffine(true)
                .affineGroups(2)
                .backend(Backend.cpu())
                .build()) {
            String message = refusalWith(
                    file, layer, "affine_transform.running_ze_mean", values -> values[values.length - 1] += 1);
            assertTrue(message.contains("the same moments of the input in every row"), message);
        }
    }

    /** Writes a file again, with one tensor changed. */
    private static void changed(Path file, String tensor, Consumer<float[]> change) throws IOException {
        SafetensorsWriter writer = new SafetensorsWriter();
        try (SafetensorsFile saved = SafetensorsFile.open(file)) {
            for (String name : saved.names()) {
                if (saved.type(name).equals("I64")) {
                    writer.longs(name, saved.longs(name), saved.shape(name));
                    continue;
                }
                float[] values = saved.floats(name);
                if (name.equals(tensor)) {
                    change.accept(values);
                }
                writer.floats(name, values, saved.shape(name));
            }
        }
        writer.write(file);
    }

    /** What loading the layer's own state_dict says with a tensor changed. */
    private static String refusalWith(Path file, VectorQuant layer, String tensor, Consumer<float[]> change)
            throws IOException {
        ReferenceStateDict.save(file, "", layer);
        changed(file, tensor, change);
        return refusal(file, layer);
    }

    private void refused(Path file, SafetensorsWriter writer, String part) throws IOException {
        writer.write(file);
        try (VectorQuant layer =
                VectorQuant.builder(32, 8).replaceFreq(3).backend(Backend.cpu()).build()) {
            String message = refusal(file, layer);
            assertTrue(message.contains(part), message);
        }
    }

    /** What the layer says that refuses a file, and is as it was. */
    private static String refusal(Path file, VectorQuant layer) throws IOException {
        byte[] before = CheckpointTest.bytes(layer);
        String message = assertThrows(IllegalArgumentException.class, () -> ReferenceStateDict.load(file, "", layer))
                .getMessage();
        assertArrayEquals(before, CheckpointTest.bytes(layer));
        return message;
    }
}
