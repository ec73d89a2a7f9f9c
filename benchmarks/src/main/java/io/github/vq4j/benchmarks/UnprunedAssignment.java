package io.github.vq4j.benchmarks;

import io.github.vq4j.internal.CpuKernels;

/** {@link LayerAssignment} with every code scored: what its filters are measured against. The codes are the same. */
final class UnprunedAssignment implements Contender {
    private final LayerAssignment assignment;

    UnprunedAssignment(Matrix rows, Matrix codebook) {
        assignment = new LayerAssignment(rows, codebook);
    }

    @Override
    public String name() {
        return "every code scored";
    }

    @Override
    public void run() {
        CpuKernels.setFilters(0);
        try {
            assignment.run();
        } finally {
            CpuKernels.setFilters(1);
        }
    }

    @Override
    public int[] result() {
        return assignment.result();
    }

    @Override
    public void close() {
        assignment.close();
    }
}
