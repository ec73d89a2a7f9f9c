package io.github.vq4j;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** Rows in parts, between which everything is serialized, as between machines. */
final class RowsInParts implements DistributedRows {
    private final List<List<Tensor>> parts = new ArrayList<>();
    private final Random order = new Random(1);

    /** Cuts rows into parts, which may be empty, and these into blocks. */
    RowsInParts(List<float[]> rows, int parts, int rowsOfBlock) {
        int features = rows.get(0).length;
        for (int part = 0; part < parts; part++) {
            List<Tensor> blocks = new ArrayList<>();
            int end = (part + 1) * rows.size() / parts;
            for (int n = part * rows.size() / parts; n < end; n += rowsOfBlock) {
                List<float[]> block = rows.subList(n, Math.min(end, n + rowsOfBlock));
                float[] values = new float[block.size() * features];
                for (int i = 0; i < block.size(); i++) {
                    System.arraycopy(block.get(i), 0, values, i * features, features);
                }
                blocks.add(Tensor.of(values, block.size(), features));
            }
            blocks.add(Tensor.of(new float[0], 0, features));
            this.parts.add(blocks);
        }
    }

    @Override
    public <T extends Serializable> T reduce(Task<T> task) {
        List<T> results = new ArrayList<>();
        for (List<Tensor> blocks : parts) {
            results.add(sent(sent(task).run(blocks.iterator())));
        }
        while (results.size() > 1) {
            Collections.shuffle(results, order);
            T one = results.remove(results.size() - 1);
            results.set(0, task.combine(one, results.get(0)));
        }
        return results.get(0);
    }

    @SuppressWarnings("unchecked") // What comes is what was sent.
    private static <T> T sent(T object) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream output = new ObjectOutputStream(bytes)) {
            output.writeObject(object);
            output.flush();
            return (T) new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray())).readObject();
        } catch (IOException | ClassNotFoundException failure) {
            throw new IllegalStateException(failure);
        }
    }
}
