// How kernels get at rows whose feature axis stands anywhere: as row-major blocks, where they lie or transposed into a
// buffer in the first-level cache, so that the arithmetic is written once and reads memory along its lines.
#ifndef VQ4J_CPU_ISA_BLOCKS_HPP
#define VQ4J_CPU_ISA_BLOCKS_HPP

#include <type_traits>

#include "cpu/isa/vector.hpp"
#include "cpu/kernels.hpp"

namespace vq4j {
namespace {

// Rows of a block: 8 KiB where a strip of its features is transposed.
constexpr int64_t block_rows = 64;
constexpr int64_t block_floats = block_rows * strip_features;

// How far ahead memory is fetched: the codes' vectors read in between keep the machine from seeing that rows follow one
// another.
constexpr int64_t floats_ahead = 512;

// to[j * pitch + i] = *line(i, j) for i < count, j < length; line(i, j + 1) is beside line(i, j). `to` has room for whole
// vectors of i where `padded`.
template <bool padded, typename Line>
VQ4J_SHARED void transpose_lines(Line line, int64_t count, int64_t length, float* to, int64_t pitch) {
    for (int64_t i = 0; i < count; i += lanes) {
        const int64_t lines = count - i < lanes ? count - i : lanes;
        for_each_vector(length, [=](int64_t j, auto access) {
            Floats tile[lanes];
#pragma GCC unroll 16
            for (int64_t r = 0; r < lanes; ++r) {
                tile[r] = r < lines ? access.load(line(i + r, j)) : all(0.0f);
            }
            transpose(tile);
            float* const corner = to + j * pitch + i;
            if (length - j >= lanes && (padded || lines == lanes)) {
#pragma GCC unroll 16
                for (int64_t r = 0; r < lanes; ++r) {
                    store(corner + r * pitch, tile[r]);
                }
            } else {
                for (int64_t r = 0; r < length - j && r < lanes; ++r) {
                    store_first(corner + r * pitch, lines, tile[r]);
                }
            }
        });
    }
}

// body(first row, count) for pieces of the rows begin ... end that lie side by side for every feature.
template <typename Body>
VQ4J_SHARED void for_each_run(Layout layout, int64_t begin, int64_t end, int64_t most, Body body) {
    for (int64_t n = begin; n < end;) {
        const int64_t left = layout.inner - n % layout.inner;
        int64_t count = left < end - n ? left : end - n;
        count = count < most ? count : most;
        body(n, count);
        n += count;
    }
}

// body(first feature, number of features): all features at once where rows are read in place.
template <typename Body>
VQ4J_SHARED void for_each_strip(Layout layout, Body body) {
    const int64_t most = layout.inner == 1 ? layout.features : strip_features;
    for (int64_t first = 0; first < layout.features; first += most) {
        body(first, layout.features - first < most ? layout.features - first : most);
    }
}

struct Block {
    const float* data;
    int64_t pitch;

