package io.github.vq4j;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongBinaryOperator;
import java.util.stream.IntStream;

/** {@link AllReduce} among threads of one process: everybody brings an array, and folds what all have brought. */
final class InProcessAllReduce implements AllReduce {
    /** What the workers of a group share. */
    private static final class Meeting {
        final CyclicBarrier barrier;
        final Duration patience;
        final long[][] brought;

        Meeting(int workers, Duration patience) {
            this.patience = patience;
            barrier = new CyclicBarrier(workers);
            brought = new long[workers][];
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
        return meeting.brought.length;
    }

    @Override
    public void sum(long[] values) {
        fold(values, Long::sum);
    }

    @Override
    public void max(long[] values) {
        fold(values, Math::max);
    }

    private void fold(long[] values, LongBinaryOperator operation) {
        meeting.brought[number] = values.clone();
        await();
        long[] first = meeting.brought[0];
        for (long[] other : meeting.brought) {
            if (other.length != first.length) {
                throw new IllegalStateException("need arrays of one length from all workers, got " + first.length
                        + " and " + other.length + "; do all call the same methods in the same order?");
            }
        }
        System.arraycopy(first, 0, values, 0, values.length);
        for (int worker = 1; worker < meeting.brought.length; worker++) {
            for (int i = 0; i < values.length; i++) {
                values[i] = operation.applyAsLong(values[i], meeting.brought[worker][i]);
            }
        }
        // Nobody brings new values before all have read these.
        await();
    }

    private void await() {
        try {
            meeting.barrier.await(meeting.patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for the other workers", interrupted);
        } catch (BrokenBarrierException | TimeoutException failure) {
            throw new IllegalStateException(
                    "one of the " + workers() + " workers did not come within " + meeting.patience.toMillis()
                            + " ms; did it fail, or not call the same method?",
                    failure);
        }
    }
}
