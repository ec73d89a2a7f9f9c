package io.github.vq4j.benchmarks;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * The peer: a vector quantizer written with libtorch's own operations, as PyTorch libraries write it. Affine (one
 * group) and synchronised commitment are on, the codebook and the affine parameters are trained with plain SGD.
 */
final class LibtorchQuantizer implements AutoCloseable {
    private static final double AFFINE_LEARNING_RATE = 2.0;
    private static final double SYNC_NU = 2.0;
    private static final double BETA = 0.95;
    private static final double LEARNING_RATE = 1e-3;

    /** Rows in a chunk of cdist + top-k; the reference package's chunk size. */
    private static final long CHUNK = 1024;

    /** Most scores that one matrix product makes, 1 GiB; more rows are cut. */
    private static final long MOST_SCORES = 1L << 28;

    private final Tensor codebook;
    private final Tensor affineScale;
    private final Tensor affineBias;

    /** A quantizer with a copy of this K x D codebook. */
    LibtorchQuantizer(Tensor codebook) {
        this.codebook = trained(codebook.detach().clone());
        affineScale = trained(torch.zeros(1, codebook.size(1)));
        affineBias = trained(torch.zeros(1, codebook.size(1)));
    }

    private static Tensor trained(Tensor parameter) {
        // Returns a view of its object, not an owner.
        parameter.requires_grad_();
        return parameter;
    }

    /** The K x D codebook. */
    Tensor codebook() {
        return codebook;
    }

    /** Codes by chunks of cdist and top-k, then joined. */
    static Tensor assignByCdist(Tensor rows, Tensor codebook) {
        TensorVector parts = new TensorVector();
        for (long begin = 0; begin < rows.size(0); begin += CHUNK) {
            Tensor chunk = rows.narrow(0, begin, Math.min(CHUNK, rows.size(0) - begin));
            T_TensorTensor_T nearest = torch.topk(torch.cdist(chunk, codebook), 1, 1, false, false);
            parts.push_back(nearest.get1());
        }
        return torch.cat(parts, 0).reshape(-1);
    }

    /** Codes by matrix products: argmin of |c|^2 - 2 z.c. */
    static Tensor assignByMatmul(Tensor rows, Tensor codebook) {
        Tensor squaredLengths = codebook.square().sum(1);
        long chunk = Math.max(1, MOST_SCORES / codebook.size(0));
        if (rows.size(0) <= chunk) {
            return nearest(rows, codebook, squaredLengths);
        }
        TensorVector parts = new TensorVector();
        for (long begin = 0; begin < rows.size(0); begin += chunk) {
            Tensor part = rows.narrow(0, begin, Math.min(chunk, rows.size(0) - begin));
            parts.push_back(nearest(part, codebook, squaredLengths));
        }
        return torch.cat(parts, 0);
    }

    private static Tensor nearest(Tensor rows, Tensor codebook, Tensor squaredLengths) {
        Tensor scores = torch.addmm(squaredLengths, rows, codebook.t(), new Scalar(1.0), new Scalar(-2.0));
        return torch.argmin(scores, new LongOptional(1), false);
    }

    /** Forward, backward by autograd and one SGD step; the assignment is the matrix product, the faster of the two. */
    void trainingStep(Tensor rows, Tensor gradient, double alpha) {
        try (PointerScope scope = new PointerScope()) {
            Tensor z = rows.detach().requires_grad_();
            Tensor scale = affineScale.mul(new Scalar(AFFINE_LEARNING_RATE)).add(new Scalar(1.0));
            Tensor shift = affineBias.mul(new Scalar(AFFINE_LEARNING_RATE));
            Tensor effective = codebook.mul(scale).add(shift);
            Tensor codes;
            try (NoGradGuard noGradient = new NoGradGuard()) {
                codes = assignByMatmul(z, effective);
            }
            Tensor e = effective.index_select(0, codes);
            Tensor loss = torch.mse_loss(z, e.detach())
                    .mul(new Scalar(1 - BETA))
                    .add(torch.mse_loss(z.detach(), e).mul(new Scalar(BETA)));
            Tensor synchronised = e.mul(new Scalar(SYNC_NU));
            Tensor output = z.add(e.sub(z).detach()).add(synchronised).sub(synchronised.detach());
            output.mul(gradient).sum().add(loss.mul(new Scalar(alpha))).backward();
            try (NoGradGuard noGradient = new NoGradGuard()) {
                for (Tensor parameter : new Tensor[] {codebook, affineScale, affineBias}) {
                    parameter.sub_(parameter.grad(), new Scalar(LEARNING_RATE));
                    parameter.mutable_grad().zero_();
                }
            }
        }
    }

    @Override
    public void close() {
        codebook.close();
        affineScale.close();
        affineBias.close();
    }
}
