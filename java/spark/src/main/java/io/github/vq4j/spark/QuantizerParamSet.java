package io.github.vq4j.spark;

import java.io.Serializable;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamValidators;
import org.apache.spark.ml.param.Params;

/** The {@link VectorQuantizerParams} of a stage, with their defaults. */
record QuantizerParamSet(
        Param<String> featuresCol,
        Param<String> codesCol,
        Param<String> reconstructionCol,
        IntParam numCodes,
        IntParam groups,
        IntParam maxIter,
        DoubleParam tol,
        LongParam seed)
        implements Serializable {
    /** Those of a stage whose uid is known. */
    static QuantizerParamSet of(Params stage) {
        return new QuantizerParamSet(
                new Param<>(stage, "featuresCol", "column of vectors"),
                new Param<>(stage, "codesCol", "column for the codes"),
                new Param<>(stage, "reconstructionCol", "column for the vectors behind the codes; none unless set"),
                new IntParam(stage, "numCodes", "codes of each group (>= 1)", ParamValidators.gtEq(1)),
                new IntParam(
                        stage,
                        "groups",
                        "groups of contiguous features with a codebook each (>= 1)",
                        ParamValidators.gtEq(1)),
                new IntParam(stage, "maxIter", "most moves of the codes (>= 0)", ParamValidators.gtEq(0)),
                new DoubleParam(
                        stage,
                        "tol",
                        "relative improvement of the cost below which the fit ends (>= 0, finite)",
                        ParamValidators.inRange(0, Double.MAX_VALUE)),
                new LongParam(stage, "seed", "seed of the random numbers"));
    }

    /** Sets the defaults of the stage, once it has this set. */
    void setDefaults(Params stage) {
        stage.setDefault(featuresCol, "features");
        stage.setDefault(codesCol, "codes");
        stage.setDefault(numCodes, 256);
        stage.setDefault(groups, 1);
        stage.setDefault(maxIter, 20);
        stage.setDefault(tol, 1e-4);
        stage.setDefault(seed, 0L);
    }
}
