package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

class CheckpointTest {
    /** Options by the builder's fields that have other names. */
    private static final Map<String, String> OTHER_NAMES = Map.of(
            "alternation", "alternated",
            "estimator", "gradientEstimator",
            "emaDecay", "ema",
            "minStages", "quantizerDropout",
            "dropsBySample", "quantizerDropout.bySample");

    @TempDir
    Path folder;

    // ---- resuming ----------------------------------------------------------------------------------------------

    /** Every kind of layer, saved before and during training, on every backend, continued on every one. */
    @TestFactory
    Stream<DynamicTest> aRunThatIsResumedEndsAsOneThatIsNotInterrupted() {
        List<DynamicTest> tests = new ArrayList<>();
        TrainedLayer.builders().forEach((name, builder) -> {
            for (Backend first : Backends.all()) {
                for (Backend then : Backends.all()) {
                    tests.add(dynamicTest(
                            name + ", " + first.name() + " then " + then.name(), () -> resume(builder, first, then)));
                }
            }
        });
        return tests.stream();
    }

    private void resume(Supplier<QuantizerBuilder<?>> builder, Backend first, Backend then) throws IOException {
        for (int saved : new int[] {0, 2}) {
            Path file = folder.resolve("saved");
            byte[] expected;
            try (Quantizer layer = builder.get().backend(first).build();
                    Optimizer optimizer = Optimizer.adamW(0)) {
                TrainedLayer.train(layer, optimizer, 0, saved);
                Checkpoint.save(file, layer, optimizer);
                TrainedLayer.train(layer, optimizer, saved, saved + 3);
                expected = bytes(layer, optimizer);
            }
            try (Checkpoint loaded = Checkpoint.load(file, then)) {
                assertArrayEquals(
                        Files.readAllBytes(file),
                        bytes(loaded.layer(), loaded.optimizers().get(0)));
                TrainedLayer.train(loaded.layer(), loaded.optimizers().get(0), saved, saved + 3);
                assertArrayEquals(
                        expected, bytes(loaded.layer(), loaded.optimizers().get(0)), "loaded at " + saved);
            }
            try (Quantizer layer = builder.get().backend(then).build();
                    Optimizer optimizer = Optimizer.adamW(0)) {
                TrainedLayer.train(layer, optimizer, 7, 8);
                Checkpoint.restore(file, layer, optimizer);
                TrainedLayer.train(layer, optimizer, saved, saved + 3);
                assertArrayEquals(expected, bytes(layer, optimizer), "restored at " + saved);
            }
        }
    }

    @Test
    void everyOptionAndStepIsInTheBytes() throws IOException {
        Set<Integer> seen = new TreeSet<>();
        int cases = 0;
        for (Supplier<QuantizerBuilder<?>> builder : TrainedLayer.builders().values()) {
            try (Quantizer layer = builder.get().backend(Backend.cpu()).build();
                    Optimizer optimizer = Optimizer.adamW(0)) {
                for (int step = 0; step < 3; step++, cases++) {
                    seen.add(Arrays.hashCode(bytes(layer, optimizer)));
                    TrainedLayer.train(layer, optimizer, step, step + 1);
                }
            }
        }
        assertEquals(cases, seen.size());
    }

    @Test
    void theOptimizersSettingsComeBack() throws IOException {
        Path file = folder.resolve("settings");
        try (VectorQuant layer = small().build();
                Optimizer sgd = Optimizer.sgd(0.25, 0.5);
                Adam adam = Optimizer.adam(0.125).betas(0.5, 0.75).epsilon(1e-3)) {
            Checkpoint.save(file, layer, sgd, adam);
        }
        try (Checkpoint loaded = Checkpoint.load(file, Backend.cpu());
                Adam other = Optimizer.adam(9)) {
            assertEquals(0.25, loaded.optimizers().get(0).learningRate());
            assertEquals(0.125, loaded.optimizers().get(1).learningRate());
            Path again = folder.resolve("again");
            Checkpoint.restore(file, loaded.layer(), loaded.optimizers().get(0), other);
            Checkpoint.save(again, loaded.layer(), loaded.optimizers().get(0), other);
            assertArrayEquals(Files.readAllBytes(file), Files.readAllBytes(again));
        }
    }

    @Test
    void aLayerMayBeRestoredWithoutItsOptimizers() throws IOException {
        Path file = trained(small());
        try (VectorQuant layer = small().build()) {
            Checkpoint.restore(file, layer);
            try (Checkpoint loaded = Checkpoint.load(file, Backend.cpu())) {
                assertArrayEquals(
                        ((VectorQuant) loaded.layer()).codebook().toFloatArray(),
                        layer.codebook().toFloatArray());
            }
        }
    }

