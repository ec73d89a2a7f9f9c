package io.github.vq4j;

import io.github.vq4j.internal.Batch;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.LongPointer;

/** The numbers that a forward gives beside its tensors. They arrive with the batch that computes them. */
final class Figures {
    private final Batch batch;
    private final int samples;
    private final List<Batch.Fetched<double[]>> losses = new ArrayList<>();
    private final List<Batch.Fetched<double[]>> sampleLosses = new ArrayList<>();
    private final List<Batch.Fetched<long[]>> counts = new ArrayList<>();
    private final List<Batch.Fetched<long[]>> replaced = new ArrayList<>();
    private boolean closed;

    Figures(Batch batch, int samples) {
        this.batch = batch;
        this.samples = samples;
    }

    /** Adds a term of the loss: its mean over everything, and over each sample. */
    void addTerm(DoublePointer loss, DoublePointer ofSamples) {
        losses.add(batch.fetch(loss, 1));
        sampleLosses.add(batch.fetch(ofSamples, samples));
    }

    /** Adds the histogram of a codebook that has rows. */
    void addCounts(LongPointer ofCodes, int codes) {
        counts.add(batch.fetch(ofCodes, codes));
    }

    /** Adds how many codes of a codebook have been replaced. */
    void addReplaced(LongPointer ofCodebook) {
        replaced.add(batch.fetch(ofCodebook, 1));
    }

    /** The mean of the terms; 0 without any. */
    double loss() {
        batch.await();
        double sum = 0;
        for (Batch.Fetched<double[]> term : losses) {
            sum += term.get()[0];
        }
        return losses.isEmpty() ? 0 : sum / losses.size();
    }

    /** The same for each sample. */
    double[] sampleLosses() {
        if (closed) {
            throw new IllegalStateException("the losses of the samples are closed; ask for them before");
        }
        batch.await();
        double[] sums = new double[samples];
        for (Batch.Fetched<double[]> term : sampleLosses) {
            for (int i = 0; i < samples; i++) {
                sums[i] += term.get()[i] / sampleLosses.size();
            }
        }
        return sums;
    }

    /** The mean of the codebooks' perplexities; 1 where no row takes part. */
    double perplexity() {
        batch.await();
        double sum = counts.stream()
                .mapToDouble(histogram -> Quantizer.perplexity(histogram.get()))
                .sum();
        return counts.isEmpty() ? 1 : sum / counts.size();
    }

    /** Codes that have been replaced, in all codebooks. */
    int replacedCodes() {
        batch.await();
        return (int) replaced.stream().mapToLong(number -> number.get()[0]).sum();
    }

    /** Codes that occur, in all codebooks. */
    int activeCodes() {
        batch.await();
        return counts.stream()
                .mapToInt(histogram -> Quantizer.active(histogram.get()))
                .sum();
    }

    /** Gives the memory of the losses of the samples back, which may be as many as rows. */
    void close() {
        closed = true;
        sampleLosses.forEach(Batch.Fetched::drop);
    }
}
