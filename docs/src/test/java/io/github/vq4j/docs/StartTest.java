package io.github.vq4j.docs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.Backend;
import io.github.vq4j.Checkpoint;
import io.github.vq4j.CodePacking;
import io.github.vq4j.CodebookHealth;
import io.github.vq4j.CodebookReport;
import io.github.vq4j.FiniteScalarQuant;
import io.github.vq4j.FrozenQuantizer;
import io.github.vq4j.Gradients;
import io.github.vq4j.GroupVectorQuant;
import io.github.vq4j.Optimizer;
import io.github.vq4j.Quantized;
import io.github.vq4j.ReferenceStateDict;
import io.github.vq4j.ResidualVectorQuant;
import io.github.vq4j.RowMask;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The snippets of the pages that need the core alone. */
class StartTest {
    @TempDir
    private Path folder;

    @Test
    void trainsInsideANetwork() {
        Tensor z = rows(64, 16);
        Tensor gradOutput = rows(64, 16);
        // docs: step
        VectorQuant layer = VectorQuant.builder(16, 256) // rows of 16 features, 256 codes
                .dim(-1) // the last axis has the features; 1 by default, for B x C x H x W
                .kmeansInit(true)
                .build();
        Optimizer optimizer = Optimizer.adamW(1e-3);

        Quantized q = layer.forward(z); // your encoder made z; your decoder gets q.output()
        Gradients gradients = layer.backward(gradOutput, 1.0); // the task's gradient, and alpha, the weight of the loss
        Tensor forTheEncoder = gradients.input(); // go on with it in your own backward
        optimizer.step(layer);
        // docs: end
        assertEquals(z.size(), forTheEncoder.size());
        assertTrue(q.loss() > 0);
        q.close();
        gradients.close();
        optimizer.close();
        layer.close();
    }

    @Test
    void encodesAndDecodes() throws IOException {
        Tensor z = rows(512, 16);
        VectorQuant layer =
                VectorQuant.builder(16, 256).dim(-1).kmeansInit(true).build();
        layer.forward(z).close();
        Path file = folder.resolve("quantizer.safetensors");
        // docs: frozen
        try (FrozenQuantizer frozen = layer.freeze()) { // a plain codebook: affine and norms are folded in
            frozen.save(file);
        }
        try (FrozenQuantizer frozen = FrozenQuantizer.load(file);
                Tensor codes = frozen.encode(z); // INT32; safe from several threads at once
                Tensor restored = frozen.decode(codes)) {
            CodePacking packing = frozen.packing();
            byte[] packed = packing.pack(codes); // 8 bits a code here
            Tensor unpacked = packing.unpack(packed, codes.shape());
            // docs: end
            assertArrayEquals(codes.toIntArray(), unpacked.toIntArray());
            assertEquals(512, packed.length);
            assertEquals(z.size(), restored.size());
        }
        layer.close();
    }

    @Test
    void goesOnFromACheckpoint() throws IOException {
        VectorQuant layer = VectorQuant.builder(16, 32).dim(-1).build();
        Optimizer optimizer = Optimizer.adamW(1e-3);
        layer.forward(rows(64, 16)).close();
        layer.backward(null, 1).close();
        optimizer.step(layer);
        Path file = folder.resolve("checkpoint.safetensors");
        // docs: checkpoint
        Checkpoint.save(file, layer, optimizer); // safetensors: options, codebooks, moments, counters, seeds

        try (Checkpoint saved = Checkpoint.load(file)) { // goes on bit for bit, on whatever backend
            VectorQuant again = (VectorQuant) saved.layer();
            Optimizer itsOptimizer = saved.optimizers().get(0);
            // docs: end
            assertArrayEquals(layer.codebook().toFloatArray(), again.codebook().toFloatArray());
            assertEquals(optimizer.learningRate(), itsOptimizer.learningRate());
        }
        optimizer.close();
        layer.close();
    }

    @Test
    void readsAStateDict() throws IOException {
        Path file = folder.resolve("model.safetensors");
        Tensor z = rows(64, 16);
        float[] trained;
        try (VectorQuant there = VectorQuant.builder(16, 256)
                .dim(-1)
                .kmeansInit(true)
                .affineLr(2)
                .replaceFreq(20)
                .build()) {
            there.forward(z).close();
            trained = there.codebook().toFloatArray();
            ReferenceStateDict.save(file, "encoder.vq.", there);
        }
        // docs: state-dict
        VectorQuant layer = VectorQuant.builder(16, 256) // with the options that it was trained with
                .dim(-1)
                .kmeansInit(true)
                .affineLr(2)
                .replaceFreq(20)
                .build();
        ReferenceStateDict.load(file, "encoder.vq.", layer); // the names' prefix in the model's state_dict
        int[] codes = layer.eval().encode(z).toIntArray();
        // docs: end
        assertArrayEquals(trained, layer.codebook().toFloatArray());
        assertEquals(64, codes.length);
        layer.close();
    }

