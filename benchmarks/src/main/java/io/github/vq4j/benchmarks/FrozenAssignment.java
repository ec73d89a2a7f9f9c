package io.github.vq4j.benchmarks;

import io.github.vq4j.Backend;
import io.github.vq4j.FrozenQuantizer;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;

/** Codes of rows by a frozen quantizer of vq4j into memory of the caller's, as services ask for them. */
final class FrozenAssignment implements Contender {
    private final FrozenQuantizer quantizer;
    private final Tensor rows;
    private final Tensor codes;

    FrozenAssignment(Matrix rows, Matrix codebook) {
        this.rows = rows.tensor();
        try (VectorQuant layer = VectorQuant.builder((int) codebook.columns(), (int) codebook.rows())
                .dim(-1)
                .backend(Backend.cpu())
                .build()) {
            layer.setCodebook(codebook.tensor());
            quantizer = layer.freeze();
        }
        codes = quantizer.encode(this.rows);
    }

    @Override
    public String name() {
        return Report.OURS;
    }

    @Override
    public void run() {
        quantizer.encode(rows, codes);
    }

    @Override
    public int[] result() {
        return codes.toIntArray();
    }

    @Override
    public void close() {
        codes.close();
        quantizer.close();
    }
}
