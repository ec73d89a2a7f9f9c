package io.github.vq4j.spark;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.linalg.Vectors;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Data and sessions of the tests. */
final class Data {
    private Data() {}

    /** A session without a web page that compiles nothing: the data is too small. */
    static SparkSession.Builder session(String master) {
        return SparkSession.builder()
                .master(master)
                .appName("vq4j")
                .config("spark.ui.enabled", false)
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.executor.extraJavaOptions", "-XX:TieredStopAtLevel=1")
                .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
                .config("spark.sql.codegen.wholeStage", false)
                .config("spark.sql.shuffle.partitions", 2);
    }

    /** Normal vectors that fp32 holds exactly. */
    static List<Vector> normal(int count, int features, long seed) {
        Random random = new Random(seed);
        List<Vector> vectors = new ArrayList<>();
        for (int n = 0; n < count; n++) {
            double[] values = new double[features];
            for (int d = 0; d < features; d++) {
                values[d] = (float) random.nextGaussian();
            }
            vectors.add(Vectors.dense(values));
        }
        return vectors;
    }

    /** A column "id" with their numbers and a column "features". */
    static Dataset<Row> dataset(SparkSession session, List<Vector> vectors) {
        List<Row> rows = new ArrayList<>();
        for (Vector vector : vectors) {
            rows.add(RowFactory.create(rows.size(), vector));
        }
        StructType schema = new StructType()
                .add("id", DataTypes.IntegerType, false)
                .add("features", SQLDataTypes.VectorType(), true);
        return session.createDataFrame(rows, schema);
    }
}
