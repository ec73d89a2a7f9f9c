// One row's step of a beam search over the stages of a residual layer.
#ifndef VQ4J_CORE_BEAM_HPP
#define VQ4J_CORE_BEAM_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

struct BeamShape {
    int64_t beams;
    int64_t candidates;
    int64_t stages;
    int64_t stage;
    int64_t kept;
};

// A row's sums of codes and what may be added to each.
struct BeamRow {
    const float* distances;  // beams x candidates
    const int32_t* codes;    // beams x candidates
    const int32_t* paths;    // beams x stages
    BeamShape shape;

    VQ4J_SHARED_MEMBER float distance(int64_t candidate) const {
        const float value = distances[candidate];
        return value == value ? value : HUGE_VALF;
    }

    // The total order of the candidates: the lower distance first, of equal ones the lower path.
    VQ4J_SHARED_MEMBER bool comes_before(int64_t a, int64_t b) const {
        if (distance(a) != distance(b)) {
            return distance(a) < distance(b);
        }
        const int32_t* const path_a = paths + a / shape.candidates * shape.stages;
        const int32_t* const path_b = paths + b / shape.candidates * shape.stages;
        for (int64_t i = 0; i < shape.stage; ++i) {
            if (path_a[i] != path_b[i]) {
                return path_a[i] < path_b[i];
            }
        }
        return codes[a] < codes[b];
    }
};

// What goes on of a row.
struct KeptBeams {
    int64_t first_parent;  // the number of the row's first sum among those of all rows
    int64_t* parents;      // kept
    int32_t* codes;        // kept
    int32_t* paths;        // kept x stages
    float* distances;      // kept

    VQ4J_SHARED_MEMBER void keep(int64_t slot, const BeamRow& row, int64_t candidate) const {
        const int64_t beam = candidate / row.shape.candidates;
        parents[slot] = first_parent + beam;
        codes[slot] = row.codes[candidate];
        distances[slot] = row.distances[candidate];
        int32_t* const path = paths + slot * row.shape.stages;
        for (int64_t i = 0; i < row.shape.stages; ++i) {
            path[i] = row.paths[beam * row.shape.stages + i];
        }
        path[row.shape.stage] = row.codes[candidate];
    }
};

// Candidate 0 is greedy search's. Each further slot takes the first candidate behind the slot before it: kept, beams and
// candidates are small numbers.
VQ4J_SHARED void extend_beams_of_row(const BeamRow& row, const KeptBeams& result) {
    const int64_t count = row.shape.beams * row.shape.candidates;
    result.keep(0, row, 0);
    int64_t last = -1;
    for (int64_t slot = 1; slot < row.shape.kept; ++slot) {
        int64_t next = -1;
        for (int64_t candidate = 1; candidate < count; ++candidate) {
            if ((last < 0 || row.comes_before(last, candidate)) && (next < 0 || row.comes_before(candidate, next))) {
                next = candidate;
            }
        }
        result.keep(slot, row, next);
        last = next;
    }
}

VQ4J_SHARED void choose_beam_of_row(const float* distances, const int32_t* paths, int64_t beams, int64_t stages,
    int32_t* best) {
    // A sum is a candidate of its own: the order is that of the whole paths.
    const BeamRow row = {distances, paths, paths, {beams, 1, stages, stages, 1}};
    int64_t chosen = 0;
    for (int64_t beam = 1; beam < beams; ++beam) {
        if (row.comes_before(beam, chosen)) {
            chosen = beam;
        }
    }
    for (int64_t i = 0; i < stages; ++i) {
        best[i] = paths[chosen * stages + i];
    }
}

}  // namespace vq4j

#endif
