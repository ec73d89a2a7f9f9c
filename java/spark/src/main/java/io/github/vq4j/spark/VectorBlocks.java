package io.github.vq4j.spark;

import io.github.vq4j.DistributedRows;
import io.github.vq4j.Tensor;
import java.io.Serializable;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.storage.StorageLevel;

/** A column of vectors in blocks of fp32 rows, kept by Spark until they are closed. */
final class VectorBlocks implements DistributedRows, AutoCloseable {
    private static final int MOST_ROWS = 4096;
    private static final int MOST_NUMBERS = 1 << 22;

    private final JavaSparkContext context;
    private final int featureSize;
    private final JavaRDD<float[]> blocks;

    /**
     * The blocks of a column.
     *
     * @throws IllegalArgumentException if there are no rows
     */
    VectorBlocks(Dataset<?> dataset, String column) {
        context = JavaSparkContext.fromSparkContext(dataset.sparkSession().sparkContext());
        Dataset<Row> vectors = dataset.select(Columns.quoted(column));
        List<Row> first = vectors.takeAsList(1);
        if (first.isEmpty()) {
            throw new IllegalArgumentException("need at least one row, got an empty column \"" + column + "\"");
        }
        featureSize = vectorOf(first.get(0)).size();
        int size = featureSize;
        blocks = vectors.toJavaRDD()
                .mapPartitions(rows -> new Blocks(rows, size))
                .persist(StorageLevel.MEMORY_AND_DISK());
    }

    /** D. */
    int featureSize() {
        return featureSize;
    }

    @Override
    public <T extends Serializable> T reduce(Task<T> task) {
        Broadcast<Task<T>> shared = context.broadcast(task);
        try {
            int size = featureSize;
            return blocks.mapPartitions(
                            part -> Collections.singletonList(shared.value().run(new Tensors(part, size)))
                                    .iterator())
                    .treeReduce((one, other) -> shared.value().combine(one, other));
        } finally {
            shared.destroy();
        }
    }

    @Override
    public void close() {
        blocks.unpersist();
    }

    private static Vector vectorOf(Row row) {
        if (row.isNullAt(0)) {
            throw new IllegalArgumentException("need a vector in every row, got a null");
        }
        return row.getAs(0);
    }

    /** Copies vectors into blocks. */
    private static final class Blocks implements Iterator<float[]> {
        private final Iterator<Row> rows;
        private final int featureSize;
        private final float[] room;

        Blocks(Iterator<Row> rows, int featureSize) {
            this.rows = rows;
            this.featureSize = featureSize;
            int mostRows = Math.max(1, Math.min(MOST_ROWS, MOST_NUMBERS / Math.max(1, featureSize)));
            room = new float[mostRows * featureSize];
        }

        @Override
        public boolean hasNext() {
            return rows.hasNext();
        }

        @Override
        public float[] next() {
            int filled = 0;
            while (filled < room.length && rows.hasNext()) {
                filled = put(vectorOf(rows.next()), filled);
            }
            return Arrays.copyOf(room, filled);
        }

        private int put(Vector vector, int begin) {
            if (vector.size() != featureSize) {
                throw new IllegalArgumentException(
                        "need vectors of one size, got " + featureSize + " and " + vector.size() + " features");
            }
            EncodedVectors.write(vector, room, begin);
            return begin + featureSize;
        }
    }

    /** Blocks as kernels take them. */
    private static final class Tensors implements Iterator<Tensor> {
        private final Iterator<float[]> blocks;
        private final int featureSize;

        Tensors(Iterator<float[]> blocks, int featureSize) {
            this.blocks = blocks;
            this.featureSize = featureSize;
        }

        @Override
        public boolean hasNext() {
            return blocks.hasNext();
        }

        @Override
        public Tensor next() {
            float[] block = blocks.next();
            return Tensor.of(block, block.length / featureSize, featureSize);
        }
    }
}
