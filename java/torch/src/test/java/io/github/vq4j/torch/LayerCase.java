package io.github.vq4j.torch;

import io.github.vq4j.Backend;
import io.github.vq4j.CodebookNorm;
import io.github.vq4j.Norm;
import io.github.vq4j.VectorQuant;
import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** A random layer and the shape of its input: images with the channels first, tokens, a matrix. */
record LayerCase(
        long seed,
        long[] shape,
        int dim,
        int codes,
        Norm norm,
        CodebookNorm codebookNorm,
        double affineLr,
        int affineGroups,
        double beta,
        double syncNu,
        double alpha) {
    static LayerCase random(long seed) {
        Random random = new Random(seed);
        int features = pick(random, List.of(2, 3, 8, 17));
        long batch = 1 + random.nextInt(4);
        boolean images = seed % 3 == 0;
        long[] shape = images
                ? new long[] {batch, features, 1 + random.nextInt(5), 1 + random.nextInt(7)}
                : seed % 3 == 1
                        ? new long[] {batch, 1 + random.nextInt(9), features}
                        : new long[] {5 * batch, features};
        int groups = pick(random, List.of(1, 2, 3));
        return new LayerCase(
                seed,
                shape,
                images ? 1 : -1,
                groups * pick(random, List.of(1, 4, 9)),
                pick(random, List.of(Norm.NONE, Norm.UNIT)),
                pick(random, List.of(CodebookNorm.NONE, CodebookNorm.UNIT)),
                pick(random, List.of(0.0, 0.5, 2.0)),
                groups,
                pick(random, List.of(0.0, 0.25, 0.95, 1.0)),
                pick(random, List.of(0.0, 0.2, 2.0)),
                pick(random, List.of(0.25, 1.0, 5.0)));
    }

    int features() {
        return Math.toIntExact(shape[dim < 0 ? shape.length + dim : dim]);
    }

    /** The layer, its affine away from the start. */
    @SuppressWarnings("try") // A guard is there to be closed.
    VectorQuantModule module() {
        VectorQuantModule module = new VectorQuantModule(VectorQuant.builder(features(), codes)
                .dim(dim)
                .norm(norm)
                .codebookNorm(codebookNorm)
                .affineLr(affineLr)
                .affineGroups(affineLr > 0 ? affineGroups : 1)
                .beta(beta)
                .syncNu(syncNu)
                .seed(seed)
                .backend(Backend.cpu())
                .build());
        torch.manual_seed(seed);
        try (NoGradGuard noGradient = new NoGradGuard()) {
            List<Tensor> parameters = List.of(module.parameters().get());
            for (Tensor affine : parameters.subList(1, parameters.size())) {
                affine.copy_(torch.randn(affineGroups, features()).mul(new Scalar(0.1)));
            }
        }
        return module;
    }

    @Override
    public String toString() {
        return "case " + seed;
    }

    private static <T> T pick(Random random, List<T> values) {
        return values.get(random.nextInt(values.size()));
    }
}
