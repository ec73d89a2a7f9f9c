package io.github.vq4j.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.ObjectOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Random;
import java.util.stream.Stream;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.ml.feature.VectorAssembler;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.linalg.Vectors;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VectorQuantizerTest {
    private static final int FEATURES = 6;

    private static SparkSession session;
    private static List<Vector> vectors;
    private static Dataset<Row> data;

    @TempDir
    private Path folder;

    @BeforeAll
    static void start() {
        session = Data.session("local[2]").getOrCreate();
        vectors = Data.normal(600, FEATURES, 1);
        data = Data.dataset(session, vectors);
    }

    @AfterAll
    static void stop() {
        session.stop();
    }

    @Test
    void codebooksHaveTheSameBitsForAnyPartitionsAndOrder() {
        List<Vector> mixed = new ArrayList<>(vectors);
        Collections.shuffle(mixed, new Random(2));
        for (int groups : new int[] {1, 2}) {
            VectorQuantizer quantizer = quantizer().setGroups(groups);
            VectorQuantizerModel one = quantizer.fit(data.coalesce(1));
            for (int partitions : new int[] {2, 7}) {
                VectorQuantizerModel other =
                        quantizer.fit(Data.dataset(session, mixed).repartition(partitions));
                for (int group = 0; group < groups; group++) {
                    assertArrayEquals(one.codebook(group), other.codebook(group), partitions + " partitions");
                }
                assertEquals(one.summary(), other.summary());
            }
        }
    }

    @Test
    void everyVectorGetsItsNearestCodeAndTheVectorBehindIt() {
        VectorQuantizerModel model = quantizer().setReconstructionCol("nearest").fit(data);
        double cost = 0;
        for (Row row : model.transform(data).collectAsList()) {
            Vector vector = row.getAs("features");
            int code = row.getAs("codes");
            Vector behind = vectorOf(model.codebook(0), code, FEATURES);
            assertEquals(behind, row.getAs("nearest"));
            for (int other = 0; other < 8; other++) {
                assertTrue(Vectors.sqdist(vector, behind)
                        <= Vectors.sqdist(vector, vectorOf(model.codebook(0), other, FEATURES)) + 1e-6);
            }
            cost += Vectors.sqdist(vector, behind);
        }
        assertEquals(cost, model.summary().trainingCost(), 1e-5 * cost);
        assertEquals(cost / 600 / FEATURES, model.summary().meanSquaredError(), 1e-5 * cost);
        assertEquals(600, model.summary().rows());
        assertTrue(model.summary().numIter() >= 1 && model.summary().numIter() <= 2);
    }

    @Test
    void everyGroupOfFeaturesGetsACodeOfItsOwn() {
        VectorQuantizerModel model =
                quantizer().setGroups(3).setReconstructionCol("nearest").fit(data);
        double cost = 0;
        for (Row row : model.transform(data).collectAsList()) {
            List<Integer> codes = row.getList(row.fieldIndex("codes"));
            assertEquals(3, codes.size());
            double[] behind = new double[FEATURES];
            for (int group = 0; group < 3; group++) {
                Vector part = vectorOf(model.codebook(group), codes.get(group) - 8 * group, 2);
                behind[2 * group] = part.apply(0);
                behind[2 * group + 1] = part.apply(1);
            }
            assertEquals(Vectors.dense(behind), row.getAs("nearest"));
            cost += Vectors.sqdist(row.getAs("features"), Vectors.dense(behind));
        }
        assertEquals(cost, model.summary().trainingCost(), 1e-5 * cost);
    }

    @Test
    void sparseVectorsAreTheSameAsDenseOnes() {
        Dataset<Row> sparse = Data.dataset(
                session,
                vectors.stream().map(vector -> (Vector) vector.toSparse()).toList());
        VectorQuantizerModel model = quantizer().fit(data);
        assertArrayEquals(model.codebook(0), quantizer().fit(sparse).codebook(0));
        assertEquals(codes(model, data), codes(model, sparse));
    }

    @Test
    void aModelThatIsReadEncodesAsTheOneThatWasWritten() throws Exception {
        for (int groups : new int[] {1, 2}) {
            String path = folder.resolve("model" + groups).toString();
            VectorQuantizerModel written = quantizer()
                    .setGroups(groups)
                    .setReconstructionCol("nearest")
                    .fit(data)
                    .setCodesCol("words");
            written.write().overwrite().save(path);
            VectorQuantizerModel read = VectorQuantizerModel.load(path);
            for (int group = 0; group < groups; group++) {
                assertArrayEquals(written.codebook(group), read.codebook(group));
            }
            assertEquals(written.uid(), read.uid());
            assertEquals("words", read.getCodesCol());
            assertEquals(
                    written.transform(data).collectAsList(),
                    read.transform(data).collectAsList());
            assertFalse(read.hasSummary());
            assertThrows(NoSuchElementException.class, read::summary);
        }
    }

    @Test
    void anEstimatorThatIsReadHasTheParamsOfTheOneThatWasWritten() throws Exception {
        String path = folder.resolve("estimator").toString();
        VectorQuantizer written = quantizer().setTol(0.5).setReconstructionCol("nearest");
        written.save(path);
        VectorQuantizer read = VectorQuantizer.load(path);
        assertEquals(written.uid(), read.uid());
        assertEquals(written.explainParams(), read.explainParams());
    }

    @Test
    void aPipelineAssemblesQuantizesAndIsReadBack() throws Exception {
        Dataset<Row> columns =
                session.range(400).selectExpr("sin(id) as a", "cos(id * 0.7) as b", "sin(id * 0.3) * 2 as c");
        Pipeline pipeline = new Pipeline().setStages(new PipelineStage[] {
            new VectorAssembler().setInputCols(new String[] {"a", "b", "c"}).setOutputCol("features"), quantizer()
        });
        PipelineModel model = pipeline.fit(columns);
        String path = folder.resolve("pipeline").toString();
        model.save(path);
        assertEquals(
                model.transform(columns).collectAsList(),
                PipelineModel.load(path).transform(columns).collectAsList());
        assertEquals(
                DataTypes.IntegerType,
                model.transformSchema(columns.schema()).apply("codes").dataType());
    }

    @Test
    void aModelEncodesTwoGroupsAndIsSaved() throws Exception {
        Dataset<Row> dataset = data;
        String path = folder.resolve("groups").toString();
        // docs: fit
        VectorQuantizer quantizer = new VectorQuantizer()
                .setFeaturesCol("features") // vectors, dense or sparse
                .setNumCodes(16) // of each group
                .setGroups(2)
                .setReconstructionCol("nearest");
        VectorQuantizerModel model = quantizer.fit(dataset);
        Dataset<Row> encoded = model.transform(dataset); // with "codes" and "nearest"
        model.write().overwrite().save(path); // VectorQuantizerModel.load(path), in pipelines too
        double error = model.summary().meanSquaredError();
        // docs: end
        assertEquals(
                600, encoded.where("codes is not null and nearest is not null").count());
        assertTrue(error > 0 && error < 1, "" + error);
        assertArrayEquals(model.codebook(1), VectorQuantizerModel.load(path).codebook(1));
    }

    @Test
    void codesOfAGroupBeginWhereThoseOfTheGroupBeforeEnd() {
        VectorQuantizerModel model = quantizer().setNumCodes(16).setGroups(2).fit(data);
        Dataset<Row> encoded = model.transform(data);
        // docs: groups
        // [3, 25] with 16 codes of each group: code 3 of group 0, code 9 of group 1.
        Dataset<Row> ofGroups = encoded.selectExpr("transform(codes, (code, group) -> code - 16 * group) as codes");
        // docs: end
        List<Row> numbered = encoded.collectAsList();
        List<Row> counted = ofGroups.collectAsList();
        for (int n = 0; n < numbered.size(); n++) {
            List<Integer> codes = numbered.get(n).getList(2);
            List<Integer> each = counted.get(n).getList(0);
            assertEquals(List.of(each.get(0), 16 + each.get(1)), codes);
            assertTrue(Collections.min(each) >= 0 && Collections.max(each) < 16, each.toString());
        }
    }

    @Test
    void storedCodesAreDecoded() {
        for (int groups : new int[] {1, 2}) {
            VectorQuantizerModel model = quantizer()
                    .setGroups(groups)
                    .setReconstructionCol("nearest")
                    .fit(data);
            Dataset<Row> encoded = model.transform(data);
            String path = folder.resolve("codes" + groups).toString();
            encoded.select("id", "codes").write().parquet(path);
            // docs: decode
            Dataset<Row> stored = session.read().parquet(path); // with "codes"
            Dataset<Row> decoded = model.decode(stored); // and with "nearest"
            // docs: end
            assertEquals(
                    encoded.select("id", "codes", "nearest").collectAsList(),
                    decoded.orderBy("id").collectAsList());
        }
    }

    @Test
    void codesThatCannotBeDecodedAreRefusedAndNullsPass() {
        VectorQuantizerModel model =
                quantizer().setGroups(2).setReconstructionCol("nearest").fit(data);
        assertUndecoded(model, "need a code of each of the model's 2 groups, got [3]", "array(3)");
        assertUndecoded(model, "need a code of group 1 in [8, 16), got [3, 4]", "array(3, 4)");
        assertUndecoded(model, "need a code of group 1 in [8, 16), got [3, 16]", "array(3, 16)");
        assertUndecoded(model, "need a code of group 0 in [0, 8), got [-1, 9]", "array(-1, 9)");
        assertUndecoded(model, "need a code of group 1 in [8, 16), got [3, null]", "array(3, null)");
        Dataset<Row> ofNull = session.range(1).selectExpr("cast(null as array<int>) as codes");
        assertTrue(model.decode(ofNull).first().isNullAt(1));
    }

    @Test
    void schemasThatCannotBeDecodedAreRefused() {
        VectorQuantizerModel model = quantizer().fit(data);
        Dataset<Row> codes = session.range(1).selectExpr("3 as codes");
        assertThrows(NoSuchElementException.class, () -> model.decode(codes));
        model.setReconstructionCol("Codes");
        assertRefused(
                "need a new column reconstructionCol, got \"Codes\"; \"codes\" is there already",
                () -> model.decode(codes));
        assertRefused("need a column codesCol = \"codes\", got id, features", () -> model.decode(data));
        assertRefused(
                "need codes of type int, got codesCol = \"codes\" of type array<int>",
                () -> model.decode(session.range(1).selectExpr("array(3) as codes")));
    }

    @Test
    void aCopyHasItsOwnParams() {
        VectorQuantizer quantizer = quantizer();
        VectorQuantizer copy =
                quantizer.copy(new ParamMap().put(quantizer.numCodes().w(3)));
        assertNotSame(quantizer, copy);
        assertEquals(quantizer.uid(), copy.uid());
        assertEquals(3, copy.getNumCodes());
        assertEquals(8, quantizer.getNumCodes());

        VectorQuantizerModel model = quantizer.fit(data);
        VectorQuantizerModel other =
                model.copy(new ParamMap().put(model.codesCol().w("words")));
        assertEquals("words", other.getCodesCol());
        assertEquals("codes", model.getCodesCol());
        assertEquals(model.summary(), other.summary());
        assertEquals(quantizer, other.parent());
        assertArrayEquals(model.codebook(0), other.codebook(0));
    }

    @Test
    void paramsThatAreSetAfterTheFitChangeNoCodebook() throws Exception {
        VectorQuantizerModel model = quantizer().fit(data);
        ParamMap others =
                new ParamMap().put(model.numCodes().w(4)).put(model.groups().w(2));
        VectorQuantizerModel copy = model.copy(others);
        assertEquals(8, copy.getNumCodes());
        assertEquals(1, copy.getGroups());
        assertEquals(model.toString(), copy.toString());
        assertEquals(codes(model, data), codes(copy, data));
        assertEquals(
                model.transform(data).collectAsList(),
                model.transform(data, others).collectAsList());

        String path = folder.resolve("copy").toString();
        copy.save(path);
        assertArrayEquals(model.codebook(0), VectorQuantizerModel.load(path).codebook(0));
    }

    @Test
    void schemasThatDoNotFitAreRefused() {
        VectorQuantizer quantizer = quantizer();
        assertRefused(
                "need a column featuresCol = \"vector\", got id, features",
                () -> quantizer().setFeaturesCol("vector").transformSchema(data.schema()));
        assertRefused(
                "need a column of vectors, got featuresCol = \"id\" of type int; a VectorAssembler or"
                        + " functions.array_to_vector makes vectors",
                () -> quantizer().setFeaturesCol("id").fit(data));
        assertRefused(
                "need a new column codesCol, got \"id\"; \"id\" is there already",
                () -> quantizer.setCodesCol("id").fit(data));
        assertRefused(
                "need a new column reconstructionCol, got \"id\"; \"id\" is there already",
                () -> quantizer().setReconstructionCol("id").fit(data));
        assertRefused(
                "need a new column reconstructionCol, got \"codes\"; \"codes\" is there already",
                () -> quantizer().setReconstructionCol("codes").fit(data));
    }

    @Test
    void columnsThatDifferOnlyInCaseAreOneUnlessTheSessionTellsThemApart() {
        VectorQuantizer quantizer = quantizer().setCodesCol("ID").setReconstructionCol("Id");
        assertRefused("need a new column codesCol, got \"ID\"; \"id\" is there already", () -> quantizer.fit(data));
        assertRefused(
                "need a new column reconstructionCol, got \"Codes\"; \"codes\" is there already",
                () -> quantizer().setReconstructionCol("Codes").fit(data));
        session.conf().set("spark.sql.caseSensitive", true);
        try {
            assertArrayEquals(
                    new String[] {"id", "features", "ID", "Id"},
                    quantizer.fit(data).transform(data).columns());
        } finally {
            session.conf().unset("spark.sql.caseSensitive");
        }
    }

    @Test
    void namesOfColumnsAreTakenAsTheyAre() {
        for (String name : List.of("a.b", "*", "a`b", "`a`")) {
            Dataset<Row> named = data.withColumnRenamed("features", name);
            VectorQuantizerModel model = quantizer()
                    .setFeaturesCol(name)
                    .setCodesCol("codes of " + name)
                    .setReconstructionCol("nearest to " + name)
                    .fit(named);
            Dataset<Row> encoded = model.transform(named);
            assertArrayEquals(new String[] {"id", name, "codes of " + name, "nearest to " + name}, encoded.columns());
            List<Row> all = encoded.collectAsList();
            List<Row> decoded = model.decode(encoded.drop("nearest to " + name)).collectAsList();
            assertEquals(all, decoded);
            assertFalse(all.get(0).isNullAt(3));
        }
    }

    @Test
    void aModelWithoutItsCodebooksIsNotRead() throws Exception {
        Path path = folder.resolve("damaged");
        quantizer().fit(data).save(path.toString());
        try (Stream<Path> files = Files.list(path.resolve("codebooks"))) {
            for (Path file :
                    files.filter(file -> file.toString().endsWith(".parquet")).toList()) {
                Files.delete(file);
            }
        }
        assertRefused(
                "need a row for each code in " + path + "/codebooks, got none; are files missing?",
                () -> VectorQuantizerModel.load(path.toString()));
    }

    @Test
    void aModelWithoutSomeOfItsCodesIsNotRead() throws Exception {
        Path path = folder.resolve("damaged");
        quantizer().fit(data).save(path.toString());
        String codebooks = path + "/codebooks";
        List<Row> rows = session.read().parquet(codebooks).collectAsList();
        StructType schema = session.read().parquet(codebooks).schema();
        List<Row> others = rows.stream()
                .filter(row -> row.getInt(0) != 0 || row.getInt(1) != 1)
                .toList();
        session.createDataFrame(others, schema).write().mode("overwrite").parquet(codebooks);
        String message = assertThrows(IllegalArgumentException.class, () -> VectorQuantizerModel.load(path.toString()))
                .getMessage();
        assertTrue(message.contains(" in " + codebooks + ", got group 0, code 2 of "), message);
        assertTrue(message.endsWith("in row 1 of " + others.size() + "; are files missing?"), message);
    }

    @Test
    void tasksCarryNoCodebooks() throws Exception {
        float[][] codebooks = new float[1][100_000 * FEATURES];
        VectorQuantizerModel model = new VectorQuantizerModel("wide", codebooks, FEATURES);
        model.setReconstructionCol("nearest");
        Dataset<Row> encoded = model.transform(data);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream stream = new ObjectOutputStream(bytes)) {
            for (Dataset<Row> each : List.of(encoded, model.decode(encoded.drop("nearest")))) {
                stream.writeObject(each.queryExecution().analyzed().expressions());
            }
        }
        assertTrue(bytes.size() < 4 * codebooks[0].length, "" + bytes.size());
    }

    @Test
    void paramsOutOfRangeAreRefused() {
        for (Runnable setter : List.<Runnable>of(
                () -> quantizer().setNumCodes(0),
                () -> quantizer().setGroups(0),
                () -> quantizer().setMaxIter(-1),
                () -> quantizer().setTol(-0.1),
                () -> quantizer().setTol(Double.POSITIVE_INFINITY))) {
            assertThrows(IllegalArgumentException.class, setter::run);
        }
        assertRefused(
                "need groups to divide featureSize = 6, got 4",
                () -> quantizer().setGroups(4).fit(data));
    }

    @Test
    void rowsThatCannotBeFittedAreRefused() {
        assertRefused("need at least one row, got an empty column \"features\"", () -> quantizer()
                .fit(data.limit(0)));
        assertRefused("need at least numCodes = 8 rows that differ, got 5 among 5", () -> quantizer()
                .fit(Data.dataset(session, vectors.subList(0, 5))));
        assertFails(
                "need rows of finite numbers, got NaN as feature 1", with(Vectors.dense(1, Double.NaN, 3, 4, 5, 6)));
        assertFails("need rows of finite numbers, got Infinity as feature 0", with(Vectors.dense(1e39, 2, 3, 4, 5, 6)));
        assertFails("need vectors of one size, got 6 and 2 features", with(Vectors.dense(1, 2)));
        assertFails("need a vector in every row, got a null", with(null));
    }

    @Test
    void vectorsThatCannotBeEncodedAreRefusedAndNullsPass() {
        VectorQuantizerModel model = quantizer().setReconstructionCol("nearest").fit(data);
        Exception failure = assertThrows(Exception.class, () -> model.transform(with(Vectors.dense(1, 2)))
                .collectAsList());
        assertTrue(messages(failure).contains("need vectors of the codebooks' 6 features, got 2"), messages(failure));
        Row ofNull = model.transform(with(null)).where("features is null").first();
        assertTrue(ofNull.isNullAt(ofNull.fieldIndex("codes")));
        assertTrue(ofNull.isNullAt(ofNull.fieldIndex("nearest")));
    }

    @Test
    void whatIsNotFiniteIsToldByItsFeatureAndTheRowsBegin() {
        VectorQuantizerModel model = quantizer().fit(data);
        Dataset<Row> rows = with(Vectors.dense(1, Double.NaN, 3, 4, 5, 6));
        Exception failure =
                assertThrows(Exception.class, () -> model.transform(rows).collectAsList());
        String message = "need rows of finite numbers, got NaN as feature 1 of a row that begins with"
                + " [1.0, NaN, 3.0, 4.0, 5.0, 6.0]";
        assertTrue(messages(failure).contains(message), messages(failure));
        assertFails(message, rows);
    }

    private static VectorQuantizer quantizer() {
        return new VectorQuantizer().setNumCodes(8).setMaxIter(2).setTol(0);
    }

    private static List<Integer> codes(VectorQuantizerModel model, Dataset<Row> data) {
        return model.transform(data).collectAsList().stream()
                .map(row -> row.<Integer>getAs("codes"))
                .toList();
    }

    private static Vector vectorOf(float[] codebook, int code, int width) {
        double[] values = new double[width];
        for (int d = 0; d < width; d++) {
            values[d] = codebook[code * width + d];
        }
        return Vectors.dense(values);
    }

    /** The vectors and one more. */
    private static Dataset<Row> with(Vector vector) {
        List<Vector> more = new ArrayList<>(vectors);
        more.add(vector);
        return Data.dataset(session, more);
    }

    private static void assertFails(String message, Dataset<Row> rows) {
        Exception failure = assertThrows(Exception.class, () -> quantizer().fit(rows));
        assertTrue(messages(failure).contains(message), messages(failure));
    }

    private static void assertUndecoded(VectorQuantizerModel model, String message, String codes) {
        Dataset<Row> rows = session.range(1).selectExpr(codes + " as codes");
        Exception failure =
                assertThrows(Exception.class, () -> model.decode(rows).collectAsList());
        assertTrue(messages(failure).contains(message), messages(failure));
    }

    private static void assertRefused(String message, Runnable call) {
        assertEquals(
                message, assertThrows(IllegalArgumentException.class, call::run).getMessage());
    }

    private static String messages(Throwable failure) {
        StringBuilder all = new StringBuilder();
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            all.append(cause.getMessage()).append(Arrays.toString(cause.getSuppressed()));
        }
        return all.toString();
    }
}
