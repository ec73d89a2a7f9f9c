package io.github.vq4j.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import ai.djl.training.initializer.Initializer;

/** A parameter of a layer that DJL's optimisers train: its array lies over the layer's memory. */
final class SharedParameter {
    private final io.github.vq4j.Parameter ofLayer;
    private final Parameter ofBlock;

    SharedParameter(io.github.vq4j.Parameter ofLayer) {
        this.ofLayer = ofLayer;
        ofBlock = Parameter.builder()
                .setName(ofLayer.name())
                .setType(Parameter.Type.OTHER)
                // Not called: the layer has initialised it.
                .optInitializer(Initializer.ZEROS)
                .build();
    }

    /** What DJL trains. */
    Parameter ofBlock() {
        return ofBlock;
    }

    /** Gives DJL the memory, if it has none yet. */
    void share(NDManager manager) {
        if (!ofBlock.isInitialized()) {
            ofBlock.setArray(SharedMemory.of(ofLayer.value(), manager));
        }
    }

    /** sum(parameter * gradient), whose gradient is that of the last backward of the layer. */
    NDArray timesGradient(NDArray values) {
        try (NDArray shared = SharedMemory.of(ofLayer.gradient(), values.getManager())) {
            // The layer's next backward overwrites its own.
            return values.mul(shared.duplicate()).sum();
        }
    }
}
