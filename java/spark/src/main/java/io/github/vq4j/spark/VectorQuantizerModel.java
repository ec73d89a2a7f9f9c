package io.github.vq4j.spark;

import java.util.NoSuchElementException;
import java.util.Optional;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.ml.Model;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/**
 * Codebooks that {@link VectorQuantizer} has fitted. {@link #transform} adds a column of codes and, where
 * reconstructionCol is set, one of the vectors behind them; {@link #decode} adds that to codes. A null becomes a null.
 */
public final class VectorQuantizerModel extends Model<VectorQuantizerModel>
        implements VectorQuantizerParams, MLWritable {
    private static final long serialVersionUID = 1;

    private final String uid;
    private final QuantizerParamSet params;
    private final float[][] codebooks;
    private final int featureSize;
    private @Nullable VectorQuantizerSummary summary;

    /**
     * A model.
     *
     * @param codebooks one a group
     */
    VectorQuantizerModel(String uid, float[][] codebooks, int featureSize) {
        this.uid = uid;
        this.codebooks = codebooks;
        this.featureSize = featureSize;
        params = QuantizerParamSet.of(this);
        params.setDefaults(this);
    }

    /**
     * Adds the columns. Codes are those of {@link io.github.vq4j.FrozenQuantizer#encode}.
     *
     * @throws IllegalArgumentException if the schema does not fit; where single rows are at fault (another size, a NaN),
     *     Spark wraps the error
     */
    @Override
    public Dataset<Row> transform(Dataset<?> dataset) {
        transformSchema(dataset.schema(), true);
        Broadcast<EncodedVectors> vectors = broadcast(dataset);
        UDF1<Vector, Object> encode = codebooks.length == 1
                ? vector -> vectors.value().code(vector)
                : vector -> vectors.value().codes(vector);
        Dataset<Row> encoded = dataset.withColumn(
                getCodesCol(),
                functions.udf(encode, typeOfCodes()).apply(dataset.col(Columns.quoted(getFeaturesCol()))));
        return isDefined(reconstructionCol()) ? withReconstruction(encoded, vectors) : encoded;
    }

    /**
     * Adds the vectors behind codes that are there, stored ones for example: those of codesCol, into reconstructionCol.
     *
     * @throws NoSuchElementException if reconstructionCol is not set
     * @throws IllegalArgumentException if the schema does not fit; where single rows are at fault (a code that does not
     *     exist), Spark wraps the error
     */
    public Dataset<Row> decode(Dataset<?> dataset) {
        DataType type = Columns.typeOf(dataset.schema(), "codesCol", getCodesCol());
        // Whether an array may have nulls does not matter: the codes are looked at one by one.
        if (!type.catalogString().equals(typeOfCodes().catalogString())) {
            throw new IllegalArgumentException(
                    "need codes of type " + typeOfCodes().catalogString() + ", got codesCol = \"" + getCodesCol()
                            + "\" of type " + type.catalogString());
        }
        Columns.added(dataset.schema(), "reconstructionCol", getReconstructionCol(), SQLDataTypes.VectorType());
        return withReconstruction(dataset.toDF(), broadcast(dataset));
    }

    /** An executor's tasks share the codebooks that are prepared once: a task's own would be prepared by every task. */
    private Broadcast<EncodedVectors> broadcast(Dataset<?> dataset) {
        return JavaSparkContext.fromSparkContext(dataset.sparkSession().sparkContext())
                .broadcast(new EncodedVectors(codebooks, featureSize));
    }

    private Dataset<Row> withReconstruction(Dataset<Row> encoded, Broadcast<EncodedVectors> vectors) {
        UDF1<Object, Vector> decode = codes -> vectors.value().decode(codes);
        return encoded.withColumn(
                getReconstructionCol(),
                functions.udf(decode, SQLDataTypes.VectorType()).apply(encoded.col(Columns.quoted(getCodesCol()))));
    }

    @Override
    public StructType transformSchema(StructType schema) {
        return withAddedColumns(schema);
    }

    /** The codes of each codebook: the param, where it is set after the fit, makes no others. */
    @Override
    public int getNumCodes() {
        return codebooks[0].length / (featureSize / codebooks.length);
    }

    /** The number of codebooks: the param, where it is set after the fit, makes no others. */
    @Override
    public int getGroups() {
        return codebooks.length;
    }

    /** The number of features of a vector. */
    public int featureSize() {
        return featureSize;
    }

    /**
     * A copy of a codebook.
     *
     * @param group from 0
     * @return numCodes x (featureSize / groups), row-major
     */
    public float[] codebook(int group) {
        return codebooks[group].clone();
    }

    /** Whether there is a {@link #summary}: a model that was read has none. */
    public boolean hasSummary() {
        return summary != null;
    }

    /**
     * How the fit went.
     *
     * @throws NoSuchElementException if there is no summary
     */
    public VectorQuantizerSummary summary() {
        return Optional.ofNullable(summary)
                .orElseThrow(() -> new NoSuchElementException("no summary of the fit: " + uid + " was read"));
    }

    void setSummary(@Nullable VectorQuantizerSummary summary) {
        this.summary = summary;
    }

    @Override
    public VectorQuantizerModel copy(ParamMap extra) {
        VectorQuantizerModel copy = copyValues(new VectorQuantizerModel(uid, codebooks, featureSize), extra);
        copy.setSummary(summary);
        return copy.setParent(parent());
    }

    /** Writes the params and the codebooks, a row for each code. */
    @Override
    public MLWriter write() {
        return new CodebookWriter(this);
    }

    /** Reads what {@link #write} wrote. */
    public static VectorQuantizerModel load(String path) {
        return read().load(path);
    }

    /** A reader of what {@link #write} wrote. */
    public static MLReader<VectorQuantizerModel> read() {
        return new CodebookReader();
    }

    @Override
    public String uid() {
        return uid;
    }

    @Override
    public String toString() {
        return "VectorQuantizerModel: uid=" + uid + ", numCodes=" + getNumCodes() + ", groups=" + getGroups()
                + ", featureSize=" + featureSize;
    }

    @Override
    public Param<String> featuresCol() {
        return params.featuresCol();
    }

    @Override
    public Param<String> codesCol() {
        return params.codesCol();
    }

    @Override
    public Param<String> reconstructionCol() {
        return params.reconstructionCol();
    }

    @Override
    public IntParam numCodes() {
        return params.numCodes();
    }

    @Override
    public IntParam groups() {
        return params.groups();
    }

    @Override
    public IntParam maxIter() {
        return params.maxIter();
    }

    @Override
    public DoubleParam tol() {
        return params.tol();
    }

    @Override
    public LongParam seed() {
        return params.seed();
    }

    /** See {@link #featuresCol}. */
    public VectorQuantizerModel setFeaturesCol(String value) {
        set(featuresCol(), value);
        return this;
    }

    /** See {@link #codesCol}. */
    public VectorQuantizerModel setCodesCol(String value) {
        set(codesCol(), value);
        return this;
    }

    /** See {@link #reconstructionCol}. */
    public VectorQuantizerModel setReconstructionCol(String value) {
        set(reconstructionCol(), value);
        return this;
    }
}
