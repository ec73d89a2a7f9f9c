package io.github.vq4j.benchmarks;

import java.util.ArrayList;
import java.util.List;

/** Nearest codes of rows: one call of vq4j's layer, of libtorch's two ways, and of FAISS. */
final class AssignmentRows {
    private AssignmentRows() {}

    /**
     * Measures a size.
     *
     * @param operation {@link Operation#ASSIGNMENT} or {@link Operation#LATENCY}
     * @param data where the rows come from
     */
    static Report.Row measure(
            Comparison comparison, Peers peers, Operation operation, Matrix rows, Matrix codebook, String data) {
        List<Contender> contenders = new ArrayList<>();
        try (org.bytedeco.pytorch.Tensor z = peers.libtorch() ? rows.torch() : new org.bytedeco.pytorch.Tensor();
                org.bytedeco.pytorch.Tensor codes =
                        peers.libtorch() ? codebook.torch() : new org.bytedeco.pytorch.Tensor()) {
            contenders.add(
                    operation == Operation.LATENCY
                            ? new FrozenAssignment(rows, codebook)
                            : new LayerAssignment(rows, codebook));
            if (peers.libtorch()) {
                contenders.add(new LibtorchCall(
                        "libtorch, matmul + argmin", () -> LibtorchQuantizer.assignByMatmul(z, codes)));
                contenders.add(
                        new LibtorchCall("libtorch, cdist + top-k", () -> LibtorchQuantizer.assignByCdist(z, codes)));
            }
            // A call through a pipe says nothing about latency.
            if (peers.faiss() != null && operation == Operation.ASSIGNMENT) {
                contenders.add(peers.faiss().assignment(rows, codebook));
            }
            return comparison.measure(Comparison.Task.ofCodes(operation, rows, codebook, data), contenders);
        } finally {
            Comparison.close(contenders);
        }
    }
}