    @Test
    void aPendingBackwardAndOldGradientsAreForgotten() throws IOException {
        Path file = trained(small());
        try (VectorQuant layer = small().build();
                Optimizer optimizer = Optimizer.adamW(0.1)) {
            TrainedLayer.train(layer, optimizer, 0, 1);
            layer.forward(TrainedLayer.batch(1)).close();
            Checkpoint.restore(file, layer, optimizer);
            assertThrows(IllegalStateException.class, () -> layer.backward(null, 1));
            assertThrows(IllegalStateException.class, () -> optimizer.step(layer));
        }
    }

    @Test
    void anOptionThatAFileDoesNotNameHasItsDefault() throws IOException {
        Path file = trained(small());
        Path older = edited(file, edit -> edit.metadata.remove("layer.syncNu"));
        try (Checkpoint loaded = Checkpoint.load(older, Backend.cpu())) {
            assertEquals("0.0", loaded.layer().options().get("syncNu"));
        }
    }

    /** Whoever adds an option to a builder has to add it to those that are saved. */
    @Test
    void everyOptionOfABuilderIsSaved() {
        for (QuantizerBuilder<?> builder : List.of(
                VectorQuant.builder(32, 4),
                GroupVectorQuant.builder(32, 4, 2),
                ResidualVectorQuant.builder(32, 4, 2))) {
            Set<String> fields = new TreeSet<>();
            for (Class<?> type = builder.getClass(); type != Object.class; type = type.getSuperclass()) {
                for (Field field : type.getDeclaredFields()) {
                    if (!Modifier.isStatic(field.getModifiers()) && !field.isSynthetic()) {
                        fields.add(OTHER_NAMES.getOrDefault(field.getName(), field.getName()));
                    }
                }
            }
            fields.removeAll(Set.of("backend", "workers"));
            fields.add("kind");
            assertEquals(fields, builder.named().keySet());
        }
    }

    // ---- files that do not fit ---------------------------------------------------------------------------------

    @Test
    void aLayerWithAnotherOptionIsRefusedByName() throws IOException {
        Path file = trained(small());
        Map<String, VectorQuant.Builder> others = Map.of(
                "featureSize = 64", VectorQuant.builder(64, 8).replaceFreq(2),
                "numCodes = 9", VectorQuant.builder(32, 9).replaceFreq(2),
                "beta = 0.5", small().beta(0.5),
                "dim = -2", small().dim(-2),
                "norm = UNIT", small().norm(Norm.UNIT),
                "codebookNorm = UNIT", small().codebookNorm(CodebookNorm.UNIT),
                "affineLr = 1.0", small().affineLr(1),
                "seed = 7", small().seed(7),
                "replaceFreq = 3", small().replaceFreq(3),
                "alternated = SGD", small().alternated(Optimizer.sgd(1), 1, false));
        others.forEach((option, builder) -> {
            try (VectorQuant layer = builder.backend(Backend.cpu()).build()) {
                String message = untouched(layer, file);
                assertTrue(message.contains("need " + option + " as"), message);
                assertTrue(message.startsWith(file.toString()), message);
            }
        });
        try (GroupVectorQuant layer =
                GroupVectorQuant.builder(32, 8, 1).backend(Backend.cpu()).build()) {
            assertTrue(untouched(layer, file).contains("need kind = GroupVectorQuant as"));
        }
        try (VectorQuant layer =
                small().alternated(Optimizer.sgd(1, 0.5), 1, false).build()) {
            Path alternated = trained(small().alternated(Optimizer.sgd(1, 0.25), 1, false));
            assertTrue(untouched(layer, alternated).contains("need alternated.momentum = 0.5 as"));
        }
    }

    @Test
    void otherOptimizersAreRefused() throws IOException {
        Path file = trained(small());
        try (VectorQuant layer = small().build()) {
            assertTrue(untouched(layer, file, Optimizer.sgd(1)).contains("need optimizer.0 = SGD as"));
            assertTrue(
                    untouched(layer, file, Optimizer.adamW(1, 0.5)).contains("need optimizer.0.weightDecay = 0.5 as"));
            assertTrue(untouched(layer, file, Optimizer.adam(1)).contains("optimizer.0.decoupled = false"));
            assertTrue(untouched(layer, file, Optimizer.adamW(1), Optimizer.adamW(1))
                    .contains("as were saved, 1, or none, got 2"));
            Optimizer closed = Optimizer.adamW(1);
            closed.close();
            assertThrows(IllegalStateException.class, () -> Checkpoint.restore(file, layer, closed));
            assertThrows(IllegalStateException.class, () -> Checkpoint.save(file, layer, closed));
        }
    }

