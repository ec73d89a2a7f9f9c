// Sums over the rows of each code: of the rows themselves (scatter) and of their gradients (codebook_gradient).
//
// A code's chunks of 256 rows are summed in fp32 while the rows pass in their order, and then added up in fp64, in order.
// One read of the rows, 4 N D bytes (8 with a gradient); the sums stay in the caches, for which a task keeps those of the
// chunks it is at side by side, and wide features are taken in strips where there are many codes. Tasks share the rows: a
// chunk is the task's in whose rows it begins, which reads on behind them until its last chunk is full. Where few chunks
// are full, tasks share the codes and the features instead. The number of threads decides into how many parts, no sum
// depends on it.
#include <algorithm>
#include <atomic>
#include <limits>

#include "core/arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

constexpr int64_t line_features = 16;                     // that a line of the caches holds
constexpr int64_t most_summed_floats = int64_t{1} << 20;  // at a time, 4 MiB
constexpr int64_t least_strip = 2 * line_features;
constexpr int64_t least_task = 8 * task_elements;  // each task runs through all codes

int64_t in_parts_of(int64_t whole, int64_t part) {
    return (whole + part - 1) / part;
}

// Into how many parts the rows, the features and the codes are cut.
struct Cut {
    int64_t rows;
    int64_t ranges;
    int64_t rows_behind;  // that a range sums behind its own, about
    int64_t strips;
    int64_t strip_width;
    int64_t code_parts;

    int64_t tasks() const { return ranges * strips * code_parts; }

    // Where a range begins: all sum as many rows, its own without those that the range before sums, and those behind.
    int64_t begin(int64_t range) const {
        return range == 0 || range == ranges ? rows * range / ranges : rows * range / ranges - rows_behind;
    }
};

Cut cut(Layout layout, int64_t codes_count) {
    const int64_t most_tasks = std::max<int64_t>(1, layout.rows() * layout.features / least_task);
    const int64_t tasks = std::min<int64_t>(pool_threads(), most_tasks);
    // A task reads on for about half a chunk of every code, at most half of its share of the rows.
    const int64_t that_have_full_chunks = std::max<int64_t>(1, layout.rows() / (chunk_rows * codes_count));
    const int64_t ranges = std::min(tasks, that_have_full_chunks);
    const int64_t that_fits = layout.inner == 1
        ? std::max(least_strip, most_summed_floats / codes_count / line_features * line_features)
        : strip_features;
    const int64_t of_a_task = in_parts_of(in_parts_of(layout.features, in_parts_of(tasks, ranges)), line_features);
    const int64_t width = std::min({that_fits, of_a_task * line_features, layout.features});
    const int64_t strips = in_parts_of(layout.features, width);
    const int64_t code_parts = std::min(codes_count, in_parts_of(tasks, ranges * strips));
    return {layout.rows(), ranges, chunk_rows / 2 * codes_count, strips, width, code_parts};
}

// How many rows each code has in the rows before those of each range, and in all: [ranges + 1][codes].
void count_rows_before(const int32_t* codes, int64_t codes_count, const Cut& parts, int32_t* before) {
    std::fill(before, before + codes_count, 0);
    parallel_for(parts.ranges, [=](int64_t range) {
        int32_t* const counts = before + (range + 1) * codes_count;
        std::fill(counts, counts + codes_count, 0);
        for (int64_t n = parts.begin(range); n < parts.begin(range + 1); ++n) {
            if (0 <= codes[n] && codes[n] < codes_count) {
                ++counts[codes[n]];
            }
        }
    });
    for (int64_t i = codes_count; i < (parts.ranges + 1) * codes_count; ++i) {
        before[i] += before[i - codes_count];
    }
}

// The sum of `count` chunks. False where a feature's is not finite.
bool add_chunks(const float* sums, int64_t count, int64_t features, float* out) {
    constexpr int64_t most = 64;
    for (int64_t d = 0; d < features && count != 1; d += most) {
        const int64_t width = std::min(most, features - d);
        double total[most] = {};
        for (int64_t chunk = 0; chunk < count; ++chunk) {
            for (int64_t i = 0; i < width; ++i) {
                total[i] = total[i] + static_cast<double>(sums[chunk * features + d + i]);
            }
        }
        for (int64_t i = 0; i < width; ++i) {
            out[d + i] = static_cast<float>(total[i]);
        }
    }
    if (count == 1) {
        std::copy(sums, sums + features, out);
    }
    uint32_t bad = 0;
    for (int64_t d = 0; d < features; ++d) {
        bad |= is_finite(out[d]) ? 0 : 1;
    }
    return bad == 0;
}

