package io.github.vq4j.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.training.loss.Loss;

/** The loss of a task and that of a block. */
final class QuantizerLoss extends Loss {
    private final Loss task;
    private final VectorQuantBlock block;

    QuantizerLoss(Loss task, VectorQuantBlock block) {
        super(task.getName());
        this.task = task;
        this.block = block;
    }

    @Override
    public NDArray evaluate(NDList labels, NDList predictions) {
        return task.evaluate(labels, predictions).add(block.loss());
    }
}
