package io.github.vq4j.benchmarks;

import java.util.function.Supplier;

/** A call of vq4j that writes to memory of its own. */
final class KernelCall implements Contender {
    private final Runnable call;
    private final Supplier<int[]> result;

    KernelCall(Runnable call, Supplier<int[]> result) {
        this.call = call;
        this.result = result;
    }

    @Override
    public String name() {
        return Report.OURS;
    }

    @Override
    public void run() {
        call.run();
    }

    @Override
    public int[] result() {
        return result.get();
    }
}
