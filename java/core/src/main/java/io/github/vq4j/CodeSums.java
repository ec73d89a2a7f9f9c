package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import java.util.Iterator;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;

/**
 * Sums for one of Lloyd's moves, of all groups: for each group in turn the sum of the rows of every code, K x D / groups,
 * how many they are, K, and the sum of the squared distances. Sums of numbers are in fixed point.
 */
final class CodeSums implements DistributedRows.Task<long[]> {
    private static final long serialVersionUID = 1;

    private final float[][] codebooks;
    private final int featureSize;
    private final int width;
    private final int numCodes;
    private final long rowsOfAll;
    private final int exponentOfRows;
    private final int exponentOfDistances;

    /**
     * Sums for a move.
     *
     * @param codebooks within the rows' range
     * @param featureSize D
     * @param survey of all rows
     */
    CodeSums(float[][] codebooks, int featureSize, RowSurvey survey) {
        this.codebooks = codebooks;
        this.featureSize = featureSize;
        width = featureSize / codebooks.length;
        numCodes = codebooks[0].length / width;
        rowsOfAll = survey.rows();
        exponentOfRows = WorkerSums.exponent(survey.largest(), rowsOfAll);
        exponentOfDistances = WorkerSums.exponent(largestDistance(survey.largest(), width), rowsOfAll);
    }

    /** The most that a squared distance can be between two vectors of numbers up to a magnitude. */
    static double largestDistance(double largest, int features) {
        return 4 * largest * largest * features;
    }

    @Override
    public long[] run(Iterator<Tensor> blocks) {
        Kernels kernels = Backend.best().kernels();
        long[] totals = new long[codebooks.length * numbersOfGroup()];
        GroupSums[] groups = new GroupSums[codebooks.length];
        try (RowBlock block = new RowBlock(kernels, featureSize);
                Scratch<FloatPointer> part = Scratch.floats(kernels)) {
            for (int g = 0; g < groups.length; g++) {
                groups[g] = new GroupSums(kernels, codebooks[g]);
            }
            while (block.read(blocks)) {
                Rows rows = Rows.matrix(block.rows().count(), width);
                for (int g = 0; g < groups.length; g++) {
                    FloatPointer z = block.values();
                    if (groups.length > 1) {
                        z = part.atLeast(rows.elements());
                        kernels.tensors.takeFeatures(block.values(), block.rows(), (long) g * width, width, z);
                    }
                    groups[g].add(z, rows, totals, g * numbersOfGroup());
                }
            }
        } finally {
            for (GroupSums group : groups) {
                if (group != null) {
                    group.close();
                }
            }
        }
        return totals;
    }

    @Override
    public long[] combine(long[] one, long[] other) {
        for (int i = 0; i < one.length; i++) {
            one[i] += other[i];
        }
        return one;
    }

    /** The mean over all elements of the squared error. */
    double objective(long[] totals) {
        double sum = 0;
        for (int g = 1; g <= codebooks.length; g++) {
            sum += Math.scalb((double) totals[g * numbersOfGroup() - 1], -exponentOfDistances);
        }
        return sum / rowsOfAll / featureSize;
    }

    /** The codebooks with each code that has rows at their mean. */
    float[][] move(long[] totals) {
        Kernels kernels = Backend.cpu().kernels();
        float[][] moved = new float[codebooks.length][numCodes * width];
        try (Memory<LongPointer> numbers = Memory.longs(kernels, numCodes * (width + 1L));
                Memory<FloatPointer> sums = Memory.floats(kernels, (long) numCodes * width);
                Memory<FloatPointer> codebook = Memory.floats(kernels, (long) numCodes * width)) {
            for (int g = 0; g < codebooks.length; g++) {
                numbers.pointer().put(totals, g * numbersOfGroup(), numCodes * (width + 1));
                kernels.workers.fromFixedPoint(
                        numbers.pointer(), (long) numCodes * width, exponentOfRows, 1, sums.pointer());
                kernels.write(codebooks[g], codebook.pointer());
                LongPointer counts = numbers.pointer().getPointer((long) numCodes * width);
                kernels.clustering.updateCentroids(sums.pointer(), counts, numCodes, width, codebook.pointer());
                kernels.read(codebook.pointer(), moved[g]);
            }
        }
        return moved;
    }

    private int numbersOfGroup() {
        return numCodes * (width + 1) + 1;
    }

    /** The codebook of a group, and room for the sums of a block. */
    private final class GroupSums implements AutoCloseable {
        private final Kernels kernels;
        private final Memory<FloatPointer> codebook;
        private final Memory<Pointer> packed;
        private final Memory<LongPointer> sums;
        private final Scratch<IntPointer> codes;
        private final Scratch<FloatPointer> distances;
        private final long[] sumsOfBlock = new long[numCodes * width];
        private final long[] countsOfBlock = new long[numCodes];
        private final long[] distanceOfBlock = new long[1];

        GroupSums(Kernels kernels, float[] values) {
            this.kernels = kernels;
            codebook = Memory.floats(kernels, values.length);
            packed = Memory.bytes(kernels, kernels.assignment.packedCodebookBytes(numCodes, width));
            sums = Memory.longs(kernels, values.length);
            codes = Scratch.ints(kernels);
            distances = Scratch.floats(kernels);
            kernels.write(values, codebook.pointer());
            kernels.assignment.packCodebook(codebook.pointer(), numCodes, width, packed.pointer());
        }

        void add(FloatPointer z, Rows rows, long[] totals, int begin) {
            IntPointer nearest = codes.atLeast(rows.count());
            FloatPointer squared = distances.atLeast(rows.count());
            kernels.assignment.assign(z, rows, packed.pointer(), numCodes, nearest);
            kernels.assignment.codeDistances(
                    z, rows, codebook.pointer(), nearest, 1, Distance.SQUARED_EUCLIDEAN.kind(), squared);
            kernels.workers.fixedPointScatter(z, rows, nearest, numCodes, null, 1, exponentOfRows, sums.pointer());
            int next = add(sumsOfBlock, totals, begin);
            kernels.assignment.countCodes(nearest, rows.count(), numCodes, sums.pointer());
            next = add(countsOfBlock, totals, next);
            Rows column = Rows.matrix(rows.count(), 1);
            kernels.workers.fixedPointScatter(squared, column, null, 1, null, 1, exponentOfDistances, sums.pointer());
            add(distanceOfBlock, totals, next);
        }

        /** Adds what was summed, and gives the place behind. */
        private int add(long[] ofBlock, long[] totals, int begin) {
            kernels.read(sums.pointer(), ofBlock);
            for (int i = 0; i < ofBlock.length; i++) {
                totals[begin + i] += ofBlock[i];
            }
            return begin + ofBlock.length;
        }

        @Override
        public void close() {
            codebook.close();
            packed.close();
            sums.close();
            codes.close();
            distances.close();
        }
    }
}
