package io.github.vq4j.benchmarks;

import io.github.vq4j.Backend;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import org.jspecify.annotations.Nullable;

/** Codes of rows by a layer of vq4j in evaluation, as programs ask for them. */
final class LayerAssignment implements Contender {
    private final VectorQuant layer;
    private final Tensor rows;
    private @Nullable Tensor codes;

    LayerAssignment(Matrix rows, Matrix codebook) {
        this.rows = rows.tensor();
        layer = VectorQuant.builder((int) codebook.columns(), (int) codebook.rows())
                .dim(-1)
                .backend(Backend.cpu())
                .build();
        layer.setCodebook(codebook.tensor());
        layer.eval();
    }

    @Override
    public String name() {
        return Report.OURS;
    }

    @Override
    public void run() {
        if (codes != null) {
            codes.close();
        }
        codes = layer.encode(rows);
    }

    @Override
    public int[] result() {
        return codes.toIntArray();
    }

    @Override
    public void close() {
        if (codes != null) {
            codes.close();
        }
        layer.close();
    }
}
