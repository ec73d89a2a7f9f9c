package io.github.vq4j;

import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Rows;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.jspecify.annotations.Nullable;

/**
 * A group (product) quantizer: every row is split into groups of contiguous features, and each sub-vector is replaced by
 * its nearest code, of a codebook of its own or of one that all groups share. {@link Quantizer} has the formulas; the loss
 * is the mean over all sub-vectors.
 *
 * <p>Codes have the shape of z with the groups on the feature axis. The codes of group g with a codebook of its own begin
 * at g * numCodes / groups.
 *
 * <p>Made by {@link #builder}.
 */
public final class GroupVectorQuant extends Quantizer {
    private final int groups;
    private final boolean share;

    private GroupVectorQuant(Builder options, RowSums sums) {
        super(options, sums, options.codebookCount());
        groups = options.groups;
        share = options.share;
    }

    /**
     * Starts the description of a layer.
     *
     * @param featureSize D, at least 1
     * @param numCodes codes of all codebooks together, at least 1
     * @param groups at least 1; divides featureSize, and numCodes too unless the codebook is shared
     */
    public static Builder builder(int featureSize, int numCodes, int groups) {
        return new Builder(featureSize, numCodes, groups);
    }

    @Override
    public GroupVectorQuant train() {
        super.train();
        return this;
    }

    @Override
    public GroupVectorQuant eval() {
        super.eval();
        return this;
    }

    @Override
    public GroupVectorQuant copy(Backend backend) {
        return (GroupVectorQuant) super.copy(backend);
    }

    @Override
    int codesOfRow() {
        return groups;
    }

    @Override
    void assign(Pass pass, boolean training) {
        place(pass);
        Halves unread = share ? null : pass.input.takeUnread();
        for (int g = 0; g < pass.assignments().size(); g++) {
            if (!share) {
                takeGroup(pass, unread, g);
            }
            int number = g;
            withVectors(pass, "z", () -> assign(pass, number, training));
        }
    }

    /** @param unread the rows in 16 bits; null: they are there */
    private void takeGroup(Pass pass, @Nullable Halves unread, int group) {
        Assignment part = pass.assignment(group);
        if (unread == null) {
            kernels.tensors.takeFeatures(pass.normalised, pass.rows, firstFeature(group), part.rows.features(), part.z);
        } else {
            FloatPointer kept = pass.keepsZ ? pass.normalised : null;
            kernels.tensors.takeFeatures(unread, kept, pass.rows, firstFeature(group), part.rows.features(), part.z);
        }
    }

    /** Runs operations on the vectors of a shared codebook, of which a tensor's failures name the row. */
    private void withVectors(Pass pass, String tensor, Runnable operations) {
        if (!share) {
            operations.run();
            return;
        }
        Rows rows = pass.rows;
        Rows vectors = replacedVectors(pass);
        kernels.withFailures(
                failure -> failure.tensor().equals(tensor)
                        ? new NotFiniteException(tensor, rows.rowOf(failure.row(), vectors))
                        : failure,
                operations);
    }

    @Override
    void prepareToDecode(Pass pass) {
        place(pass);
        for (int g = 0; g < codebooks.size(); g++) {
            codebooks.get(g).prepareForInference(pass.codebook(g));
        }
    }

    /** Where the rows and codes of each group lie: the sub-vectors of a shared codebook are rows as they stand. */
    private void place(Pass pass) {
        Rows rows = pass.rows;
        long width = rows.features() / groups;
        if (share) {
            Rows all = replacedVectors(pass);
            pass.assignment(0).of(pass.normalised, all, codesOf(pass, 0, all));
            return;
        }
        Rows part = new Rows(rows.outer(), width, rows.inner());
        for (int g = 0; g < groups; g++) {
            Assignment assignment = pass.assignment(g);
            assignment.of(assignment.ownRows(part), part, codesOf(pass, g, part));
        }
    }

    @Override
    void writeOutput(Pass pass, FloatPointer out) {
        for (int g = 0; g < pass.assignments().size(); g++) {
            Assignment part = pass.assignment(g);
            FloatPointer e = share ? out : pass.scratch.atLeast(part.rows.elements());
            kernels.assignment.lookup(
                    pass.codebook(g).effective(), codebooks.get(g).codes(), part.codes, part.rows, e);
            if (!share) {
                kernels.tensors.putFeatures(e, pass.rows, firstFeature(g), part.rows.features(), out);
            }
        }
    }

