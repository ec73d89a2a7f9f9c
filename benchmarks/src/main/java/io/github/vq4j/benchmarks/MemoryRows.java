package io.github.vq4j.benchmarks;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.SteppedTensors;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.pytorch.AdamW;
import org.bytedeco.pytorch.AdamWOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Kernels whose bound is the memory, against a copy of as many bytes. The bytes are those that a call has to read and to
 * write once; rows of the codebook count once, too. All contenders write large results where they wrote them before: new pages
 * of the system for every call would cost libtorch several times as much as its work.
 */
final class MemoryRows implements AutoCloseable {
    private static final Kernels KERNELS = Kernels.cpu();
    private static final double LEARNING_RATE = 1e-3;

    /** at::Reduction::None. */
    private static final long NO_REDUCTION = 0;

    private final Comparison comparison;
    private final Peers peers;
    private final Matrix rows;
    private final Matrix codebook;
    private final Memory<IntPointer> codes;

    /** Rows with random codes. */
    MemoryRows(Comparison comparison, Peers peers, long rowsCount, long codesCount, long features) {
        this.comparison = comparison;
        this.peers = peers;
        rows = Matrix.normal(1, rowsCount, features);
        codebook = Matrix.normal(2, codesCount, features);
        codes = Memory.ints(KERNELS, rowsCount);
        java.util.Random random = new java.util.Random(4);
        int[] drawn = random.ints(rowsCount, 0, (int) codesCount).toArray();
        KERNELS.write(drawn, codes.pointer());
    }

    /** Sums of rows by code. */
    Report.Row scatter() {
        try (Matrix sums = new Matrix(codebook.rows(), rows.columns())) {
            KernelCall ours = new KernelCall(
                    () -> KERNELS.loss.scatter(
                            rows.floats(), rows.layout(), codes.pointer(), codebook.rows(), sums.floats()),
                    () -> Bits.of(sums.floats(), sums.rows() * sums.columns()));
            return measure(Operation.SCATTER, bytes(rows) + codeBytes() + bytes(codebook), ours, (z, c, q) -> {
                // An operation in place returns a view of its object, not an owner.
                Tensor zeros = torch.zeros(codebook.rows(), rows.columns());
                zeros.index_add_(0, q, z);
                return zeros;
            });
        }
    }

    /** Mean and variance of every feature. */
    Report.Row moments() {
        try (Matrix mean = new Matrix(1, rows.columns());
                Matrix variance = new Matrix(1, rows.columns())) {
            KernelCall ours = new KernelCall(
                    () -> KERNELS.norms.moments(
                            "rows", rows.floats(), rows.layout(), 1, rows.columns(), mean.floats(), variance.floats()),
                    () -> Bits.of(variance.floats(), rows.columns()));
            return measure(
                    Operation.MOMENTS, bytes(rows), ours, (z, c, q) -> torch.var_mean(z, new long[] {0}, false, false)
                            .get0()
                            // A part of a tuple is a view, not an owner.
                            .clone());
        }
    }

    /** The vectors of the codes. */
    Report.Row lookup() {
        try (Matrix out = new Matrix(rows.rows(), rows.columns());
                Matrix torchOut = new Matrix(rows.rows(), rows.columns());
                Tensor o = peers.libtorch() ? torchOut.torch() : new Tensor()) {
            KernelCall ours = new KernelCall(
                    () -> KERNELS.assignment.lookup(
                            codebook.floats(), codebook.rows(), codes.pointer(), rows.layout(), out.floats()),
                    () -> Bits.of(out.floats(), out.rows() * out.columns()));
            return measure(Operation.LOOKUP, bytes(rows) + codeBytes() + bytes(codebook), ours, (z, c, q) -> {
                torch.index_select_out(o, c, 0, q);
                return o.detach(); // what is returned is released
            });
        }
    }

    /** Squared errors of the rows and their mean. libtorch makes them of whole matrices, in memory that is there. */
    Report.Row loss() {
        try (Matrix chosen = new Matrix(rows.rows(), rows.columns());
                Matrix squares = new Matrix(rows.rows(), rows.columns());
                Tensor e = peers.libtorch() ? chosen.torch() : new Tensor();
                Tensor s = peers.libtorch() ? squares.torch() : new Tensor();
                Memory<FloatPointer> distances = Memory.floats(KERNELS, rows.rows());
                Memory<DoublePointer> sampleMean = Memory.doubles(KERNELS, 1);
                Memory<DoublePointer> mean = Memory.doubles(KERNELS, 1)) {
            KernelCall ours = new KernelCall(
                    () -> KERNELS.loss.commitmentLoss(
                            rows.floats(),
                            rows.layout(),
                            codebook.floats(),
                            codes.pointer(),
                            1,
                            distances.pointer(),
                            sampleMean.pointer(),
                            mean.pointer(),
                            null,
                            null),
                    () -> Bits.of(distances.pointer(), rows.rows()));
            return measure(Operation.LOSS, bytes(rows) + 2 * codeBytes() + bytes(codebook), ours, (z, c, q) -> {
                torch.index_select_out(e, c, 0, q);
                return torch.mse_loss_out(s, z, e, NO_REDUCTION).mean();
            });
        }
    }

