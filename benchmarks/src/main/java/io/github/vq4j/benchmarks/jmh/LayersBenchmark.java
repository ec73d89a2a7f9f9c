package io.github.vq4j.benchmarks.jmh;

import io.github.vq4j.Backend;
import io.github.vq4j.FiniteScalarQuant;
import io.github.vq4j.GradientEstimator;
import io.github.vq4j.GroupVectorQuant;
import io.github.vq4j.LookupFreeQuant;
import io.github.vq4j.Norm;
import io.github.vq4j.Optimizer;
import io.github.vq4j.Quantizer;
import io.github.vq4j.ReplacementPolicy;
import io.github.vq4j.ResidualVectorQuant;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Whole layers as programs use them: a training step (forward, backward, optimiser), encoding, decoding. */
public class LayersBenchmark extends OperationData {
    private static final int PARTS = 8;
    private static final double ALPHA = 10;
    private static final double LEARNING_RATE = 1e-4;

    /** The layer and its options. */
    @Param
    public Kind layer;

    private Layer measured;
    private Tensor input;
    private Tensor inputGradient;
    private Tensor codesOfInput;

    /** Layers, and the options that change what a step does. */
    public enum Kind {
        /** Without options. */
        VECTOR,
        /** Learned affine, synchronised commitment. */
        VECTOR_AFFINE_SYNC,
        /** Affine by statistics. */
        VECTOR_STATISTICS_AFFINE,
        /** A codebook of moving averages. */
        VECTOR_EMA,
        /** The rotation trick. */
        VECTOR_ROTATION,
        /** Rows of length 1. */
        VECTOR_UNIT_NORM,
        /** An optimiser within the forward. */
        VECTOR_ALTERNATED,
        /** Replacement of unused codes. */
        VECTOR_REPLACEMENT,
        /** Eight groups. */
        GROUP,
        /** Eight stages. */
        RESIDUAL,
        /** Eight stages, a beam of four. */
        RESIDUAL_BEAM,
        /** FSQ of 8 features. */
        FINITE_SCALAR,
        /** LFQ of 8 features. */
        LOOKUP_FREE
    }

    /** What is measured of a layer. */
    private record Layer(
            Runnable trainingStep, Supplier<Tensor> encode, UnaryOperator<Tensor> decode, Runnable close) {}

    @Override
    protected void prepareMore() {
        int width = layer == Kind.FINITE_SCALAR || layer == Kind.LOOKUP_FREE ? Math.min(PARTS, features) : features;
        input = Tensor.of(z, rows, width);
        inputGradient = Tensor.of(gradient, rows, width);
        measured = make();
        codesOfInput = measured.encode().get();
    }

    /** Forward, backward, and a step of SGD where there are parameters. */
    @Benchmark
    public void trainingStep() {
        measured.trainingStep().run();
    }

    /** Codes of the rows. */
    @Benchmark
    public void encode() {
        measured.encode().get().close();
    }

    /** Vectors of the codes. */
    @Benchmark
    public void decode() {
        measured.decode().apply(codesOfInput).close();
    }

    @Override
    public void release() {
        codesOfInput.close();
        measured.close().run();
        super.release();
    }

    private Layer make() {
        return switch (layer) {
            case VECTOR -> withCodebooks(vector().build());
            case VECTOR_AFFINE_SYNC ->
                withCodebooks(vector().affineLr(2).syncNu(2).build());
            case VECTOR_STATISTICS_AFFINE ->
                withCodebooks(vector().statisticsAffine(true).build());
            case VECTOR_EMA -> withCodebooks(vector().ema(0.99).build());
            case VECTOR_ROTATION ->
                withCodebooks(
                        vector().gradientEstimator(GradientEstimator.ROTATION).build());
            case VECTOR_UNIT_NORM -> withCodebooks(vector().norm(Norm.UNIT).build());
            case VECTOR_ALTERNATED ->
                withCodebooks(vector().alternated(Optimizer.sgd(LEARNING_RATE), 1, false)
                        .build());
            case VECTOR_REPLACEMENT ->
                withCodebooks(vector().replaceFreq(20)
                        .replacementPolicy(ReplacementPolicy.RANDOM_INPUT)
                        .build());
            case GROUP ->
                withCodebooks(GroupVectorQuant.builder(features, codes * PARTS, PARTS)
                        .dim(-1)
                        .backend(Backend.cpu())
                        .build());
            case RESIDUAL -> withCodebooks(residual().build());
            case RESIDUAL_BEAM -> withCodebooks(residual().beamWidth(4).build());
            case FINITE_SCALAR -> finiteScalar();
            case LOOKUP_FREE -> lookupFree();
        };
    }

    private VectorQuant.Builder vector() {
        return VectorQuant.builder(features, codes).dim(-1).backend(Backend.cpu());
    }

    private ResidualVectorQuant.Builder residual() {
        return ResidualVectorQuant.builder(features, codes * PARTS, PARTS)
                .dim(-1)
                .backend(Backend.cpu());
    }

    /** Layers with codebooks; they stay in training, in which encoding changes nothing. */
    private Layer withCodebooks(Quantizer quantizer) {
        Optimizer optimizer = Optimizer.sgd(LEARNING_RATE);
        return new Layer(
                () -> {
                    quantizer.forward(input).close();
                    quantizer.backward(inputGradient, ALPHA).close();
                    optimizer.step(quantizer);
                },
                () -> quantizer.encode(input),
                quantizer::decode,
                () -> {
                    optimizer.close();
                    quantizer.close();
                });
    }

    private Layer finiteScalar() {
        FiniteScalarQuant quantizer = FiniteScalarQuant.builder(8, 8, 5, 5, 5, 5, 4, 4)
                .dim(-1)
                .backend(Backend.cpu())
                .build();
        return new Layer(
                () -> {
                    quantizer.forward(input).close();
                    quantizer.backward(inputGradient).close();
                },
                () -> quantizer.encode(input),
                quantizer::decode,
                quantizer::close);
    }

    private Layer lookupFree() {
        LookupFreeQuant quantizer = LookupFreeQuant.builder(PARTS)
                .dim(-1)
                .entropyWeight(0.1)
                .backend(Backend.cpu())
                .build();
        return new Layer(
                () -> {
                    quantizer.forward(input).close();
                    quantizer.backward(inputGradient, ALPHA).close();
                },
                () -> quantizer.encode(input),
                quantizer::decode,
                quantizer::close);
    }
}
