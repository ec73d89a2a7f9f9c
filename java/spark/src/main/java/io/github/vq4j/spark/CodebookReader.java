package io.github.vq4j.spark;

import java.util.List;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.sql.Row;
import scala.Option;

/** Reads what {@link CodebookWriter} wrote. */
final class CodebookReader extends MLReader<VectorQuantizerModel> {
    @Override
    public VectorQuantizerModel load(String path) {
        DefaultParamsReader.Metadata metadata =
                DefaultParamsReader.loadMetadata(path, sparkSession(), VectorQuantizerModel.class.getName());
        List<Row> rows = sparkSession()
                .read()
                .schema(CodebookWriter.SCHEMA)
                .parquet(CodebookWriter.codebooks(path))
                .orderBy("group", "code")
                .collectAsList();
        if (rows.isEmpty()) {
            throw new IllegalArgumentException(
                    "need a row for each code in " + CodebookWriter.codebooks(path) + ", got none; are files missing?");
        }
        int groups = 1 + rows.get(rows.size() - 1).getInt(0);
        // At least 1, also where there are fewer rows than groups, which is refused below.
        int numCodes = Math.max(1, rows.size() / groups);
        int width = rows.get(0).getList(2).size();
        float[][] codebooks = new float[groups][numCodes * width];
        for (int i = 0; i < rows.size(); i++) {
            Row row = rows.get(i);
            List<Float> vector = row.getList(2);
            if (row.getInt(0) != i / numCodes || row.getInt(1) != i % numCodes || vector.size() != width) {
                throw new IllegalArgumentException("need " + groups + " groups of as many codes of " + width
                        + " features each in " + CodebookWriter.codebooks(path) + ", got group " + row.getInt(0)
                        + ", code " + row.getInt(1) + " of " + vector.size() + " features in row " + i + " of "
                        + rows.size() + "; are files missing?");
            }
            for (int d = 0; d < width; d++) {
                codebooks[i / numCodes][i % numCodes * width + d] = vector.get(d);
            }
        }
        VectorQuantizerModel model = new VectorQuantizerModel(metadata.uid(), codebooks, groups * width);
        metadata.getAndSetParams(model, Option.empty());
        return model;
    }
}
