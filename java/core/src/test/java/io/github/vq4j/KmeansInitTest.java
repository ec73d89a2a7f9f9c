package io.github.vq4j;

import static io.github.vq4j.GroupVectorQuantTest.normal;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What a layer gives whose codebooks wait for k-means: nothing that lasts. */
class KmeansInitTest {
    private static final Tensor Z = Tensor.of(normal(1, 40 * 6), 40, 6);

    static List<Backend> backends() {
        return Backends.all();
    }

    private static VectorQuant layer(Backend backend) {
        return VectorQuant.builder(6, 8)
                .dim(-1)
                .kmeansInit(true)
                .backend(backend)
                .build();
    }

    @ParameterizedTest
    @MethodSource("backends")
    void randomCodesAreNeitherEncodedNorDecodedNorFrozen(Backend backend) {
        try (VectorQuant layer = layer(backend).eval();
                Tensor codes = Tensor.of(new int[] {3}, 1)) {
            refused(() -> layer.encode(Z), "codebook 0 of this VectorQuant", "kmeansInit");
            refused(() -> layer.decode(codes), "kmeansInit");
            refused(layer::freeze, "kmeansInit");
            layer.train().forward(Z).close();
            layer.eval().encode(Z).close();
            layer.decode(codes).close();
            layer.freeze().close();
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void aCodebookThatIsSetIsUsed(Backend backend) {
        try (VectorQuant layer = layer(backend);
                Tensor codebook = Tensor.of(normal(2, 8 * 6), 8, 6)) {
            layer.setCodebook(codebook);
            layer.encode(Z).close();
        }
    }

    /** Dropout has left the last stage out of the first batch: the others encode. */
    @ParameterizedTest
    @MethodSource("backends")
    void theStagesThatHaveHadRowsAreUsed(Backend backend) {
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(6, 16, 2)
                .dim(-1)
                .kmeansInit(true)
                .quantizerDropout(1, false)
                .backend(backend)
                .build()) {
            int[] stages = layer.forward(Z).codes().toIntArray();
            assertEquals(-1, stages[1], "the seed draws one stage");
            layer.encode(Z, 1).close();
            refused(() -> layer.encode(Z), "codebook 1 of this ResidualVectorQuant");
        }
    }

    /** As a validation before the first step does. */
    @Test
    void aForwardInInferenceWarnsOnce() {
        try (VectorQuant layer = layer(Backend.cpu()).eval()) {
            String log = Log.during(() -> layer.forward(Z).close());
            assertTrue(log.contains("codebook 0 of this VectorQuant") && log.contains("kmeansInit"), log);
            assertEquals("", Log.during(() -> layer.forward(Z).close()));
        }
        try (VectorQuant layer = layer(Backend.cpu())) {
            assertEquals("", Log.during(() -> layer.forward(Z).close()), "training initialises");
            assertEquals("", Log.during(() -> layer.eval().forward(Z).close()));
        }
    }

    @Test
    void aCheckpointFromBeforeTheTrainingIsNotFrozen(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("layer.safetensors");
        try (VectorQuant layer = layer(Backend.cpu())) {
            Checkpoint.save(file, layer);
        }
        String message = assertThrows(IOException.class, () -> FrozenQuantizer.load(file))
                .getMessage();
        assertTrue(message.contains(file.toString()) && message.contains("kmeansInit"), message);
    }

    private static void refused(Executable call, String... words) {
        String message = assertThrows(IllegalStateException.class, call).getMessage();
        for (String word : words) {
            assertTrue(message.contains(word), message);
        }
    }
}
