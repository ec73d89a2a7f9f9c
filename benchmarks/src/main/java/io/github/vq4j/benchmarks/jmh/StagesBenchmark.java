package io.github.vq4j.benchmarks.jmh;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** Stages of a residual layer: dropout and beam search. */
public class StagesBenchmark extends OperationData {
    private static final int BEAMS = 4;
    private static final int CANDIDATES = 4;
    private static final int STAGES = 8;

    private IntPointer stages;
    private FloatPointer distances;
    private IntPointer candidates;
    private IntPointer paths;
    private LongPointer parents;
    private IntPointer newCodes;
    private IntPointer newPaths;
    private FloatPointer newDistances;
    private IntPointer best;

    @Override
    protected void prepareMore() {
        long beams = (long) rows * BEAMS;
        stages = ints((long) rows);
        distances = normal(11, beams * CANDIDATES);
        int[] distinct = new int[(int) (beams * CANDIDATES)];
        for (int i = 0; i < distinct.length; i++) {
            distinct[i] = i % CANDIDATES;
        }
        candidates = ints(distinct);
        int[] ofBeams = new int[(int) (beams * STAGES)];
        for (int i = 0; i < ofBeams.length; i++) {
            ofBeams[i] = i / STAGES % BEAMS;
        }
        paths = ints(ofBeams);
        parents = longs(beams);
        newCodes = ints(beams);
        newPaths = ints(beams * STAGES);
        newDistances = floats(beams);
        best = ints((long) rows * STAGES);
    }

    /** How many stages each row uses. */
    @Benchmark
    public void drawStages() {
        kernels.stages.drawStages(1, 1, null, rows, rows, rows, 1, STAGES, stages);
    }

    /** Four beams of four candidates each. */
    @Benchmark
    public void extendBeams() {
        kernels.stages.extendBeams(
                distances,
                candidates,
                paths,
                rows,
                BEAMS,
                CANDIDATES,
                STAGES,
                STAGES - 1,
                BEAMS,
                parents,
                newCodes,
                newPaths,
                newDistances);
    }

    /** The best of four beams. */
    @Benchmark
    public void chooseBeams() {
        kernels.stages.chooseBeams(distances, paths, rows, BEAMS, STAGES, best);
    }
}
