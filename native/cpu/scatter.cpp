// Sums over the rows of each code: of the rows themselves (scatter) and of their gradients (codebook_gradient).
//
// The rows are read in their order, each added to its code's sum in the result. A code's chunks of 256 rows are summed in
// fp32 and added up in fp64, in order. One read of the rows, 4 N D bytes (8 with a gradient); the sums stay in the caches,
// for which wide features are taken in strips where there are many codes. Tasks share the features, and then the codes: the
// number of threads decides into how many parts, no sum depends on it.
#include <algorithm>

#include "core/arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

constexpr int64_t line_features = 16;                 // that a line of the caches holds
constexpr int64_t most_summed_floats = int64_t{1} << 20;  // at a time, 4 MiB
constexpr int64_t least_strip = 2 * line_features;
constexpr int64_t least_task = 8 * task_elements;  // each task runs through all codes

int64_t in_parts_of(int64_t whole, int64_t part) {
    return (whole + part - 1) / part;
}

// How many features a task takes.
int64_t strip_width(Layout layout, int64_t codes_count, int64_t tasks) {
    if (layout.inner != 1) {
        return strip_features;
    }
    const int64_t that_fits = std::max(least_strip, most_summed_floats / codes_count);
    const int64_t of_a_task = in_parts_of(layout.features, tasks);
    return in_parts_of(std::min(that_fits, of_a_task), line_features) * line_features;
}

// sum_part(part, totals) sums a part of the features of a part of the codes.
template <typename SumPart>
void sum_by_code(Layout layout, int64_t codes_count, SumPart sum_part) {
    const int64_t most_tasks = std::max<int64_t>(1, layout.rows() * layout.features / least_task);
    const int64_t tasks = std::min<int64_t>(pool_threads(), most_tasks);
    const int64_t width = strip_width(layout, codes_count, tasks);
    const int64_t strips = in_parts_of(layout.features, width);
    // Rows that lie side by side share their lines: tasks for other codes would read them all once more.
    const int64_t code_parts = layout.inner == 1 ? std::min(codes_count, in_parts_of(tasks, strips)) : 1;
    parallel_for(strips * code_parts, [&](int64_t i) {
        const int64_t first_feature = i % strips * width;
        const CodePart part{i / strips * codes_count / code_parts, (i / strips + 1) * codes_count / code_parts,
            first_feature, std::min(width, layout.features - first_feature)};
        const int64_t codes = part.end_code - part.first_code;
        const Scratch<uint8_t> filled(codes);
        const Scratch<int32_t> place(codes);
        const Scratch<double> sums(std::min(codes, layout.rows() / chunk_rows) * part.width);
        sum_part(part, CodeTotals{filled.get(), place.get(), sums.get()});
    });
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_codebook_gradient(const float* rows, const float* grad, int64_t outer, int64_t inner, int64_t features,
    const float* codebook, const int32_t* codes, int64_t codes_count, float coefficient, float nu, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, codebook, codes, out});
        const Kernels& table = kernels();
        FirstBad bad;
        sum_by_code(layout, codes_count, [&](CodePart part, CodeTotals totals) {
            bad.note(table.sum_gradients_by_code({rows, layout}, grad, codebook, codes, coefficient, nu, part, totals, out));
        });
        bad.require_finite("gradient");
    });
}

int32_t vq4j_cpu_scatter(const float* rows, int64_t outer, int64_t inner, int64_t features, const int32_t* codes,
    int64_t codes_count, float* sums) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, codes, sums});
        const Kernels& table = kernels();
        sum_by_code(layout, codes_count, [&](CodePart part, CodeTotals totals) {
            table.sum_rows_by_code({rows, layout}, codes, part, totals, sums);
        });
    });
}
