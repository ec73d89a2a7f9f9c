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
        int numCodes = rows.size() / groups;
        int width = rows.get(0).getList(2).size();
        float[][] codebooks = new float[groups][numCodes * width];
        for (Row row : rows) {
            List<Float> vector = row.getList(2);
            for (int d = 0; d < width; d++) {
                codebooks[row.getInt(0)][row.getInt(1) * width + d] = vector.get(d);
            }
        }
        VectorQuantizerModel model = new VectorQuantizerModel(metadata.uid(), codebooks, groups * width);
        metadata.getAndSetParams(model, Option.empty());
        return model;
    }
}
