package io.github.vq4j.spark;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.ml.util.DefaultParamsWriter;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Writes a model: its params as Spark does, its codebooks as Parquet, a row for each code. */
final class CodebookWriter extends MLWriter {
    static final StructType SCHEMA = new StructType()
            .add("group", DataTypes.IntegerType, false)
            .add("code", DataTypes.IntegerType, false)
            .add("vector", DataTypes.createArrayType(DataTypes.FloatType, false), false);

    private final VectorQuantizerModel model;

    CodebookWriter(VectorQuantizerModel model) {
        this.model = model;
    }

    /** Where the codebooks of a model lie. */
    static String codebooks(String path) {
        return path + "/codebooks";
    }

    @Override
    public void saveImpl(String path) {
        DefaultParamsWriter.saveMetadata(model, path, sparkSession());
        int width = model.featureSize() / model.getGroups();
        List<Row> rows = new ArrayList<>();
        for (int group = 0; group < model.getGroups(); group++) {
            float[] codebook = model.codebook(group);
            for (int code = 0; code < model.getNumCodes(); code++) {
                float[] vector = Arrays.copyOfRange(codebook, code * width, (code + 1) * width);
                rows.add(RowFactory.create(group, code, vector));
            }
        }
        sparkSession().createDataFrame(rows, SCHEMA).coalesce(1).write().parquet(codebooks(path));
    }
}