    @Test
    void otherLayersHaveTheSameCalls() {
        Tensor z = rows(128, 16);
        // docs: layers
        GroupVectorQuant product =
                GroupVectorQuant.builder(16, 4 * 256, 4).dim(-1).build(); // 4 parts, 4 bytes a row
        ResidualVectorQuant residual =
                ResidualVectorQuant.builder(16, 4 * 256, 4).dim(-1).build(); // a sum of 4
        FiniteScalarQuant fsq =
                FiniteScalarQuant.builder(8, 5, 5, 5).dim(-1).build(); // 4 features, 1,000 codes, no codebook

        Tensor codes = residual.encode(z); // 128 x 4
        Tensor coarse = residual.decode(residual.encode(z, 2), 2); // the first two stages alone
        // docs: end
        assertArrayEquals(new long[] {128, 4}, codes.shape());
        assertEquals(z.size(), coarse.size());
        codes.close();
        coarse.close();
        product.close();
        residual.close();
        fsq.close();
    }

    @Test
    void leavesPaddingOut() {
        VectorQuant layer = VectorQuant.builder(4, 8).dim(-1).build();
        Tensor z = rows(2, 3, 4);
        // docs: mask
        RowMask mask = RowMask.of(new boolean[] {true, true, false, true, false, false}, 2, 3); // B x N of B x N x D
        Quantized q = layer.forward(z, mask); // padding has code -1 and takes part in nothing
        // docs: end
        assertEquals(-1, q.codes().toIntArray()[2]);
        q.close();
        layer.close();
    }

    @Test
    void watchesACodebook() throws IOException {
        VectorQuant layer = VectorQuant.builder(16, 64).dim(-1).kmeansInit(true).build();
        Path file = folder.resolve("health.csv");
        // docs: health
        try (CodebookHealth health = CodebookHealth.of(layer, 100)) { // over a window of 100 batches
            for (int step = 0; step < 5; step++) {
                layer.forward(rows(256, 16)).close();
                CodebookReport report = health.observe().get(0);
                if (report.collapsed()) {
                    System.out.println("collapsed: " + report);
                }
            }
            health.writeCsv(file); // vq4j plot draws it
        }
        // docs: end
        assertTrue(file.toFile().length() > 0);
        layer.close();
    }

    @Test
    void aGoodStart() {
        // docs: good-start
        VectorQuant layer = VectorQuant.builder(32, 256)
                .kmeansInit(true) // codes where the first batch is
                .affineLr(2) // a batch that moves takes unused codes along
                .replaceFreq(20) // what is unused for 20 batches becomes a random row
                .build();
        // docs: end
        layer.close();
    }

    @Test
    void theSameBitsByAnyNumberOfThreads() {
        Tensor z = rows(1000, 16);
        int before = Backend.cpuThreads();
        // docs: same-bits
        float[][] codebooks = new float[2][];
        for (int threads : new int[] {1, 2}) {
            Backend.setCpuThreads(threads);
            try (VectorQuant layer = VectorQuant.builder(16, 64)
                            .dim(-1)
                            .kmeansInit(true)
                            .seed(7)
                            .build();
                    Optimizer optimizer = Optimizer.adamW(1e-2)) {
                for (int step = 0; step < 10; step++) {
                    layer.forward(z).close();
                    layer.backward(null, 1.0).close();
                    optimizer.step(layer);
                }
                codebooks[threads - 1] = layer.codebook().toFloatArray();
            }
        }
        // codebooks[0] and codebooks[1] are equal, bit for bit
        // docs: end
        Backend.setCpuThreads(before);
        assertArrayEquals(codebooks[0], codebooks[1]);
    }

    @Test
    void worksInMemoryOfTheCallers() {
        VectorQuant layer = VectorQuant.builder(16, 64).dim(-1).build();
        // docs: zero-copy
        FloatBuffer rows = ByteBuffer.allocateDirect(4 * 1024 * 16)
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer();
        Tensor z = Tensor.of(rows, 1024, 16); // a view of the buffer: nothing is copied, before or in the call
        Tensor output = Tensor.of(
                ByteBuffer.allocateDirect(4 * 1024 * 16)
                        .order(ByteOrder.nativeOrder())
                        .asFloatBuffer(),
                1024,
                16);
        try (Quantized q = layer.forward(z, output)) { // written into output, step after step
            System.out.println(q.perplexity());
        }
        // docs: end
        assertTrue(output.toFloatArray()[0] != 0);
        layer.close();
    }

    @Test
    void saysWhereItRuns() {
        // docs: where
        System.out.println(Backend.best()); // cpu (avx512_vnni, 2 threads), for example
        Backend.whyNoCuda().ifPresent(reason -> System.out.println("no CUDA: " + reason));
        // docs: end
        assertTrue(Backend.best().name().matches("cpu|cuda:0"));
    }

    private static Tensor rows(long... shape) {
        int size = 1;
        for (long axis : shape) {
            size *= (int) axis;
        }
        Random random = new Random(1);
        float[] values = new float[size];
        for (int i = 0; i < size; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, shape);
    }
}
