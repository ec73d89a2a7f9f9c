package io.github.vq4j.torch;

import io.github.vq4j.Dlpack;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.PointerConsumer;

/**
 * Memory of layers' tensors that libtorch has: lent, so that it stays until libtorch's last tensor of it is gone, whatever
 * becomes of the layer and of the objects of Java.
 */
final class KeptMemory {
    /** What is lent, by address: as often as libtorch has it. */
    private static final Map<Long, Deque<Pointer>> LENT = new ConcurrentHashMap<>();

    /** Called with the address when libtorch's last tensor of a piece of memory goes, on any thread. */
    static final PointerConsumer GIVE_BACK = new GiveBack();

    private KeptMemory() {}

    /** Lends a tensor's memory until {@link #GIVE_BACK} is called once. */
    static void lend(io.github.vq4j.Tensor tensor) {
        Pointer loan = Dlpack.exportTensor(tensor);
        LENT.compute(tensor.address(), (address, loans) -> {
            Deque<Pointer> all = loans == null ? new ArrayDeque<>() : loans;
            all.add(loan);
            return all;
        });
    }

    private static final class GiveBack extends PointerConsumer {
        @Override
        public void call(Pointer memory) {
            Pointer[] loan = new Pointer[1];
            LENT.computeIfPresent(memory.address(), (address, loans) -> {
                loan[0] = loans.remove();
                return loans.isEmpty() ? null : loans;
            });
            Dlpack.importTensor(loan[0]).close();
        }
    }
}