    /** A step of AdamW on as many parameters as the rows have elements: 4 reads and 3 writes of each. */
    Report.Row optimizer() {
        long count = rows.rows() * rows.columns();
        try (Matrix parameter = Matrix.normal(5, rows.rows(), rows.columns());
                Matrix first = new Matrix(rows.rows(), rows.columns());
                Matrix second = new Matrix(rows.rows(), rows.columns());
                Memory<LongPointer> steps = Memory.longs(KERNELS, 2);
                SteppedTensors stepped = new SteppedTensors(1, 4)) {
            stepped.add(
                    count,
                    steps.pointer(),
                    List.of(parameter.floats(), rows.floats(), first.floats(), second.floats()));
            Runnable restart = () -> {
                KERNELS.clear(steps.pointer(), 2 * Long.BYTES);
                KERNELS.tensors.fillNormal(5, 0, count, parameter.floats());
                KERNELS.clear(first.floats(), count * Float.BYTES);
                KERNELS.clear(second.floats(), count * Float.BYTES);
            };
            Contender ours = new Restarted(
                    restart,
                    new KernelCall(
                            () -> KERNELS.optimizers.adamStep(
                                    stepped, List.of(), LEARNING_RATE, 0.9, 0.999, 1e-8, 0.01, true),
                            () -> Bits.of(parameter.floats(), count)));
            List<Contender> contenders = new ArrayList<>(List.of(ours));
            try {
                if (peers.libtorch()) {
                    contenders.add(new LibtorchAdamW());
                }
                return comparison.measure(task(Operation.OPTIMIZER, 7 * bytes(rows)), contenders);
            } finally {
                Comparison.close(contenders);
            }
        }
    }

    /** What libtorch computes of rows, codebook and codes. */
    private interface Peer {
        Tensor of(Tensor rows, Tensor codebook, Tensor codes);
    }

    private Report.Row measure(Operation operation, double bytes, Contender ours, Peer peer) {
        List<Contender> contenders = new ArrayList<>(List.of(ours));
        try (Tensor z = peers.libtorch() ? rows.torch() : new Tensor();
                Tensor c = peers.libtorch() ? codebook.torch() : new Tensor();
                Tensor q = peers.libtorch() ? torchCodes() : new Tensor()) {
            if (peers.libtorch()) {
                contenders.add(new LibtorchCall("libtorch", () -> peer.of(z, c, q)));
            }
            return comparison.measure(task(operation, bytes), contenders);
        } finally {
            Comparison.close(contenders);
        }
    }

    private Tensor torchCodes() {
        return torch.from_blob(
                        codes.pointer(),
                        new long[] {rows.rows()},
                        new org.bytedeco.pytorch.TensorOptions(torch.ScalarType.Int))
                .to(torch.ScalarType.Long);
    }

    private Comparison.Task task(Operation operation, double bytes) {
        return new Comparison.Task(
                operation, rows.rows(), codebook.rows(), rows.columns(), "normal", 0, bytes, null, null);
    }

    private static double bytes(Matrix matrix) {
        return (double) Float.BYTES * matrix.rows() * matrix.columns();
    }

    private double codeBytes() {
        return (double) Integer.BYTES * rows.rows();
    }

    @Override
    public void close() {
        codes.close();
        codebook.close();
        rows.close();
    }

    /** A contender that changes its own input. */
    private record Restarted(Runnable begin, Contender contender) implements Contender {
        @Override
        public String name() {
            return contender.name();
        }

        @Override
        public void run() {
            contender.run();
        }

        @Override
        public void restart() {
            begin.run();
        }

        @Override
        public int[] result() {
            return contender.result();
        }
    }

    /** libtorch's optimiser on a parameter whose gradient is the rows. */
    private final class LibtorchAdamW implements Contender {
        private Tensor parameter;
        private AdamW optimizer;

        LibtorchAdamW() {
            begin();
        }

        private void begin() {
            try (Matrix start = Matrix.normal(5, rows.rows(), rows.columns());
                    Tensor values = start.torch();
                    Tensor gradient = rows.torch()) {
                parameter = values.clone();
                parameter.requires_grad_();
                parameter.mutable_grad().put(gradient);
            }
            optimizer = new AdamW(new TensorVector(parameter), new AdamWOptions(LEARNING_RATE));
        }

        @Override
        public String name() {
            return "libtorch";
        }

        @Override
        public void run() {
            optimizer.step();
        }

        @Override
        public void restart() {
            close();
            begin();
        }

        @Override
        public int[] result() {
            return LibtorchCall.bits(parameter.narrow(0, 0, 1));
        }

        @Override
        public void close() {
            optimizer.close();
            parameter.close();
        }
    }
}
