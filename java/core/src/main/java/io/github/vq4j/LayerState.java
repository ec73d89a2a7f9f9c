package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.DoubleConsumer;
import java.util.function.DoubleSupplier;
import java.util.function.DoubleUnaryOperator;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;

/**
 * All that training has changed of a layer, by the names that {@link Checkpoint} has it by: for libraries that keep state
 * in files of their own. {@link Quantizer#state} copies it, {@link Quantizer#restore} takes it over.
 *
 * @param tensors FLOAT32 and INT32, on the host
 * @param numbers counts, and 0 or 1 for no or yes
 * @param reals settings of an inner optimiser
 */
public record LayerState(Map<String, Tensor> tensors, Map<String, Long> numbers, Map<String, Double> reals) {
    /** The maps are copied, the tensors are not. */
    public LayerState {
        tensors = Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
        numbers = Collections.unmodifiableMap(new LinkedHashMap<>(numbers));
        reals = Collections.unmodifiableMap(new LinkedHashMap<>(reals));
    }

    static LayerState of(Quantizer layer) {
        Collector collector = new Collector();
        layer.visitState(collector);
        return new LayerState(collector.tensors, collector.numbers, collector.reals);
    }

    StateSource source() {
        return new Source();
    }

    private static final class Collector implements StateVisitor {
        private final Map<String, Tensor> tensors = new LinkedHashMap<>();
        private final Map<String, Long> numbers = new LinkedHashMap<>();
        private final Map<String, Double> reals = new LinkedHashMap<>();

        @Override
        public void floats(String name, Kernels kernels, FloatPointer values, long... shape) {
            float[] copy = new float[Arguments.product(shape)];
            kernels.read(values, copy);
            tensors.put(name, Tensor.of(copy, shape));
        }

        @Override
        public void ints(String name, Kernels kernels, IntPointer values, int least, int most, long... shape) {
            int[] copy = new int[Arguments.product(shape)];
            kernels.read(values, copy);
            tensors.put(name, Tensor.of(copy, shape));
        }

        @Override
        public void number(String name, long least, long most, LongSupplier value, LongConsumer restore) {
            numbers.put(name, value.getAsLong());
        }

        @Override
        public void real(String name, DoubleSupplier value, DoubleUnaryOperator check, DoubleConsumer restore) {
            reals.put(name, value.getAsDouble());
        }
    }

    private final class Source implements StateSource {
        @Override
        public Set<String> names() {
            Set<String> names = new TreeSet<>(tensors.keySet());
            names.addAll(numbers.keySet());
            names.addAll(reals.keySet());
            return names;
        }

        @Override
        public boolean has(String name) {
            return tensors.containsKey(name) || numbers.containsKey(name) || reals.containsKey(name);
        }

        @Override
        public String type(String name) {
            if (!tensors.containsKey(name)) {
                return numbers.containsKey(name) ? "I64" : "F64";
            }
            DataType type = tensor(name).dataType();
            return switch (type) {
                case FLOAT32 -> "F32";
                case INT32 -> "I32";
                case FLOAT16, BFLOAT16 -> type.name();
            };
        }

        @Override
        public long[] shape(String name) {
            return tensors.containsKey(name) ? tensor(name).shape() : new long[0];
        }

        @Override
        public float[] floats(String name) {
            return tensor(name).toFloatArray();
        }

        @Override
        public int[] ints(String name) {
            return tensor(name).toIntArray();
        }

        @Override
        public long[] longs(String name) {
            return new long[] {Objects.requireNonNull(numbers.get(name))};
        }

        @Override
        public double[] doubles(String name) {
            return new double[] {Objects.requireNonNull(reals.get(name))};
        }

        private Tensor tensor(String name) {
            return Objects.requireNonNull(tensors.get(name));
        }
    }
}
