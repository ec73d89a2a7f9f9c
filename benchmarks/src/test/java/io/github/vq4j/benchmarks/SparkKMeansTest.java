package io.github.vq4j.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class SparkKMeansTest {
    @Test
    void sparkFitsTheSameRowsInThisProcess() {
        try (Matrix rows = Matrix.normal(1, 500, 8);
                SparkKMeans spark = new SparkKMeans(2);
                SparkKMeans.Rows cached = spark.rows(rows, 2);
                Contender block = cached.fitByBlocks(4, 2, 1);
                Contender inSpark = cached.fitByVq4j(4, 2, 1);
                KMeansFit ours = new KMeansFit(rows, 4, 2, 1)) {
            assertTrue(spark.description().startsWith("4."), spark.description());
            Objective objective = new Objective(rows, 4);
            block.run();
            inSpark.run();
            ours.run();
            double sparks = objective.of(Bits.numbers(block.result()));
            assertEquals(objective.of(Bits.numbers(ours.result())), sparks, 0.2 * sparks);
            assertEquals(objective.of(Bits.numbers(inSpark.result())), sparks, 0.2 * sparks);
        }
    }
}
