// Squared distance of every row to its code, its means over each sample and over all, in fp64 over chunks of 256 rows, and
// the codes themselves and what they leave of the rows where these are wanted. Bound by memory, 4 N D bytes read and as many
// written for each of the two.
#include "core/arguments.hpp"
#include "cpu/chunks.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_commitment_loss(const float* rows, int64_t outer, int64_t inner, int64_t features, const float* codebook,
    const int32_t* codes, int64_t samples, float* distances, double* sample_means, double* mean_of_all,
    float* out, float* left) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        const int64_t rows_count = layout.rows();
        check_divides("samples", samples, "the number of rows", rows_count);
        check_present({rows, codebook, codes, distances, sample_means, mean_of_all});
        const Kernels& table = kernels();
        const auto measure = [&](int64_t begin, int64_t end) {
            table.squared_distances({rows, layout}, codebook, codes, begin, end, distances);
            if (out != nullptr) {
                table.look_up(codebook, codes, layout, begin, end, out);
            }
            if (left != nullptr) {
                table.residual({rows, layout}, codebook, codes, begin, end, left);
            }
        };
        const int64_t sample_rows = rows_count / samples;
        const auto average = [&](int64_t sample) {
            sample_means[sample] = mean_of_rows(distances + sample * sample_rows, sample_rows, features);
        };
        if (sample_rows * features < task_elements) {
            parallel_ranges(samples, sample_rows * features, [&](int64_t begin, int64_t end) {
                measure(begin * sample_rows, end * sample_rows);
                for (int64_t sample = begin; sample < end; ++sample) {
                    average(sample);
                }
            });
        } else {
            parallel_ranges(rows_count, features, measure);
            parallel_ranges(samples, sample_rows, [&](int64_t begin, int64_t end) {
                for (int64_t sample = begin; sample < end; ++sample) {
                    average(sample);
                }
            });
        }
        *mean_of_all = samples == 1 ? sample_means[0] : mean_of_rows(distances, rows_count, features);
    });
}
