// Stages of a residual layer: how many a row uses, and the steps of a beam search over them. Draws are bound by the arithmetic
// of Philox, the search by its comparisons: kept * beams * candidates a row.
#include "core/beam.hpp"
#include "core/samples.hpp"
#include "core/stage_arguments.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_draw_stages(uint64_t seed, uint64_t step, const int64_t* order, int64_t count, int64_t rows_count,
    int64_t samples, int32_t least, int32_t most, int32_t* stages) {
    return guarded([&] {
        check_sizes({{"rows_count", rows_count}});
        check_divides("samples", samples, "the number of rows", rows_count);
        check_chosen(order, count, rows_count);
        check_stage_numbers(least, most);
        check_present({stages});
        const ChosenRows rows = {order, count, rows_count / samples};
        parallel_ranges(count, draw_cost, [=](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                stages[i] = draw_stages_of_sample(seed, step, rows.sample(i), least, most);
            }
        });
    });
}

int32_t vq4j_cpu_extend_beams(const float* distances, const int32_t* codes, const int32_t* paths, int64_t rows_count,
    int64_t beams, int64_t candidates, int64_t stages, int64_t stage, int64_t kept, int64_t* parents, int32_t* new_codes,
    int32_t* new_paths, float* new_distances) {
    return guarded([&] {
        check_beams(rows_count, beams, candidates, stages, stage, kept);
        check_present({distances, codes, paths, parents, new_codes, new_paths, new_distances});
        const BeamShape shape = {beams, candidates, stages, stage, kept};
        parallel_ranges(rows_count, beams * candidates * kept, [=](int64_t begin, int64_t end) {
            for (int64_t n = begin; n < end; ++n) {
                const int64_t first = n * beams * candidates;
                extend_beams_of_row({distances + first, codes + first, paths + n * beams * stages, shape},
                    {n * beams, parents + n * kept, new_codes + n * kept, new_paths + n * kept * stages,
                        new_distances + n * kept});
            }
        });
    });
}

int32_t vq4j_cpu_choose_beams(const float* distances, const int32_t* paths, int64_t rows_count, int64_t beams,
    int64_t stages, int32_t* best) {
    return guarded([&] {
        check_sizes({{"rows_count", rows_count}, {"beams", beams}, {"stages", stages}});
        check_present({distances, paths, best});
        parallel_ranges(rows_count, beams * stages, [=](int64_t begin, int64_t end) {
            for (int64_t n = begin; n < end; ++n) {
                choose_beam_of_row(distances + n * beams, paths + n * beams * stages, beams, stages, best + n * stages);
            }
        });
    });
}
