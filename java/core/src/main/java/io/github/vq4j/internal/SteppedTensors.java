package io.github.vq4j.internal;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;

/** Tensors that an optimiser steps together, as its kernels take them. */
public final class SteppedTensors implements AutoCloseable {
    private final Memory<PointerPointer<FloatPointer>> parts;
    private final Memory<LongPointer> counts;
    private final Memory<PointerPointer<LongPointer>> steps;
    private final int partsOfOne;

    /** So that their memory stays as long as this does: kernels have no more than addresses of it. */
    private final List<Pointer> named = new ArrayList<>();

    private int count;

    /**
     * @param most how many there is room for
     * @param partsOfOne how many parts of each the optimiser's kernel takes
     */
    public SteppedTensors(int most, int partsOfOne) {
        parts = Memory.addresses(Kernels.cpu(), (long) most * partsOfOne);
        counts = Memory.longs(Kernels.cpu(), most);
        steps = Memory.addresses(Kernels.cpu(), most);
        this.partsOfOne = partsOfOne;
    }

    /**
     * Adds a tensor.
     *
     * @param count of its elements
     * @param stepsOfIt 2 numbers, zero before the first step; how many there have been comes first
     * @param partsOfIt itself, its gradient and its state; where there is less state than there can be, the rest is null
     */
    public void add(long count, LongPointer stepsOfIt, List<FloatPointer> partsOfIt) {
        for (int i = 0; i < partsOfOne; i++) {
            parts().put((long) this.count * partsOfOne + i, i < partsOfIt.size() ? partsOfIt.get(i) : null);
        }
        named.addAll(partsOfIt);
        named.add(stepsOfIt);
        counts().put(this.count, count);
        steps().put(this.count, stepsOfIt);
        this.count++;
    }

    PointerPointer<FloatPointer> parts() {
        return parts.pointer();
    }

    LongPointer counts() {
        return counts.pointer();
    }

    PointerPointer<LongPointer> steps() {
        return steps.pointer();
    }

    int count() {
        return count;
    }

    @Override
    public void close() {
        parts.close();
        counts.close();
        steps.close();
        named.clear();
    }
}
