package io.github.vq4j.benchmarks;

import io.github.vq4j.Backend;
import io.github.vq4j.CodePacking;
import io.github.vq4j.DataType;
import io.github.vq4j.GroupVectorQuant;
import io.github.vq4j.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Vectors to packed product codes and back: a group layer with packed codes, and FAISS's product quantizer. */
final class ProductCodesRows {
    private ProductCodesRows() {}

    /**
     * Measures encoding, then decoding.
     *
     * @param codebooks those of the groups, one below the other
     */
    static List<Report.Row> measure(Comparison comparison, Peers peers, Matrix rows, Matrix codebooks, int groups) {
        long numbers = rows.rows() * rows.columns();
        List<Report.Row> measured = new ArrayList<>();
        try (GroupVectorQuant layer = layer(rows, codebooks, groups);
                Tensor codes = Tensor.allocate(DataType.INT32, rows.rows(), groups);
                Tensor vectors = Tensor.allocate(DataType.FLOAT32, rows.rows(), rows.columns());
                Tensor words = Tensor.allocate(DataType.INT32, layer.packing().words(codes.size()))) {
            CodePacking packing = layer.packing();
            Tensor z = rows.tensor();
            Contender encode = new KernelCall(
                    () -> {
                        layer.encode(z, codes);
                        packing.pack(codes, words);
                    },
                    words::toIntArray);
            Contender decode = new KernelCall(
                    () -> {
                        packing.unpack(words, codes);
                        layer.decode(codes, vectors);
                    },
                    () -> Bits.of(vectors.toFloatArray()));
            Comparison.Task encoding = new Comparison.Task(
                    Operation.ENCODE,
                    rows.rows(),
                    codebooks.rows(),
                    rows.columns(),
                    "normal, " + groups + " groups",
                    2.0 * numbers * codebooks.rows() / groups,
                    0,
                    null,
                    null);
            Comparison.Task decoding = new Comparison.Task(
                    Operation.DECODE,
                    rows.rows(),
                    codebooks.rows(),
                    rows.columns(),
                    "normal, " + groups + " groups",
                    0,
                    (double) numbers * Float.BYTES + words.size() * Integer.BYTES,
                    null,
                    null);
            measured.add(withFaiss(comparison, peers, encoding, encode, "encode", rows, codebooks, groups));
            measured.add(withFaiss(comparison, peers, decoding, decode, "decode", rows, codebooks, groups));
        }
        return measured;
    }

    private static Report.Row withFaiss(
            Comparison comparison,
            Peers peers,
            Comparison.Task task,
            Contender ours,
            String command,
            Matrix rows,
            Matrix codebooks,
            int groups) {
        List<Contender> contenders = new ArrayList<>(List.of(ours));
        if (peers.faiss() != null) {
            contenders.add(peers.faiss().product(command, rows, codebooks, groups));
        }
        return comparison.measure(task, contenders);
    }

    private static GroupVectorQuant layer(Matrix rows, Matrix codebooks, int groups) {
        GroupVectorQuant layer = GroupVectorQuant.builder((int) rows.columns(), (int) codebooks.rows(), groups)
                .dim(-1)
                .backend(Backend.cpu())
                .build();
        layer.eval();
        long codesOfGroup = codebooks.rows() / groups;
        for (int group = 0; group < groups; group++) {
            float[] values = new float[Math.toIntExact(codesOfGroup * codebooks.columns())];
            for (int code = 0; code < codesOfGroup; code++) {
                float[] row = codebooks.row(group * codesOfGroup + code);
                System.arraycopy(row, 0, values, code * row.length, row.length);
            }
            layer.setCodebook(group, Tensor.of(values, codesOfGroup, codebooks.columns()));
        }
        return layer;
    }
}
