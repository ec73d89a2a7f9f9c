// Sums over workers: fixed-point sums of rows by code, tickets of rows, and the candidates for replaced codes. Bound by
// memory, 4 N D bytes read; the drawing of candidates by Philox, once for each row and marked code.
#include "core/fixed_point.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "core/arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_largest_magnitude(const float* rows, int64_t outer, int64_t inner, int64_t features, float* largest) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, largest});
        FirstBad bad;
        std::mutex mutex;
        float largest_of_all = 0.0f;
        parallel_ranges(layout.rows(), features, [&](int64_t begin, int64_t end) {
            float largest_here = 0.0f;
            for (int64_t n = begin; n < end; ++n) {
                bool finite = true;
                for (int64_t d = 0; d < features; ++d) {
                    const float value = rows[layout.offset(n) + d * layout.stride()];
                    finite &= is_finite(value);
                    largest_here = std::max(largest_here, std::fabs(value));
                }
                if (!finite) {
                    bad.note(n);
                    return;
                }
            }
            const std::lock_guard<std::mutex> lock(mutex);
            largest_of_all = std::max(largest_of_all, largest_here);
        });
        bad.require_finite("z");
        *largest = largest_of_all;
    });
}

int32_t vq4j_cpu_fixed_point_scatter(const float* rows, int64_t outer, int64_t inner, int64_t features,
    const int32_t* codes, int64_t codes_count, const float* shift, int32_t power, int32_t exponent, int64_t* sums) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, sums});
        check_power(power);
        check_exponent(exponent);
        const double scale = power_of_two(exponent);
        const bool squared = power == 2;
        const auto add_row = [=](int64_t n, int64_t* sum) {
            const float* const row = rows + layout.offset(n);
            for (int64_t d = 0; d < features; ++d) {
                sum[d] += fixed_point(row[d * layout.stride()], shift == nullptr ? 0.0f : shift[d], squared, scale);
            }
        };
        std::fill(sums, sums + codes_count * features, 0);
        if (codes == nullptr) {
            std::mutex mutex;
            parallel_ranges(layout.rows(), features, [&](int64_t begin, int64_t end) {
                const Scratch<int64_t> part(features);
                std::fill(part.get(), part.get() + features, 0);
                for (int64_t n = begin; n < end; ++n) {
                    add_row(n, part.get());
                }
                const std::lock_guard<std::mutex> lock(mutex);
                for (int64_t d = 0; d < features; ++d) {
                    sums[d] += part.get()[d];
                }
            });
            return;
        }
        // Each task adds up a part of the codes.
        const int64_t parts = std::min<int64_t>(codes_count, pool_threads());
        parallel_for(parts, [&](int64_t part) {
            const int64_t first = part * codes_count / parts;
            const int64_t end = (part + 1) * codes_count / parts;
            for (int64_t n = 0; n < layout.rows(); ++n) {
                if (codes[n] >= first && codes[n] < end) {
                    add_row(n, sums + codes[n] * features);
                }
            }
        });
    });
}

int32_t vq4j_cpu_from_fixed_point(const int64_t* sums, int64_t count, int32_t exponent, double divisor, float* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({sums, out});
        check_exponent(exponent);
        const double scale = power_of_two(exponent);
        for (int64_t i = 0; i < count; ++i) {
            out[i] = from_fixed_point(sums[i], scale, divisor);
        }
    });
}

int32_t vq4j_cpu_row_tickets(const float* rows, int64_t outer, int64_t inner, int64_t features, uint64_t seed,
    int64_t* tickets) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, tickets});
        parallel_ranges(layout.rows(), features, [&](int64_t begin, int64_t end) {
            for (int64_t n = begin; n < end; ++n) {
                tickets[n] = ticket(hash_of_row(rows + layout.offset(n), layout.stride(), features), 0, seed, 0);
            }
        });
    });
}

int32_t vq4j_cpu_draw_rows(const float* rows, int64_t outer, int64_t inner, int64_t features, const int32_t* mask,
    int64_t codes_count, uint64_t seed, uint64_t step, int64_t* tickets, int64_t* chosen) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, mask, tickets, chosen});
        const Scratch<uint64_t> hashes(layout.rows());
        parallel_ranges(layout.rows(), features, [&](int64_t begin, int64_t end) {
            for (int64_t n = begin; n < end; ++n) {
                hashes.get()[n] = hash_of_row(rows + layout.offset(n), layout.stride(), features);
            }
        });
        parallel_ranges(codes_count, layout.rows() * draw_cost, [&](int64_t begin, int64_t end) {
            for (int64_t k = begin; k < end; ++k) {
                tickets[k] = -1;
                chosen[k] = -1;
                for (int64_t n = 0; mask[k] != 0 && n < layout.rows(); ++n) {
                    const int64_t drawn = ticket(hashes.get()[n], k, seed, step);
                    if (drawn > tickets[k]) {
                        tickets[k] = drawn;
                        chosen[k] = n;
                    }
                }
            }
        });
    });
}
