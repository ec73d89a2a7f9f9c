package io.github.vq4j.internal;

import io.github.vq4j.NotFiniteException;
import java.lang.ref.Cleaner;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * Operations of one thread that run together: those that are called from {@link Kernels#beginBatch} to {@link #submit}. On a
 * CUDA device they run as one graph and the host does not wait for them; {@link #await} does, brings what was fetched, and
 * throws what was wrong with the data. On the CPU operations run, and fail, as they are called.
 */
public final class Batch implements AutoCloseable {
    private static final Cleaner CLEANER = Cleaner.create();

    /** Numbers of fp64 that get an array at once on the CPU: one of a number for each row costs as much as a kernel. */
    private static final int MOST_READ_AT_ONCE = 1024;

    /** The calling thread's open batch of a device. */
    private static final ThreadLocal<@Nullable Batch> OPEN = new ThreadLocal<>();

    private final Kernels kernels;
    private final long number;
    private final State state;
    private final Cleaner.@Nullable Cleanable forget;
    private final @Nullable Batch before;
    private boolean isOpen = true;
    private boolean isFinished;
    private boolean isSeen;
    private @Nullable RuntimeException failure;
    private final List<Meaning> meanings = new ArrayList<>();
    private Runnable undo = () -> {};

    /** What failures of the checks from one number to before another mean to the caller. */
    private static final class Meaning {
        private final long begin;
        private final UnaryOperator<NotFiniteException> meaning;
        private long end = Long.MAX_VALUE;

        Meaning(long begin, UnaryOperator<NotFiniteException> meaning) {
            this.begin = begin;
            this.meaning = meaning;
        }

        boolean covers(long check) {
            return begin <= check && check < end;
        }
    }

    /** What a batch that nobody waits for leaves behind: where its results would go has to stay until then. */
    private static final class State implements Runnable {
        private final Kernels kernels;
        private final List<Memory<?>> arrivals = new ArrayList<>();
        private long submitted;

        State(Kernels kernels) {
            this.kernels = kernels;
        }

        @Override
        public void run() {
            if (submitted != 0) {
                kernels.forgetBatch(submitted);
                submitted = 0;
            }
            arrivals.forEach(Memory::close);
        }
    }

    /** @param before a batch whose failure is this one's, too */
    Batch(Kernels kernels, long number, @Nullable Batch before) {
        this.kernels = kernels;
        this.number = number;
        this.before = before;
        state = new State(kernels);
        forget = kernels.onCuda() ? CLEANER.register(this, state) : null;
        if (kernels.onCuda()) {
            OPEN.set(this);
        }
    }

    static @Nullable Batch openOn(Kernels kernels) {
        Batch open = OPEN.get();
        return open != null && open.kernels.haveStreamOf(kernels) ? open : null;
    }

    /** As {@link Kernels#withFailures}, of this batch, which is open. */
    void withFailures(UnaryOperator<NotFiniteException> meaning, Runnable operations) {
        Meaning ofThese = new Meaning(Kernels.checks(), meaning);
        meanings.add(ofThese);
        operations.run();
        ofThese.end = Kernels.checks();
    }

    /** What the failure of a check means; inner meanings are in the terms of outer ones. */
    NotFiniteException meaningOf(NotFiniteException found, long check) {
        NotFiniteException failure = found;
        for (int i = meanings.size() - 1; i >= 0; i--) {
            if (meanings.get(i).covers(check)) {
                failure = meanings.get(i).meaning.apply(failure);
            }
        }
        return failure;
    }

    /**
     * Numbers on the host, once the batch is done.
     *
     * @param <A> an array of them
     */
    public final class Fetched<A> {
        private final @Nullable Memory<?> arrival;
        private @Nullable Supplier<A> delivery;
        private @Nullable A values;

        private Fetched(A values) {
            this.values = values;
            arrival = null;
        }

        private Fetched(Memory<?> arrival, Supplier<A> delivery) {
            this.arrival = arrival;
            this.delivery = delivery;
        }

        /** The numbers. Waits for the batch. */
        public A get() {
            await();
            if (values == null) {
                values = Objects.requireNonNull(delivery).get();
                delivery = null;
            }
            return values;
        }

        /** Gives their memory back where nothing can arrive in it any more; nobody asks for them after that. */
        public void drop() {
            if (arrival != null && isFinished) {
                arrival.close();
            }
        }
    }

    /** The numbers that are there at this place of the batch. */
    public Fetched<double[]> fetch(DoublePointer from, int count) {
        if (!kernels.onCuda() && count <= MOST_READ_AT_ONCE) {
            double[] values = new double[count];
            kernels.read(from, values);
            return new Fetched<>(values);
        }
        Memory<DoublePointer> arrival = Memory.doubles(Kernels.cpu(), count);
        fetch(arrival, from, (long) count * Double.BYTES);
        return new Fetched<>(arrival, () -> {
            double[] values = new double[count];
            arrival.pointer().get(values);
            return values;
        });
    }

    /** The whole numbers that are there at this place of the batch. */
    public Fetched<long[]> fetch(LongPointer from, int count) {
        if (!kernels.onCuda()) {
            long[] values = new long[count];
            kernels.read(from, values);
            return new Fetched<>(values);
        }
        Memory<LongPointer> arrival = Memory.longs(Kernels.cpu(), count);
        fetch(arrival, from, (long) count * Long.BYTES);
        return new Fetched<>(arrival, () -> {
            long[] values = new long[count];
            arrival.pointer().get(values);
            return values;
        });
    }

    private void fetch(Memory<?> arrival, Pointer from, long bytes) {
        state.arrivals.add(arrival);
        kernels.fetch(arrival.pointer(), from, bytes);
    }

    /** Runs what has been called so far, waits for it, and throws what was wrong with its data. */
    public void catchUp() {
        if (kernels.onCuda()) {
            kernels.synchronize();
        }
    }

    /** Runs the batch, without waiting. */
    public void submit() {
        submit(() -> {});
    }

    /**
     * Runs the batch, without waiting.
     *
     * @param undo called once if the batch turns out to have failed
     */
    public void submit(Runnable undo) {
        this.undo = undo;
        leaveOpen();
        if (kernels.onCuda()) {
            kernels.submitBatch(number);
            state.submitted = number;
        } else {
            isFinished = true;
        }
    }

    /**
     * Waits until the batch is done; further calls give the same.
     *
     * @throws NotFiniteException if data had a NaN or an infinity
     */
    public void await() {
        finish();
        if (failure != null) {
            isSeen = true;
            throw failure;
        }
    }

    /** The numbers of this batch and of the one before it, where they are not finished. */
    LongStream unfinished() {
        LongStream own = isFinished ? LongStream.empty() : LongStream.of(number);
        return before == null ? own : LongStream.concat(own, before.unfinished());
    }

    /** Whether {@link #await} need not wait to tell whether the batch has failed. */
    public boolean isKnown() {
        return isFinished || (before != null && before.isFinished && before.failure != null);
    }

    /** Waits until the batch is done, and throws a failure unless one of the calls that wait has thrown it before. */
    public void awaitUnlessSeen() {
        finish();
        boolean seenBefore = before != null && before.failure == failure && before.isSeen;
        if (!isSeen && !seenBefore) {
            await();
        }
    }

    private void leaveOpen() {
        isOpen = false;
        if (OPEN.get() == this) {
            OPEN.remove();
        }
    }

    /** Waits until the batch is done, and throws nothing. */
    public void finish() {
        if (isOpen) {
            throw new IllegalStateException("the batch has not been submitted");
        }
        if (isFinished) {
            return;
        }
        isFinished = true;
        try {
            state.submitted = 0;
            kernels.finishBatch(number, this);
        } catch (RuntimeException own) {
            failure = own;
            undo.run();
        }
        meanings.clear(); // which may hold as much as a number for each row
        if (before != null) {
            before.finish();
            failure = before.failure == null ? failure : before.failure;
        }
    }

    /** Drops the batch where it has not been submitted. */
    @Override
    public void close() {
        if (isOpen) {
            leaveOpen();
            isFinished = true;
            failure = new IllegalStateException("the batch was dropped");
            if (kernels.onCuda()) {
                kernels.dropBatch(number);
            }
            if (forget != null) {
                forget.clean();
            }
        }
    }
}