    private record Edit(Map<String, String> metadata, Map<String, Object> tensors) {}

    @TestFactory
    Stream<DynamicTest> filesThatAreNotWholeAreRefused() throws IOException {
        Path file = trained(small());
        Map<String, Consumer<Edit>> edits = new LinkedHashMap<>();
        edits.put("need format vq4j.checkpoint of version 1, got null", edit -> edit.metadata.remove("format"));
        edits.put("got vq4j.checkpoint of version 2", edit -> edit.metadata.put("version", "2"));
        edits.put("need option kind = VectorQuant,", edit -> edit.metadata.put("layer.kind", "Sorter"));
        edits.put("need option featureSize, got none", edit -> edit.metadata.remove("layer.featureSize"));
        edits.put("need option beta = a number, got \"much\"", edit -> edit.metadata.put("layer.beta", "much"));
        edits.put("need beta in [0, 1], got NaN", edit -> edit.metadata.put("layer.beta", "NaN"));
        edits.put("need option dim = a whole number", edit -> edit.metadata.put("layer.dim", "5000000000"));
        edits.put("need option norm = one of", edit -> edit.metadata.put("layer.norm", "NORM"));
        edits.put("need option kmeansInit = true or false", edit -> edit.metadata.put("layer.kmeansInit", "1"));
        edits.put(
                "need options that this version knows, got [colour]", edit -> edit.metadata.put("layer.colour", "red"));
        edits.put("need at least 0 optimisers, got -1", edit -> edit.metadata.put("optimizers", "-1"));
        edits.put("need 2000000000 optimisers, got 1", edit -> edit.metadata.put("optimizers", "2000000000"));
        edits.put("need option optimizer.0 = none, SGD or Adam", edit -> edit.metadata.put("optimizer.0", "Newton"));
        edits.put("need a tensor codebook F32[8, 32], got none", edit -> edit.tensors.remove("codebook"));
        edits.put(
                "need a tensor codebook F32[8, 32], got F32[256]",
                edit -> edit.tensors.put("codebook", new float[256]));
        edits.put(
                "need a tensor trainingSteps I64[], got F32[1]",
                edit -> edit.tensors.put("trainingSteps", new float[1]));
        edits.put("need 0 <= trainingSteps", edit -> edit.tensors.put("trainingSteps", -1L));
        edits.put("need 0 <= awaitsKmeans <= 1, got 2", edit -> edit.tensors.put("awaitsKmeans", 2L));
        edits.put(
                "need 1 <= replacement.counters <= 2, got 0",
                edit -> edit.tensors.put("replacement.counters", new int[8]));
        edits.put(
                "need learningRate >= 0 and finite, got -1.0",
                edit -> edit.tensors.put("optimizer.0.learningRate", -1.0));
        edits.put(
                "need the state of this layer and no more, got [more]", edit -> edit.tensors.put("more", new float[3]));
        return edits.entrySet().stream()
                .map(edit -> dynamicTest(edit.getKey(), () -> {
                    Path broken = edited(file, edit.getValue());
                    String message = assertThrows(IOException.class, () -> Checkpoint.load(broken, Backend.cpu()))
                            .getMessage();
                    assertTrue(message.contains(edit.getKey()), message);
                    assertTrue(message.startsWith(broken.toString()), message);
                    try (VectorQuant layer = small().build();
                            Optimizer optimizer = Optimizer.adamW(1)) {
                        TrainedLayer.train(layer, optimizer, 0, 1);
                        untouched(layer, broken, optimizer);
                    }
                }));
    }

