package io.github.vq4j.spark;

import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.Metadata;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** Columns of a schema that params name. */
final class Columns {
    private Columns() {}

    /**
     * The type of a column.
     *
     * @throws IllegalArgumentException if it is not there
     */
    static DataType typeOf(StructType schema, String param, String column) {
        if (!schema.getFieldIndex(column).isDefined()) {
            throw new IllegalArgumentException(
                    "need a column " + param + " = \"" + column + "\", got " + String.join(", ", schema.fieldNames()));
        }
        return schema.apply(column).dataType();
    }

    /** A column's name as Spark is to read it: whole, where dots would lead into a struct and a star to all columns. */
    static String quoted(String column) {
        return "`" + column.replace("`", "``") + "`";
    }

    /**
     * The schema with a column more.
     *
     * @throws IllegalArgumentException if it is there, or one that the session takes for it, as "ID" for "id" unless
     *     spark.sql.caseSensitive is set
     */
    static StructType added(StructType schema, String param, String column, DataType type) {
        boolean caseSensitive = SQLConf.get().caseSensitiveAnalysis();
        for (String there : schema.fieldNames()) {
            if (caseSensitive ? there.equals(column) : there.equalsIgnoreCase(column)) {
                throw new IllegalArgumentException(
                        "need a new column " + param + ", got \"" + column + "\"; \"" + there + "\" is there already");
            }
        }
        return schema.add(new StructField(column, type, true, Metadata.empty()));
    }
}