    @Override
    void takeCodes(Pass pass, Tensor codes, int axis) {
        if (share) {
            super.takeCodes(pass, codes, axis);
        } else {
            pass.decoded = reached(pass, codes);
        }
    }

    /** All groups in one pass over the rows: their codebooks, one below the other, are small beside these. */
    @Override
    void writeDecoded(Pass pass, FloatPointer out) {
        if (share) {
            writeOutput(pass, out);
            return;
        }
        Rows rows = pass.rows;
        Rows codebook = Rows.matrix(codebooks.get(0).codes(), codebooks.get(0).features());
        FloatPointer all = pass.scratch.atLeast(groups * codebook.elements());
        for (int g = 0; g < groups; g++) {
            FloatPointer effective = pass.codebook(g).effective();
            FloatPointer place = new FloatPointer(all).position(g * codebook.elements());
            kernels.tensors.takeFeatures(effective, codebook, 0, codebook.features(), place);
        }
        Rows codes = new Rows(rows.outer(), groups, rows.inner());
        kernels.assignment.lookupGroups(all, codebook.outer(), pass.decoded, codes, codebook.features(), out);
    }

    @Override
    List<Assignment> lossTerms(Pass pass) {
        return pass.assignments();
    }

    @Override
    Rows replacedVectors(Pass pass) {
        return new Rows(pass.rows.outer() * groups, pass.rows.features() / groups, pass.rows.inner());
    }

    @Override
    void differentiate(Pass pass, TaskGradient task, double mean, FloatPointer out) {
        if (share) {
            withVectors(pass, "gradient", () -> differentiateAssignment(pass, 0, task.ofRows, task.ofCodes, mean, out));
            return;
        }
        for (int g = 0; g < groups; g++) {
            Assignment part = pass.assignment(g);
            FloatPointer ofRows = takeGroup(pass, g, task.ofRows, part.ownGradient());
            FloatPointer ofCodes =
                    task.ofCodes == task.ofRows ? ofRows : takeGroup(pass, g, task.ofCodes, part.ownCodeGradient());
            FloatPointer result = pass.scratch.atLeast(part.rows.elements());
            if (pass.failsAtOnce && g + 1 < groups) {
                codebooks.get(g).keepGradientApart(pass.codebook(g)); // the task's may be bad in a later group
            }
            differentiateAssignment(pass, g, ofRows, ofCodes, mean, result);
            kernels.tensors.putFeatures(result, pass.rows, firstFeature(g), part.rows.features(), out);
        }
    }

    private @Nullable FloatPointer takeGroup(Pass pass, int group, @Nullable FloatPointer whole, FloatPointer part) {
        if (whole == null) {
            return null;
        }
        kernels.tensors.takeFeatures(
                whole,
                pass.rows,
                firstFeature(group),
                pass.assignment(group).rows.features(),
                part);
        return part;
    }

    private long firstFeature(int group) {
        return (long) group * codebooks.get(group).features();
    }

    /** Options of {@link GroupVectorQuant}. */
    public static final class Builder extends QuantizerBuilder<Builder> {
        private final int groups;
        private boolean share;

        private Builder(int featureSize, int numCodes, int groups) {
            super(featureSize, numCodes);
            this.groups = Arguments.atLeastOne("groups", groups);
        }

        @Override
        void visitOptions(NamedOptions options) {
            super.visitOptions(options);
            options.integer("groups", groups);
            share(options.flag("share", share));
        }

        @Override
        int codebookFeatures() {
            return lookupFeatures() / groups;
        }

        @Override
        int codebookCount() {
            return share ? 1 : groups;
        }

        /** One codebook of numCodes x featureSize / groups for all groups; off by default. */
        public Builder share(boolean share) {
            this.share = share;
            return this;
        }

        /**
         * The layer described.
         *
         * @throws IllegalArgumentException if options contradict each other or do not divide
         */
        @Override
        public GroupVectorQuant build() {
            Arguments.divides("groups", groups, lookupName(), lookupFeatures());
            if (!share) {
                Arguments.divides("groups", groups, "numCodes", numCodes);
            }
            OptionRules.check(this, share ? numCodes : numCodes / groups);
            return new GroupVectorQuant(this, sums());
        }

        @Override
        String codesName() {
            return share ? super.codesName() : "numCodes / groups";
        }

        @Override
        Builder self() {
            return this;
        }
    }
}
