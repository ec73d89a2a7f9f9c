package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.examples.Pictures;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Images of one grey are learned until nothing is lost: 0 has no place on an axis of logarithms. */
class ZeroCurvesTest {
    private static final int ITERATIONS = 30;

    @TempDir
    private Path folder;

    @Test
    void aLossOfZeroIsDrawn() throws IOException {
        Curves curves = new Curves(ITERATIONS);
        curves.taskLoss[0] = 1;
        RunSummary summary = new RunSummary("baseline", 1, ITERATIONS, 0, 0, 0, 1, 0, 1);
        Path file = folder.resolve("curves.png");
        CurvesPicture.write(List.of(new RunResult(Method.BASELINE, summary, curves, new float[0])), file);
        Pictures.check(file);
    }

    @Test
    void aDistanceOfZeroIsDrawn() throws IOException {
        List<EmbeddingHistory.Divergence> divergences =
                List.of(new EmbeddingHistory.Divergence(1, 1, 1, 1, 1), new EmbeddingHistory.Divergence(2, 0, 0, 0, 1));
        Path file = folder.resolve("divergence.png");
        DivergencePicture.write(
                List.of(new EmbeddingRun("affine", "affine", Color.BLACK, List.of(), divergences)), file);
        Pictures.check(file);
    }
}
