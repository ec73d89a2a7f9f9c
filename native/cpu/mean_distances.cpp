// Means of squared errors that some of the rows have, over each sample and over all, in fp64 over chunks of 256. One read of
// the distances.
#include "core/samples.hpp"
#include "core/stage_arguments.hpp"
#include "cpu/chunks.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

double mean(const float* distances, int64_t count, int64_t elements) {
    return count == 0 ? 0.0 : sum_of_chunks(distances, count) / static_cast<double>(elements);
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_mean_distances(const float* distances, const int64_t* order, int64_t count, int64_t distances_of_row,
    int64_t rows_count, int64_t samples, int64_t features, double* sample_means, double* mean_of_all) {
    return guarded([&] {
        check_sizes({{"rows_count", rows_count}, {"distances_of_row", distances_of_row}});
        check_sizes({{"rows_count", rows_count}, {"features", features}});
        check_divides("samples", samples, "the number of rows", rows_count);
        check_chosen(order, count, rows_count);
        check_present({distances, sample_means, mean_of_all});
        const ChosenRows rows = {order, count, rows_count / samples};
        for (int64_t sample = 0; sample < samples; ++sample) {
            const int64_t begin = rows.begin_of(sample);
            const int64_t of_sample = rows.begin_of(sample + 1) - begin;
            sample_means[sample] = mean(distances + begin * distances_of_row, of_sample * distances_of_row,
                of_sample * features);
        }
        *mean_of_all = mean(distances, count * distances_of_row, count * features);
    });
}
