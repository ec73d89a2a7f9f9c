package io.github.vq4j.torch;

import io.github.vq4j.CodebookNorm;
import io.github.vq4j.Norm;
import java.util.List;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** The layer in libtorch's own operations, given the codes: its gradients are libtorch's. */
record PlainLayer(LayerCase options, Tensor codebook, Tensor affineScale, Tensor affineBias) {
    record Result(Tensor output, Tensor loss) {}

    /** With copies of a module's parameters. */
    static PlainLayer like(VectorQuantModule module, LayerCase options) {
        List<Tensor> parameters = List.of(module.parameters().get());
        boolean affine = parameters.size() > 1;
        return new PlainLayer(
                options,
                copy(parameters.get(0)),
                affine ? copy(parameters.get(1)) : torch.zeros(1, options.features()),
                affine ? copy(parameters.get(2)) : torch.zeros(1, options.features()));
    }

    /** In the order of the module's parameters. */
    List<Tensor> parameters() {
        return options.affineLr() > 0 ? List.of(codebook, affineScale, affineBias) : List.of(codebook);
    }

    Result forward(Tensor z, Tensor codes) {
        long features = options.features();
        Tensor moved = z.movedim(options.dim(), -1);
        Tensor rows = options.norm() == Norm.UNIT ? unit(moved.reshape(-1, features)) : moved.reshape(-1, features);
        Tensor e = effective().index_select(0, codes.reshape(-1));
        Tensor synchronised = e.mul(new Scalar(options.syncNu()));
        Tensor output = rows.add(e.sub(rows).detach()).add(synchronised).sub(synchronised.detach());
        Tensor loss = torch.mse_loss(rows, e.detach())
                .mul(new Scalar(1 - options.beta()))
                .add(torch.mse_loss(rows.detach(), e).mul(new Scalar(options.beta())));
        return new Result(output.reshape(moved.sizes()).movedim(-1, options.dim()), loss);
    }

    private Tensor effective() {
        long codes = codebook.size(0);
        Tensor base = codebook;
        if (options.codebookNorm() == CodebookNorm.UNIT) {
            // A training forward stores the projected codebook, and gradients are those of that.
            base = unit(codebook.detach()).sub(codebook.detach()).add(codebook);
        }
        long perGroup = codes / affineScale.size(0);
        Tensor scale = affineScale.mul(new Scalar(options.affineLr())).add(new Scalar(1.0));
        Tensor shift = affineBias.mul(new Scalar(options.affineLr()));
        return base.mul(repeated(scale, perGroup)).add(repeated(shift, perGroup));
    }

    private static Tensor repeated(Tensor groups, long times) {
        return torch.repeat_interleave(groups, times, new LongOptional(0), new LongOptional());
    }

    private static Tensor unit(Tensor rows) {
        return rows.div(rows.square().sum(new long[] {-1}, true, null).sqrt());
    }

    private static Tensor copy(Tensor tensor) {
        return tensor.detach().clone().requires_grad_();
    }
}
