package io.github.vq4j.spark;

import io.github.vq4j.DistributedKMeans;
import io.github.vq4j.DistributedKMeansResult;
import org.apache.spark.ml.Estimator;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWritable;
import org.apache.spark.ml.util.Identifiable$;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.types.StructType;

/**
 * Fits codebooks to a column of vectors by {@link DistributedKMeans}: one codebook, or one for each of several groups of
 * features (product quantization).
 *
 * <pre>{@code
 * VectorQuantizerModel model = new VectorQuantizer().setNumCodes(256).setGroups(8).fit(dataset);
 * Dataset<Row> encoded = model.transform(dataset);
 * }</pre>
 *
 * <p>Each move of the codes is one job: partitions sum their rows by code, and a tree adds up the sums, which are
 * integers. The same rows, params and seed give the same codebooks, bit for bit, however the rows are partitioned and
 * ordered, and whatever the executors' processors. Vectors are taken as fp32. They are kept in memory or on disk, at four
 * bytes a number, for the length of the fit.
 */
public final class VectorQuantizer extends Estimator<VectorQuantizerModel>
        implements VectorQuantizerParams, DefaultParamsWritable {
    private static final long serialVersionUID = 1;

    private final String uid;
    private final QuantizerParamSet params;

    /** An estimator with the defaults. */
    public VectorQuantizer() {
        this(Identifiable$.MODULE$.randomUID("vectorQuantizer"));
    }

    /** An estimator with the defaults, of this uid. */
    public VectorQuantizer(String uid) {
        this.uid = uid;
        params = QuantizerParamSet.of(this);
        params.setDefaults(this);
    }

    /**
     * Fits codebooks.
     *
     * @throws IllegalArgumentException if the schema does not fit, there are no rows, or groups does not divide the
     *     vectors' size; where single rows are at fault (a null, another size, a NaN), Spark wraps the error
     */
    @Override
    public VectorQuantizerModel fit(Dataset<?> dataset) {
        transformSchema(dataset.schema(), true);
        try (VectorBlocks rows = new VectorBlocks(dataset, getFeaturesCol())) {
            DistributedKMeansResult result = DistributedKMeans.builder(rows.featureSize(), getNumCodes())
                    .groups(getGroups())
                    .maxIterations(getMaxIter())
                    .tolerance(getTol())
                    .seed(getSeed())
                    .build()
                    .fit(rows);
            VectorQuantizerModel model =
                    new VectorQuantizerModel(uid, result.codebooks().toArray(float[][]::new), rows.featureSize());
            double cost = result.objective() * result.rows() * rows.featureSize();
            model.setSummary(new VectorQuantizerSummary(cost, result.objective(), result.iterations(), result.rows()));
            return copyValues(model, extractParamMap()).setParent(this);
        }
    }

    @Override
    public StructType transformSchema(StructType schema) {
        return withAddedColumns(schema);
    }

    @Override
    public VectorQuantizer copy(ParamMap extra) {
        return defaultCopy(extra);
    }

    @Override
    public String uid() {
        return uid;
    }

    /** Reads what {@link #write} wrote. */
    public static VectorQuantizer load(String path) {
        return read().load(path);
    }

    /** A reader of what {@link #write} wrote. */
    public static MLReader<VectorQuantizer> read() {
        return new DefaultParamsReader<>();
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
    public VectorQuantizer setFeaturesCol(String value) {
        set(featuresCol(), value);
        return this;
    }

    /** See {@link #codesCol}. */
    public VectorQuantizer setCodesCol(String value) {
        set(codesCol(), value);
        return this;
    }

    /** See {@link #reconstructionCol}. */
    public VectorQuantizer setReconstructionCol(String value) {
        set(reconstructionCol(), value);
        return this;
    }

    /** See {@link #numCodes}. */
    public VectorQuantizer setNumCodes(int value) {
        set(numCodes(), value);
        return this;
    }

    /** See {@link #groups}. */
    public VectorQuantizer setGroups(int value) {
        set(groups(), value);
        return this;
    }

    /** See {@link #maxIter}. */
    public VectorQuantizer setMaxIter(int value) {
        set(maxIter(), value);
        return this;
    }

    /** See {@link #tol}. */
    public VectorQuantizer setTol(double value) {
        set(tol(), value);
        return this;
    }

    /** See {@link #seed}. */
    public VectorQuantizer setSeed(long value) {
        set(seed(), value);
        return this;
    }
}