    // Features d ... of row r; what comes after is fetched, needed or not.
    template <typename Access>
    VQ4J_SHARED_MEMBER Floats load(int64_t r, int64_t d, Access access) const {
        const float* const p = data + r * pitch + d;
        prefetch(p + floats_ahead);
        return access.load(p);
    }
};

// Features first ... first + width of the rows n ... n + count; at most block_rows and, unless rows are read in place,
// strip_features. The buffer holds block_floats.
VQ4J_SHARED Block row_block(const float* data, Layout layout, int64_t n, int64_t count, int64_t first, int64_t width,
    float* buffer) {
    if (layout.inner == 1) {
        return {data + n * layout.features + first, layout.features};
    }
    // The next strip of whole runs, or the next block of the same runs, is fetched meanwhile.
    const int64_t ahead = layout.inner <= block_rows ? strip_features * layout.inner : block_rows;
    for_each_run(layout, n, n + count, count, [=](int64_t run, int64_t run_rows) {
        const float* const corner = data + layout.offset(run) + first * layout.inner;
        const auto line = [=](int64_t d, int64_t i) {
            prefetch(corner + d * layout.inner + i + ahead);
            return corner + d * layout.inner + i;
        };
        transpose_lines<false>(line, width, run_rows, buffer + (run - n) * strip_features, strip_features);
    });
    return {buffer, strip_features};
}

// body(first row, count) for the blocks of the rows begin ... end. They end where runs end, unless runs are short.
template <typename Body>
VQ4J_SHARED void for_each_block(Layout layout, int64_t begin, int64_t end, Body body) {
    if (2 * layout.inner >= block_rows) {
        for_each_run(layout, begin, end, block_rows, body);
        return;
    }
    for (int64_t n = begin; n < end; n += block_rows) {
        body(n, end - n < block_rows ? end - n : block_rows);
    }
}

// ---- elements of a block, in vectors along memory --------------------------------------------------------------------

// Full is how whole vectors are touched. body(at, of_row, access) for every vector of the rows n ... n + count: `at` is
// its place, of_row(values) the elements' rows' own among values[0] ... values[count - 1].
template <typename Full, typename Body>
VQ4J_SHARED void for_each_place(Layout layout, int64_t n, int64_t count, Body body) {
    if (layout.inner == 1) {
        for (int64_t r = 0; r < count; ++r) {
            const auto of_row = [r](const float* values) { return all(values[r]); };
            for_each_vector<Full>(layout.features, [=](int64_t d, auto access) {
                body((n + r) * layout.features + d, of_row, access);
            });
        }
        return;
    }
    for_each_run(layout, n, n + count, count, [=](int64_t run, int64_t run_rows) {
        for (int64_t d = 0; d < layout.features; ++d) {
            const int64_t at = layout.offset(run) + d * layout.inner;
            for_each_vector<Full>(run_rows, [=](int64_t i, auto access) {
                body(at + i, [=](const float* values) { return access.load(values + run - n + i); }, access);
            });
        }
    });
}

// body(at, e, access): e is of the vectors of the rows' codes. The buffer holds block_floats.
template <typename Full, typename Body>
VQ4J_SHARED void for_each_place_of_codes(Layout layout, const float* codebook, const int32_t* codes, int64_t n,
    int64_t count, float* buffer, Body body) {
    const int64_t features = layout.features;
    if (layout.inner == 1) {
        const auto for_each_code = [=](auto width) {
            for (int64_t r = n; r < n + count; ++r) {
                const float* const code = codebook + codes[r] * width;
                for_each_vector<Full>(width, [=](int64_t d, auto access) {
                    body(r * width + d, access.load(code + d), access);
                });
            }
        };
        if (features == lanes) {
            for_each_code(std::integral_constant<int64_t, lanes>{});  // the short codes of groups, without a loop
        } else {
            for_each_code(features);
        }
        return;
    }
    for_each_run(layout, n, n + count, count, [=](int64_t run, int64_t run_rows) {
        for_each_strip(layout, [=](int64_t first, int64_t width) {
            const auto line = [=](int64_t r, int64_t d) { return codebook + codes[run + r] * features + first + d; };
            const int64_t at = layout.offset(run) + first * layout.inner;
            if (run_rows == layout.inner) {
                // All runs of the strip follow one another.
                transpose_lines<false>(line, run_rows, width, buffer, run_rows);
                for_each_vector<Full>(width * run_rows, [=](int64_t i, auto access) {
                    body(at + i, access.load(buffer + i), access);
                });
                return;
            }
            transpose_lines<true>(line, run_rows, width, buffer, block_rows);
            for (int64_t d = 0; d < width; ++d) {
                for_each_vector<Full>(run_rows, [=](int64_t i, auto access) {
                    body(at + d * layout.inner + i, load(buffer + d * block_rows + i), access);
                });
            }
        });
    });
}

// ---- tensors larger than the caches ----------------------------------------------------------------------------------

VQ4J_SHARED bool is_larger_than_caches(Layout layout) {
    constexpr int64_t least_floats = int64_t{1} << 22;
    return layout.rows() * layout.features >= least_floats;
}

// body(first row, count, full) for the blocks of the rows begin ... end; full touches whole vectors. A result that is too
// large to stay in the caches is written past them: its lines need not be read before they are written.
template <typename Body>
VQ4J_SHARED void for_each_written_block(Layout layout, int64_t begin, int64_t end, Body body) {
    if (is_larger_than_caches(layout)) {
        for_each_block(layout, begin, end, [=](int64_t n, int64_t count) { body(n, count, WholePastCaches{}); });
        end_stores_past_caches();
    } else {
        for_each_block(layout, begin, end, [=](int64_t n, int64_t count) { body(n, count, Whole{}); });
    }
}

}  // namespace
}  // namespace vq4j

#endif
