package io.github.vq4j.benchmarks.jmh;

import io.github.vq4j.internal.Rows;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** Parts of tensors: features, rows and codes; half of the rows are taken. */
public class PartsBenchmark extends OperationData {
    private static final int GROUPS = 8;

    private LongPointer order;
    private LongPointer count;
    private int chosen;
    private FloatPointer part;
    private IntPointer someCodes;
    private IntPointer stagesOfCodes;
    private Rows stages;
    private IntPointer words;
    private long wordsCount;

    @Override
    protected void prepareMore() {
        chosen = rows / 2;
        order = everyNth(Math.max(rows, 1), 2);
        count = longs(1);
        part = floats(layout.elements());
        someCodes = ints((long) rows);
        stagesOfCodes = ints((long) rows * GROUPS);
        stages = Rows.matrix(rows, GROUPS);
        wordsCount = (long) rows * GROUPS;
        words = ints(wordsCount);
        for (int stage = 0; stage < GROUPS; stage++) {
            kernels.tensors.putCodes(codesOfRows, layout, GROUPS, stage, stage * codes, stagesOfCodes);
        }
        kernels.tensors.packCodes(stagesOfCodes, stages, codes, words, wordsCount);
    }

    /** Half of the features. */
    @Benchmark
    public void takeFeatures() {
        kernels.tensors.takeFeatures(z, layout, 0, Math.max(1, features / 2), part);
    }

    /** Half of the features, back. */
    @Benchmark
    public void putFeatures() {
        kernels.tensors.putFeatures(part, layout, 0, Math.max(1, features / 2), out);
    }

    /** Every second row. */
    @Benchmark
    public void takeRows() {
        kernels.tensors.takeRows(z, layout, order, chosen, part);
    }

    /** Every second row, back. */
    @Benchmark
    public void putRows() {
        kernels.tensors.putRows(part, order, chosen, layout, out);
    }

    /** Codes of a stage among those of eight. */
    @Benchmark
    public void putCodes() {
        kernels.tensors.putCodes(codesOfRows, layout, GROUPS, 0, 0, stagesOfCodes);
    }

    /** Codes of one stage of eight. */
    @Benchmark
    public void takeCodes() {
        kernels.tensors.takeCodes(stagesOfCodes, layout, GROUPS, 0, 0, 0, someCodes);
    }

    /** Codes of every second row. */
    @Benchmark
    public void takeCodesOfRows() {
        kernels.tensors.takeCodesOfRows(codesOfRows, Rows.matrix(rows, 1), order, chosen, someCodes);
    }

    /** Codes of every second row, back. */
    @Benchmark
    public void putCodesOfRows() {
        kernels.tensors.putCodesOfRows(someCodes, order, chosen, Rows.matrix(rows, 1), codesOfRows);
    }

    /** Numbers of the rows with codes of the upper half. */
    @Benchmark
    public void rowsAbove() {
        kernels.tensors.rowsAbove(codesOfRows, rows, codes / 2, order, count);
    }

    /** One code everywhere. */
    @Benchmark
    public void fillCodes() {
        kernels.tensors.fillCodes(0, rows, someCodes);
    }

    /** A sum of two tensors. */
    @Benchmark
    public void weightedSum() {
        kernels.tensors.weightedSum(0.5f, z, 0.5f, gradient, layout.elements(), out);
    }

    /** Eight codes a row as bits. */
    @Benchmark
    public void packCodes() {
        kernels.tensors.packCodes(stagesOfCodes, stages, codes, words, wordsCount);
    }

    /** And back. */
    @Benchmark
    public void unpackCodes() {
        kernels.tensors.unpackCodes(words, wordsCount, stages, codes, stagesOfCodes);
    }
}