    @Test
    void optionsThatAskForMoreMemoryThanTheFileHasAreRefused() throws Throwable {
        Path file = trained(small());
        Path large = edited(file, edit -> {
            edit.metadata.put("layer.numCodes", "30000000");
            edit.metadata.put("layer.featureSize", "32");
        });
        Path wide = edited(trained(GroupVectorQuant.builder(32, 8, 2).share(true)), edit -> {
            edit.metadata.put("layer.groups", "1000000000");
            edit.metadata.put("layer.featureSize", "1000000000");
            edit.metadata.put("layer.norm", "BATCH");
        });
        Path squares = edited(trained(VectorQuant.builder(32, 8).linearCodebook(true)), edit -> {
            edit.metadata.put("layer.numCodes", "1");
            edit.metadata.put("layer.featureSize", "1000");
        });
        Path projections = edited(
                trained(VectorQuant.builder(32, 8).lookupSize(8)),
                edit -> edit.metadata.put("layer.featureSize", "100000000"));
        for (Path path : List.of(large, wide, squares, projections)) {
            long allocated = AllocatedMemory.of(
                    () -> assertTrue(assertThrows(IOException.class, () -> Checkpoint.load(path, Backend.cpu()))
                            .getMessage()
                            .contains("bytes of tensors")));
            assertTrue(allocated < 1 << 20, allocated + " bytes");
        }
    }

    @Test
    void aNumberThatIsNotFiniteIsRefusedByItsPlace() throws IOException {
        Supplier<VectorQuant.Builder> averages =
                () -> VectorQuant.builder(32, 4).ema(0.9).backend(Backend.cpu());
        Path file = edited(
                trained(averages.get()), edit -> edit.tensors.put("ema.sizes", new float[] {1, 2, 3, Float.NaN}));
        try (VectorQuant layer = averages.get().build()) {
            byte[] before = bytes(layer);
            String message = assertThrows(IOException.class, () -> Checkpoint.restore(file, layer))
                    .getMessage();
            assertTrue(message.contains("need finite numbers in ema.sizes, got NaN at position 3"), message);
            assertArrayEquals(before, bytes(layer));
        }
    }

    /** load would refuse it: the last file that can be read is not written over. */
    @Test
    void aLayerThatIsNoLongerFiniteIsNotSaved() throws IOException {
        Path file = trained(small());
        byte[] before = Files.readAllBytes(file);
        try (VectorQuant layer = small().build();
                Optimizer optimizer = Optimizer.sgd(0)) {
            TrainedLayer.train(layer, optimizer, 0, 1);
            optimizer.setLearningRate(1e300);
            optimizer.step(layer);
            String message = assertThrows(IllegalArgumentException.class, () -> Checkpoint.save(file, layer, optimizer))
                    .getMessage();
            assertTrue(message.startsWith("need finite numbers in codebook, got "), message);
        }
        assertArrayEquals(before, Files.readAllBytes(file));
    }