// sum_part(part, chunks) sums the rows of the chunks that are the part's. False where a sum is not finite.
template <typename SumPart>
bool sum_by_code(Layout layout, const int32_t* codes, int64_t codes_count, float* out, SumPart sum_part) {
    const int64_t rows = layout.rows();
    const int64_t features = layout.features;
    if (rows > std::numeric_limits<int32_t>::max()) {
        invalid("need rows <= 2147483647 of a sum by code, got " + std::to_string(rows));
    }
    const Cut parts = cut(layout, codes_count);
    const Scratch<int32_t> before((parts.ranges + 1) * codes_count);
    count_rows_before(codes, codes_count, parts, before.get());
    // The chunks of a code follow one another, those of the ranges in the order of these.
    const int32_t* const counts = before.get() + parts.ranges * codes_count;
    const Scratch<int32_t> first(parts.ranges * codes_count);
    int64_t chunks_count = 0;
    for (int64_t k = 0; k < codes_count; ++k) {
        for (int64_t range = 0; range < parts.ranges; ++range) {
            first.get()[range * codes_count + k] =
                static_cast<int32_t>(chunks_count + chunks_of(before.get()[range * codes_count + k]));
        }
        chunks_count += chunks_of(counts[k]);
    }
    const Scratch<float> sums(chunks_count * features);
    parallel_for(parts.tasks(), [&](int64_t i) {
        const int64_t strip = i % parts.strips;
        const int64_t codes_part = i / parts.strips % parts.code_parts;
        const int64_t range = i / parts.strips / parts.code_parts;
        const CodePart part{parts.begin(range), parts.begin(range + 1), codes_part * codes_count / parts.code_parts,
            (codes_part + 1) * codes_count / parts.code_parts, strip * parts.strip_width,
            std::min(parts.strip_width, features - strip * parts.strip_width)};
        const Scratch<OpenChunk> open(codes_count);
        const Scratch<float> open_sums((part.end_code - part.first_code) * part.width);
        sum_part(part, ChunksOfCodes{before.get() + range * codes_count, counts, first.get() + range * codes_count,
            open.get(), open_sums.get(), sums.get()});
    });
    std::atomic<bool> finite{true};
    parallel_ranges(codes_count, features, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k) {
            if (!add_chunks(sums.get() + first.get()[k] * features, chunks_of(counts[k]), features, out + k * features)) {
                finite = false;
            }
        }
    });
    return finite;
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
        const bool finite = sum_by_code(layout, codes, codes_count, out, [&](CodePart part, ChunksOfCodes chunks) {
            table.sum_gradients_by_code({rows, layout}, grad, codebook, codes, coefficient, nu, part, chunks);
        });
        // A bad gradient shows in its code's sum, which finite ones may overflow, too.
        const int64_t bad = finite || grad == nullptr ? layout.rows() : first_not_finite(grad, layout, 0, layout.rows());
        if (bad < layout.rows()) {
            not_finite("gradient", bad);
        }
    });
}

int32_t vq4j_cpu_gradients(const float* rows, const float* grad, int64_t outer, int64_t inner, int64_t features,
    const float* codebook, const int32_t* codes, int64_t codes_count, float input_coefficient, float codebook_coefficient,
    float nu, float* out_rows, float* out_codebook) {
    return guarded([&] {
        require_ok(
            vq4j_cpu_input_gradient(rows, grad, outer, inner, features, codebook, codes, input_coefficient, out_rows));
        require_ok(vq4j_cpu_codebook_gradient(rows, nu == 0.0f ? nullptr : grad, outer, inner, features, codebook, codes,
            codes_count, codebook_coefficient, nu, out_codebook));
    });
}

int32_t vq4j_cpu_scatter(const float* rows, int64_t outer, int64_t inner, int64_t features, const int32_t* codes,
    int64_t codes_count, float* sums) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, codes, sums});
        const Kernels& table = kernels();
        sum_by_code(layout, codes, codes_count, sums, [&](CodePart part, ChunksOfCodes chunks) {
            table.sum_rows_by_code({rows, layout}, codes, part, chunks);
        });
    });
}
