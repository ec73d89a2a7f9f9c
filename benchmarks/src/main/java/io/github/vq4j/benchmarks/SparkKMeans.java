package io.github.vq4j.benchmarks;

import dev.ludovic.netlib.blas.BLAS;
import dev.ludovic.netlib.blas.NativeBLAS;
import io.github.vq4j.spark.VectorQuantizer;
import io.github.vq4j.spark.VectorQuantizerModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.ml.clustering.KMeans;
import org.apache.spark.ml.clustering.KMeansModel;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.linalg.Vectors;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas_nolapack;
import org.jspecify.annotations.Nullable;

/** Spark ML's k-means in this process, and vq4j's in Spark, on rows that lie in its cache. */
final class SparkKMeans implements AutoCloseable {
    private static final String FEATURES = "features";

    private final SparkSession session;

    /** Starts Spark with as many threads. */
    SparkKMeans(int threads) {
        shareOpenBlas();
        session = SparkSession.builder()
                .master("local[" + threads + "]")
                .appName("vq4j benchmarks")
                .config("spark.ui.enabled", false)
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.default.parallelism", threads)
                .config("spark.sql.shuffle.partitions", threads)
                .getOrCreate();
    }

    /**
     * Has Spark multiply matrices by the OpenBLAS that libtorch has brought into this process. The system's, which it would
     * look for, would take functions of that one for its own.
     */
    private static void shareOpenBlas() {
        Path library = Path.of(Loader.load(openblas_nolapack.class)).resolveSibling("libopenblas_nolapack.so.0");
        System.setProperty("dev.ludovic.netlib.blas.nativeLibPath", library.toString());
    }

    /** Its version, and the linear algebra of its block solver. */
    String description() {
        return session.version() + " in this process, " + linearAlgebra();
    }

    private static String linearAlgebra() {
        try {
            return NativeBLAS.getInstance().getClass().getSimpleName() + " with libtorch's OpenBLAS";
        } catch (RuntimeException notThere) {
            return BLAS.getInstance().getClass().getSimpleName();
        }
    }

    /** Rows in Spark's cache, cut into a partition a thread. */
    Rows rows(Matrix rows, int threads) {
        return new Rows(rows, threads);
    }

    @Override
    public void close() {
        session.stop();
    }

    /** Rows that several fits share. */
    final class Rows implements AutoCloseable {
        private final Dataset<Row> cached;

        private Rows(Matrix rows, int threads) {
            List<Row> list = new ArrayList<>(Math.toIntExact(rows.rows()));
            for (long n = 0; n < rows.rows(); n++) {
                float[] row = rows.row(n);
                double[] values = new double[row.length];
                for (int d = 0; d < row.length; d++) {
                    values[d] = row[d];
                }
                list.add(RowFactory.create(Vectors.dense(values)));
            }
            cached = session.createDataFrame(list, DataTypes.createStructType(new StructField[] {
                        DataTypes.createStructField(FEATURES, SQLDataTypes.VectorType(), false)
                    }))
                    .repartition(threads)
                    .cache();
            cached.count();
        }

        /** A fit as Spark does it unless told otherwise. */
        Contender fit(int codes, int iterations, long seed) {
            KMeans kmeans = kmeans(codes, iterations, seed);
            return new Fit("Spark, default solver (" + kmeans.getSolver() + ")", kmeans);
        }

        /** A fit by the solver that multiplies matrices. */
        Contender fitByBlocks(int codes, int iterations, long seed) {
            return new Fit(
                    "Spark, block solver", kmeans(codes, iterations, seed).setSolver("block"));
        }

        /** A fit by vq4j's estimator. */
        Contender fitByVq4j(int codes, int iterations, long seed) {
            return new Vq4jFit(new VectorQuantizer()
                    .setFeaturesCol(FEATURES)
                    .setNumCodes(codes)
                    .setMaxIter(iterations)
                    .setTol(0)
                    .setSeed(seed));
        }

        private static KMeans kmeans(int codes, int iterations, long seed) {
            return new KMeans()
                    .setFeaturesCol(FEATURES)
                    .setK(codes)
                    .setMaxIter(iterations)
                    .setTol(0)
                    .setSeed(seed);
        }

        @Override
        public void close() {
            cached.unpersist(true);
        }

        private final class Vq4jFit implements Contender {
            private final VectorQuantizer quantizer;
            private @Nullable VectorQuantizerModel model;

            Vq4jFit(VectorQuantizer quantizer) {
                this.quantizer = quantizer;
            }

            @Override
            public String name() {
                return "vq4j in Spark";
            }

            @Override
            public void run() {
                model = quantizer.fit(cached);
            }

            /** The heap grows as the garbage collector likes. */
            @Override
            public @Nullable Long memoryGrowth() {
                run();
                return null;
            }

            @Override
            public int[] result() {
                return Bits.of(model.codebook(0));
            }
        }

        private final class Fit implements Contender {
            private final String name;
            private final KMeans kmeans;
            private @Nullable KMeansModel model;

            Fit(String name, KMeans kmeans) {
                this.name = name;
                this.kmeans = kmeans;
            }

            @Override
            public String name() {
                return name;
            }

            /** Every task of Spark is a thread already, so that each multiplies matrices alone, as Spark's guide asks. */
            @Override
            public void run() {
                int before = openblas_nolapack.blas_get_num_threads();
                openblas_nolapack.blas_set_num_threads(1);
                try {
                    model = kmeans.fit(cached);
                } finally {
                    openblas_nolapack.blas_set_num_threads(before);
                }
            }

            /** The heap grows as the garbage collector likes. */
            @Override
            public @Nullable Long memoryGrowth() {
                run();
                return null;
            }

            @Override
            public int[] result() {
                Vector[] centres = model.clusterCenters();
                int features = centres[0].size();
                int[] bits = new int[kmeans.getK() * features];
                for (int i = 0; i < bits.length; i++) {
                    Vector centre = centres[Math.min(i / features, centres.length - 1)];
                    bits[i] = Float.floatToRawIntBits((float) centre.apply(i % features));
                }
                return bits;
            }
        }
    }
}