    @Test
    void aLinkStaysALinkAndTheFileBehindItIsWritten() throws IOException {
        Path file = trained(small());
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of(file.getFileName() + ".real"));
        Path real = Files.write(folder.resolve(file.getFileName() + ".real"), new byte[1]);
        try (Checkpoint saved = Checkpoint.load(file, Backend.cpu())) {
            Checkpoint.save(link, saved.layer());
        }
        assertTrue(Files.isSymbolicLink(link));
        assertTrue(Files.size(real) > 1);
    }

    @Test
    void whatIsNoFileIsNotReplaced() {
        try (VectorQuant layer = small().build()) {
            Path nowhere = folder.resolve("nowhere").resolve("file");
            for (Map.Entry<Path, String> place : Map.of(
                            folder, "got a folder", Path.of("/dev/null"), "got what is no file", nowhere, "no folder")
                    .entrySet()) {
                String message = assertThrows(IOException.class, () -> Checkpoint.save(place.getKey(), layer))
                        .getMessage();
                assertTrue(message.contains(place.getKey() + ": ") && message.contains(place.getValue()), message);
            }
        }
    }

    @Test
    void aFolderIsNoCheckpoint() {
        String message = assertThrows(IOException.class, () -> Checkpoint.load(folder, Backend.cpu()))
                .getMessage();
        assertTrue(message.contains(folder + ": need a safetensors file, got a folder"), message);
    }

    /** Whatever the bytes: an error or a layer, never a layer half restored. */
    @Test
    void noFileDoesHarm() throws Throwable {
        Path file = trained(small());
        byte[] bytes = Files.readAllBytes(file);
        int header =
                8 + (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
        Path path = folder.resolve("fuzzed");
        Random random = new Random(3);
        int refused = 0;
        try (VectorQuant layer = small().build();
                Optimizer optimizer = Optimizer.adamW(1)) {
            for (int round = 0; round < 600; round++) {
                byte[] fuzzed = round < 150 ? Arrays.copyOf(bytes, random.nextInt(bytes.length)) : bytes.clone();
                for (int i = random.nextInt(3); round >= 150 && i >= 0; i--) {
                    byte other = bytes[random.nextInt(header)];
                    fuzzed[random.nextInt(header)] = random.nextBoolean() ? (byte) random.nextInt() : other;
                }
                Files.write(path, fuzzed);
                byte[] before = bytes(layer, optimizer);
                boolean[] fine = {true};
                long allocated = AllocatedMemory.of(() -> {
                    try {
                        Checkpoint.restore(path, layer, optimizer);
                    } catch (IOException | IllegalArgumentException expected) {
                        fine[0] = false;
                    }
                });
                assertTrue(allocated < 1 << 20, allocated + " bytes");
                if (!fine[0]) {
                    refused++;
                    assertArrayEquals(before, bytes(layer, optimizer));
                }
                try (Checkpoint loaded = Checkpoint.load(path, Backend.cpu())) {
                    assertFalse(loaded.optimizers().isEmpty() && fine[0]);
                } catch (IOException expected) {
                    assertFalse(fine[0]);
                }
            }
        }
        assertTrue(refused > 400, refused + " of 600");
    }

    @Test
    void aClosedLayerIsNeitherSavedNorRestored() throws IOException {
        Path file = trained(small());
        byte[] before = Files.readAllBytes(file);
        VectorQuant layer = small().build();
        layer.close();
        assertThrows(IllegalStateException.class, () -> Checkpoint.save(file, layer));
        assertThrows(IllegalStateException.class, () -> Checkpoint.restore(file, layer));
        assertArrayEquals(before, Files.readAllBytes(file));
    }

    // ---- files -------------------------------------------------------------------------------------------------

    private static VectorQuant.Builder small() {
        return VectorQuant.builder(32, 8).replaceFreq(2).backend(Backend.cpu());
    }

    private Path trained(QuantizerBuilder<?> builder) throws IOException {
        Path file = Files.createTempFile(folder, "trained", ".safetensors");
        try (Quantizer layer = builder.backend(Backend.cpu()).build();
                Optimizer optimizer = Optimizer.adamW(0)) {
            TrainedLayer.train(layer, optimizer, 0, 2);
            Checkpoint.save(file, layer, optimizer);
        }
        return file;
    }

    /** The bytes of the file that would be saved. */
    static byte[] bytes(Quantizer layer, Optimizer... optimizers) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        Checkpoint.writer(layer, optimizers).writeTo(Channels.newChannel(bytes));
        return bytes.toByteArray();
    }

    /** That a restore fails and changes nothing; gives its message. */
    private String untouched(Quantizer layer, Path file, Optimizer... optimizers) {
        try {
            byte[] before = bytes(layer, optimizers);
            Exception failure = assertThrows(Exception.class, () -> Checkpoint.restore(file, layer, optimizers));
            assertTrue(
                    failure instanceof IOException || failure instanceof IllegalArgumentException, failure.toString());
            assertArrayEquals(before, bytes(layer, optimizers));
            return failure.getMessage();
        } catch (IOException unexpected) {
            throw new AssertionError(unexpected);
        }
    }

    /** A copy of a file with something changed. */
    private Path edited(Path path, Consumer<Edit> change) throws IOException {
        Edit edit = new Edit(new TreeMap<>(), new TreeMap<>());
        SafetensorsWriter writer = new SafetensorsWriter();
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            edit.metadata.putAll(file.metadata());
            for (String name : file.names()) {
                edit.tensors.put(name, file);
            }
            change.accept(edit);
            edit.metadata.forEach(writer::metadata);
            for (Map.Entry<String, Object> tensor : edit.tensors.entrySet()) {
                String name = tensor.getKey();
                if (tensor.getValue() instanceof float[] values) {
                    writer.floats(name, values, values.length);
                } else if (tensor.getValue() instanceof int[] values) {
                    writer.ints(name, values, values.length);
                } else if (tensor.getValue() instanceof Long value) {
                    writer.longs(name, new long[] {value});
                } else if (tensor.getValue() instanceof Double value) {
                    writer.doubles(name, new double[] {value});
                } else {
                    switch (file.type(name)) {
                        case "F32" -> writer.floats(name, file.floats(name), file.shape(name));
                        case "I32" -> writer.ints(name, file.ints(name), file.shape(name));
                        case "F64" -> writer.doubles(name, file.doubles(name), file.shape(name));
                        default -> writer.longs(name, file.longs(name), file.shape(name));
                    }
                }
            }
        }
        Path copy = Files.createTempFile(folder, "edited", ".safetensors");
        writer.write(copy);
        return copy;
    }
}
