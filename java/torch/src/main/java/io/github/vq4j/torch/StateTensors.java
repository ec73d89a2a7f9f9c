package io.github.vq4j.torch;

import io.github.vq4j.LayerState;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** The state of a layer as tensors of libtorch's, and back. */
final class StateTensors {
    private StateTensors() {}

    /** libtorch keeps the dot for paths of modules. */
    static String key(String name) {
        return name.replace('.', '_');
    }

    static Tensor of(io.github.vq4j.Tensor tensor) {
        return switch (tensor.dataType()) {
            case FLOAT32 -> Tensor.create(tensor.toFloatArray(), tensor.shape());
            case INT32 -> Tensor.create(tensor.toIntArray(), tensor.shape());
            case FLOAT16, BFLOAT16 -> throw new IllegalArgumentException("need FLOAT32 or INT32, got " + tensor);
        };
    }

    static Tensor of(long number) {
        try (Tensor one = Tensor.create(new long[] {number}, 1)) {
            return one.reshape();
        }
    }

    static Tensor of(double real) {
        try (Tensor one = Tensor.create(new double[] {real}, 1)) {
            return one.reshape();
        }
    }

    /**
     * The state that tensors hold.
     *
     * @param model a state with the layer's names for them; other tensors keep the names they have
     */
    @SuppressWarnings("try") // A guard is there to be closed.
    static LayerState state(Map<String, Tensor> given, LayerState model) {
        Map<String, String> names = new HashMap<>();
        model.tensors().keySet().forEach(name -> names.put(key(name), name));
        model.numbers().keySet().forEach(name -> names.put(key(name), name));
        model.reals().keySet().forEach(name -> names.put(key(name), name));
        Map<String, io.github.vq4j.Tensor> tensors = new LinkedHashMap<>();
        Map<String, Long> numbers = new LinkedHashMap<>();
        Map<String, Double> reals = new LinkedHashMap<>();
        try (NoGradGuard noGradient = new NoGradGuard();
                Device cpu = new Device("cpu")) {
            given.forEach((key, tensor) -> {
                String name = names.getOrDefault(key, key);
                ScalarType type = tensor.scalar_type().intern();
                try (Tensor there = tensor.to(cpu, type);
                        Tensor values = there.contiguous()) {
                    switch (type) {
                        case Float -> tensors.put(name, copy(values));
                        case Int -> tensors.put(name, copyOfInts(values));
                        case Long -> numbers.put(name, one(name, values).item_long());
                        case Double -> reals.put(name, one(name, values).item_double());
                        default ->
                            throw new IllegalArgumentException(
                                    "need " + key + " of dtype Float, Int, Long or Double, got " + type);
                    }
                }
            });
        }
        return new LayerState(tensors, numbers, reals);
    }

    private static Tensor one(String name, Tensor tensor) {
        if (tensor.numel() != 1) {
            throw new IllegalArgumentException("need " + name + " of one element, got " + tensor.numel());
        }
        return tensor;
    }

    private static io.github.vq4j.Tensor copy(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.numel())];
        tensor.data_ptr_float().get(values);
        return io.github.vq4j.Tensor.of(values, SharedMemory.shape(tensor));
    }

    private static io.github.vq4j.Tensor copyOfInts(Tensor tensor) {
        int[] values = new int[Math.toIntExact(tensor.numel())];
        tensor.data_ptr_int().get(values);
        return io.github.vq4j.Tensor.of(values, SharedMemory.shape(tensor));
    }
}
