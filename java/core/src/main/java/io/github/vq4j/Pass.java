package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;

/** The memory of one pass of rows through a layer, reused by later passes, and what its backward needs of it. */
final class Pass implements AutoCloseable {
    final NativeFloats input;
    final NativeFloats output;
    final NativeFloats outputGradient;
    final NativeFloats inputGradient;
    final TaskGradient taskGradient;
    final MaskedRows mask;
    final Projection.State projection;
    final InputNorm.State norm;
    final Scratch<FloatPointer> normalisedGradient;
    final Scratch<FloatPointer> scratch;
    private final Kernels kernels;
    final Scratch<IntPointer> stagesOfRows;
    private final Scratch<IntPointer> codes;
    private final Scratch<IntPointer> allCodes;
    private final Scratch<FloatPointer> allDistances;
    private @Nullable BeamSearch beams;
    private final List<Codebook.State> codebooks = new ArrayList<>();
    private final List<Assignment> assignments = new ArrayList<>();

    /** z as the caller gave it, and as kernels see it. */
    Tensor tensor;

    FloatPointer wholeZ;

    /** Whether rows in 16 bits are read again after the first assignment. */
    boolean keepsZ;

    /** Whether distances and losses are wanted. */
    boolean measures;

    boolean isMasked;
    long samples;

    /** Whether operations of the backward throw as they are called: not in a batch. */
    boolean failsAtOnce;

    /** How many of the assignments the pass makes: the first of them. */
    int used;

    /** The rows that take part, as they are. */
    FloatPointer given;

    Rows givenRows;

    /** The rows that are quantized: those, projected where there is a projection, and normalised. */
    FloatPointer z;

    FloatPointer normalised;
    Rows rows;

    /** Codes that are decoded, of all groups. */
    IntPointer decoded;

    Pass(Kernels kernels, int codebookCount, int assignmentCount) {
        this.kernels = kernels;
        input = new NativeFloats(kernels);
        output = new NativeFloats(kernels);
        outputGradient = new NativeFloats(kernels);
        inputGradient = new NativeFloats(kernels);
        taskGradient = new TaskGradient(kernels);
        mask = new MaskedRows(kernels);
        projection = new Projection.State(kernels);
        norm = new InputNorm.State(kernels);
        normalisedGradient = Scratch.floats(kernels);
        scratch = Scratch.floats(kernels);
        stagesOfRows = Scratch.ints(kernels);
        codes = Scratch.ints(kernels);
        allCodes = Scratch.ints(kernels);
        allDistances = Scratch.floats(kernels);
        for (int i = 0; i < codebookCount; i++) {
            codebooks.add(new Codebook.State(kernels));
        }
        for (int i = 0; i < assignmentCount; i++) {
            assignments.add(new Assignment(kernels));
        }
    }

    /** The search for the codes of residual stages, where there is one. */
    BeamSearch beams(int width, int stages) {
        if (beams == null) {
            beams = new BeamSearch(kernels, width, stages);
        }
        return beams;
    }

    /** Leaves all rows out. */
    void leaveAllOut(Rows whole) {
        isMasked = true;
        mask.takeNone(whole);
        rows = mask.selection().matrix();
    }

    /** Whether no row takes part. */
    boolean isEmpty() {
        return rows.count() == 0;
    }

    Codebook.State codebook(int number) {
        return codebooks.get(number);
    }

    Assignment assignment(int number) {
        return assignments.get(number);
    }

    List<Assignment> assignments() {
        return assignments;
    }

    /** The codes of all assignments, one after the other. */
    IntPointer codes(long count) {
        return codes.atLeast(count);
    }

    /** Codes and distances as the layer gives them, one stage beside the other. */
    IntPointer allCodes(long count) {
        return allCodes.atLeast(count);
    }

    FloatPointer allDistances(long count) {
        return allDistances.atLeast(count);
    }

    Kernels kernels() {
        return kernels;
    }

    @Override
    public void close() {
        input.close();
        output.close();
        outputGradient.close();
        inputGradient.close();
        taskGradient.close();
        mask.close();
        projection.close();
        norm.close();
        normalisedGradient.close();
        scratch.close();
        stagesOfRows.close();
        codes.close();
        allCodes.close();
        allDistances.close();
        if (beams != null) {
            beams.close();
        }
        codebooks.forEach(Codebook.State::close);
        assignments.forEach(Assignment::close);
    }
}
