package io.github.vq4j.spark;

import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Params of {@link VectorQuantizer} and {@link VectorQuantizerModel}. */
public interface VectorQuantizerParams extends Params {
    /** The column of vectors, dense or sparse, all of one size; "features" by default. */
    Param<String> featuresCol();

    /**
     * The column for the codes; "codes" by default. With one group an integer in [0, numCodes), with more an array with an
     * integer for each group, those of group g from g * numCodes on.
     */
    Param<String> codesCol();

    /** The column for the vectors behind the codes; none by default. */
    Param<String> reconstructionCol();

    /** K, the number of codes of each group, at least 1; 256 by default. */
    IntParam numCodes();

    /** The number of groups of contiguous features that have a codebook each; divides the vectors' size; 1 by default. */
    IntParam groups();

    /** Most moves of the codes, at least 0; 20 by default. */
    IntParam maxIter();

    /** Relative improvement of the cost below which the fit ends, at least 0 and finite; 1e-4 by default. */
    DoubleParam tol();

    /** Seed of the random numbers; 0 by default. */
    LongParam seed();

    /** See {@link #featuresCol}. */
    default String getFeaturesCol() {
        return getOrDefault(featuresCol());
    }

    /** See {@link #codesCol}. */
    default String getCodesCol() {
        return getOrDefault(codesCol());
    }

    /**
     * See {@link #reconstructionCol}.
     *
     * @throws java.util.NoSuchElementException if it is not set
     */
    default String getReconstructionCol() {
        return getOrDefault(reconstructionCol());
    }

    /** See {@link #numCodes}. */
    default int getNumCodes() {
        return (Integer) getOrDefault(numCodes());
    }

    /** See {@link #groups}. */
    default int getGroups() {
        return (Integer) getOrDefault(groups());
    }

    /** See {@link #maxIter}. */
    default int getMaxIter() {
        return (Integer) getOrDefault(maxIter());
    }

    /** See {@link #tol}. */
    default double getTol() {
        return (Double) getOrDefault(tol());
    }

    /** See {@link #seed}. */
    default long getSeed() {
        return (Long) getOrDefault(seed());
    }

    /**
     * The schema with the columns that are added.
     *
     * @throws IllegalArgumentException if there is no featuresCol of vectors, or a column that is to be added is there, or
     *     one that the session takes for it, as "ID" for "id" unless spark.sql.caseSensitive is set
     */
    default StructType withAddedColumns(StructType schema) {
        String features = getFeaturesCol();
        DataType type = Columns.typeOf(schema, "featuresCol", features);
        if (!type.equals(SQLDataTypes.VectorType())) {
            throw new IllegalArgumentException(
                    "need a column of vectors, got featuresCol = \"" + features + "\" of type " + type.catalogString()
                            + "; a VectorAssembler or functions.array_to_vector makes vectors");
        }
        StructType result = Columns.added(schema, "codesCol", getCodesCol(), typeOfCodes());
        return isDefined(reconstructionCol())
                ? Columns.added(result, "reconstructionCol", getReconstructionCol(), SQLDataTypes.VectorType())
                : result;
    }

    /** The type of {@link #codesCol}. */
    default DataType typeOfCodes() {
        return getGroups() == 1 ? DataTypes.IntegerType : DataTypes.createArrayType(DataTypes.IntegerType, false);
    }
}
