package io.github.vq4j.internal;

import io.github.vq4j.NotFiniteException;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/** One section of {@code vq4j/operations.h} as Java methods, one an operation, on the kernels of one device. */
abstract class KernelSection {
    final Kernels kernels;

    KernelSection(Kernels kernels) {
        this.kernels = kernels;
    }

    final boolean onCuda() {
        return kernels.onCuda();
    }

    final @Nullable Pointer stream() {
        return kernels.stream();
    }

    final void check(int status) {
        kernels.check(status);
    }

    /** Calls an operation whose "z", or "the variance of z", is that of another tensor. */
    final void named(String tensor, Runnable operation) {
        if (tensor.equals("z")) {
            operation.run();
            return;
        }
        kernels.withFailures(
                failure -> new NotFiniteException(
                        failure.tensor().replaceFirst("(^|.* of )z$", "$1" + tensor), failure.row()),
                operation);
    }
}
