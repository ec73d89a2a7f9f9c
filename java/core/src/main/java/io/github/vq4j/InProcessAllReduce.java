package io.github.vq4j;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.LongBinaryOperator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** {@link AllReduce} among threads of one process: everybody brings an array, and folds what all have brought. */
final class InProcessAllReduce implements AllReduce {
    private enum Operation {
        SUM(Long::sum),
        MAX(Math::max);

        final LongBinaryOperator folding;

        Operation(LongBinaryOperator folding) {
            this.folding = folding;
        }
    }

    /** What the workers bring in one call of all: complete, nobody changes it any more. */
    private static final class Round {
        final long[][] brought;
        final Operation[] operations;
        int missing;

        Round(int workers) {
            brought = new long[workers][];
            operations = new Operation[workers];
            missing = workers;
        }

        void check() {
            for (int worker = 1; worker < brought.length; worker++) {
                if (operations[worker] != operations[0]) {
                    throw new IllegalStateException("need the same operation from all workers, got " + operations[0]
                            + " and " + operations[worker] + "; do all call the same methods in the same order?");
                }
                if (brought[worker].length != brought[0].length) {
                    throw new IllegalStateException("need arrays of one length from all workers, got "
                            + brought[0].length + " and " + brought[worker].length
                            + "; do all call the same methods in the same order?");
                }
            }
        }
    }

    /** Where the workers of a group come together. */
    private static final class Meeting {
        private final int workers;
        private final Duration patience;
        private Round round;

        /** Why nobody is to wait any more. */
        private @Nullable String end;

        Meeting(int workers, Duration patience) {
            this.workers = workers;
            this.patience = patience;
            round = new Round(workers);
        }

        /** Waits until all have brought something. */
        synchronized Round bring(int worker, Operation operation, long[] values) {
            checkGoesOn();
            Round own = round;
            if (own.brought[worker] != null) {
                throw new IllegalStateException("need an AllReduce of its own for each of the " + workers
                        + " workers, got number " + worker + " from two threads at a time");
            }
            own.brought[worker] = values.clone();
            own.operations[worker] = operation;
            own.missing--;
            if (own.missing == 0) {
                round = new Round(workers);
                notifyAll();
            } else {
                awaitOthers(worker, own);
            }
            return own;
        }

        private void awaitOthers(int worker, Round own) {
            long begin = System.nanoTime();
            while (own.missing > 0) {
                checkGoesOn();
                long left = patience.toNanos() - (System.nanoTime() - begin);
                if (left <= 0) {
                    end("one of the " + workers + " workers did not come within " + patience.toMillis()
                            + " ms; did it fail, or not call the same method?");
                } else {
                    awaitChange(worker, left);
                }
            }
        }

        private void awaitChange(int worker, long nanos) {
            try {
                TimeUnit.NANOSECONDS.timedWait(this, nanos);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                end("worker " + worker + " of the " + workers
                        + " workers was interrupted while it waited for the others");
                throw new IllegalStateException("interrupted while waiting for the other workers", interrupted);
            }
        }

        /** Sends all away, those that wait and those that come. Who has a complete round is not concerned. */
        synchronized void end(String reason) {
            if (end == null) {
                end = reason;
                notifyAll();
            }
        }

        private void checkGoesOn() {
            if (end != null) {
                throw new IllegalStateException(end);
            }
        }
    }

    private final Meeting meeting;
    private final int number;

    private InProcessAllReduce(Meeting meeting, int number) {
        this.meeting = meeting;
        this.number = number;
    }

    static List<AllReduce> group(int workers, Duration patience) {
        Meeting meeting = new Meeting(Arguments.atLeastOne("workers", workers), patience);
        return IntStream.range(0, workers)
                .<AllReduce>mapToObj(number -> new InProcessAllReduce(meeting, number))
                .toList();
    }

    @Override
    public int workers() {
        return meeting.workers;
    }

    @Override
    public void sum(long[] values) {
        fold(values, Operation.SUM);
    }

    @Override
    public void max(long[] values) {
        fold(values, Operation.MAX);
    }

    @Override
    public void close() {
        meeting.end("worker " + number + " of the " + workers() + " workers has closed its AllReduce; did it fail?");
    }

    private void fold(long[] values, Operation operation) {
        Round round = meeting.bring(number, operation, values);
        round.check();
        System.arraycopy(round.brought[0], 0, values, 0, values.length);
        for (int worker = 1; worker < round.brought.length; worker++) {
            for (int i = 0; i < values.length; i++) {
                values[i] = operation.folding.applyAsLong(values[i], round.brought[worker][i]);
            }
        }
    }
}
