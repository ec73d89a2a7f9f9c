package io.github.vq4j.djl;

import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.Trainer;
import ai.djl.training.TrainingConfig;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.listener.TrainingListener;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import io.github.vq4j.Backend;
import io.github.vq4j.VectorQuant;

/** An autoencoder with a quantized code, trained by DJL. */
final class TrainingExample {
    private TrainingExample() {}

    /** Trains, and gives the loss of the last epoch. */
    static float train(int epochs) throws Exception {
        // docs: train
        VectorQuantBlock quantizer = new VectorQuantBlock(
                VectorQuant.builder(8, 32)
                        .kmeansInit(true)
                        .replaceFreq(20)
                        .backend(Backend.cpu())
                        .build(),
                1);
        SequentialBlock autoencoder = new SequentialBlock()
                .add(Linear.builder().setUnits(32).build())
                .add(Activation::relu)
                .add(Linear.builder().setUnits(8).build())
                .add(quantizer)
                .add(Linear.builder().setUnits(32).build())
                .add(Activation::relu)
                .add(Linear.builder().setUnits(16).build());
        TrainingConfig config = new DefaultTrainingConfig(quantizer.plusLoss(Loss.l2Loss()))
                .optOptimizer(Optimizer.adam()
                        .optLearningRateTracker(Tracker.fixed(0.003f))
                        .build())
                .addTrainingListeners(TrainingListener.Defaults.basic());
        try (NDManager manager = NDManager.newBaseManager();
                Model model = Model.newInstance("autoencoder");
                quantizer) {
            NDArray images = manager.randomNormal(new Shape(512, 4)).matMul(manager.randomNormal(new Shape(4, 16)));
            ArrayDataset dataset = new ArrayDataset.Builder()
                    .setData(images)
                    .optLabels(images)
                    .setSampling(64, true)
                    .build();
            model.setBlock(autoencoder);
            try (Trainer trainer = model.newTrainer(config)) {
                trainer.initialize(new Shape(64, 16));
                EasyTrain.fit(trainer, epochs, dataset, null);
                return trainer.getTrainingResult().getTrainLoss();
            }
        }
        // docs: end
    }
}
