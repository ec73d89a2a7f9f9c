package io.github.vq4j;

import io.github.vq4j.internal.CpuKernels;
import java.util.ArrayList;
import java.util.List;

/** The backends that tests run on: the CPU, and CUDA where a device or the host run of its sources is there. */
final class Backends {
    private Backends() {}

    static List<Backend> all() {
        List<Backend> backends = new ArrayList<>(List.of(Backend.cpu()));
        if (Backend.whyNoCuda().isEmpty()) {
            backends.add(Backend.cuda(0));
        }
        return backends;
    }

    /** The instruction sets of this machine, the one in use first. */
    static List<String> instructionSets() {
        String used = CpuKernels.instructionSet().getString();
        List<String> sets = new ArrayList<>(List.of(used));
        for (String name : List.of("avx512", "avx2", "neon", "portable")) {
            if (!name.equals(used) && CpuKernels.setInstructionSet(name) == CpuKernels.VQ4J_OK) {
                sets.add(name);
            }
        }
        CpuKernels.setInstructionSet(used);
        return sets;
    }

    static void write(Parameter parameter, float[] values) {
        parameter.kernels().write(values, parameter.values());
    }

    static Parameter parameter(Quantizer layer, String name) {
        return layer.parameters().stream()
                .filter(parameter -> parameter.name().equals(name))
                .findFirst()
                .orElseThrow();
    }
}
