package io.github.vq4j.benchmarks;

import java.util.function.Supplier;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** libtorch operations that give one tensor, without gradients. */
final class LibtorchCall implements Contender {
    private final String name;
    private final Supplier<Tensor> call;
    private @Nullable Tensor last;

    LibtorchCall(String name, Supplier<Tensor> call) {
        this.name = name;
        this.call = call;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public void run() {
        close();
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGradient = new NoGradGuard()) {
            // Survives the scope.
            last = call.get().retainReference();
        }
    }

    @Override
    public int[] result() {
        return bits(last);
    }

    /** The bits of a tensor of FLOAT, or codes of a tensor of LONG. */
    static int[] bits(Tensor tensor) {
        try (PointerScope scope = new PointerScope()) {
            Tensor flat = tensor.detach().contiguous().reshape(-1);
            if (flat.scalar_type().intern() == torch.ScalarType.Long) {
                flat = flat.to(torch.ScalarType.Int);
                return Bits.of(flat.data_ptr_int(), flat.numel());
            }
            return Bits.of(new FloatPointer(flat.data_ptr_float()), flat.numel());
        }
    }

    @Override
    public void close() {
        if (last != null) {
            last.releaseReference();
            last = null;
        }
    }
}
