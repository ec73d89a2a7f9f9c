// Stages of a residual layer: how many a row uses, and the steps of a beam search over them, a thread a row. Draws are bound
// by the arithmetic of Philox, the search by its comparisons: kept * beams * candidates a row.
#include "core/beam.hpp"
#include "core/samples.hpp"
#include "core/stage_arguments.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::stages {

struct Draw {
    uint64_t seed;
    uint64_t step;
    ChosenRows rows;
    int32_t least;
    int32_t most;
    int32_t* out;

    __device__ void operator()(int64_t i) const {
        out[i] = draw_stages_of_sample(seed, step, rows.sample(i), least, most);
    }
};

struct Extend {
    const float* distances;
    const int32_t* codes;
    const int32_t* paths;
    BeamShape shape;
    int64_t* parents;
    int32_t* new_codes;
    int32_t* new_paths;
    float* new_distances;

    __device__ void operator()(int64_t n) const {
        const int64_t first = n * shape.beams * shape.candidates;
        extend_beams_of_row({distances + first, codes + first, paths + n * shape.beams * shape.stages, shape},
            {n * shape.beams, parents + n * shape.kept, new_codes + n * shape.kept,
                new_paths + n * shape.kept * shape.stages, new_distances + n * shape.kept});
    }
};

struct Choose {
    const float* distances;
    const int32_t* paths;
    int64_t beams;
    int64_t stages;
    int32_t* best;

    __device__ void operator()(int64_t n) const {
        choose_beam_of_row(distances + n * beams, paths + n * beams * stages, beams, stages, best + n * stages);
    }
};

}  // namespace vq4j::stages

using namespace vq4j;

int32_t vq4j_cuda_draw_stages(void* stream, uint64_t seed, uint64_t step, const int64_t* order, int64_t count,
    int64_t rows_count, int64_t samples, int32_t least, int32_t most, int32_t* stages) {
    return guarded([&] {
        check_sizes({{"rows_count", rows_count}});
        check_divides("samples", samples, "the number of rows", rows_count);
        check_chosen(order, count, rows_count);
        check_stage_numbers(least, most);
        check_present({stages});
        for_each(count, static_cast<cudaStream_t>(stream),
            stages::Draw{seed, step, {order, count, rows_count / samples}, least, most, stages});
    });
}

int32_t vq4j_cuda_extend_beams(void* stream, const float* distances, const int32_t* codes, const int32_t* paths,
    int64_t rows_count, int64_t beams, int64_t candidates, int64_t stages, int64_t stage, int64_t kept, int64_t* parents,
    int32_t* new_codes, int32_t* new_paths, float* new_distances) {
    return guarded([&] {
        check_beams(rows_count, beams, candidates, stages, stage, kept);
        check_present({distances, codes, paths, parents, new_codes, new_paths, new_distances});
        for_each(rows_count, static_cast<cudaStream_t>(stream),
            stages::Extend{distances, codes, paths, {beams, candidates, stages, stage, kept}, parents, new_codes, new_paths,
                new_distances});
    });
}

int32_t vq4j_cuda_choose_beams(void* stream, const float* distances, const int32_t* paths, int64_t rows_count,
    int64_t beams, int64_t stages, int32_t* best) {
    return guarded([&] {
        check_sizes({{"rows_count", rows_count}, {"beams", beams}, {"stages", stages}});
        check_present({distances, paths, best});
        for_each(rows_count, static_cast<cudaStream_t>(stream), stages::Choose{distances, paths, beams, stages, best});
    });
}
