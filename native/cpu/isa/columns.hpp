// Sums over rows, a sum for each feature: each in ascending order of the rows, features side by side in vectors. One read
// of the rows; bound by memory.
#ifndef VQ4J_CPU_ISA_COLUMNS_HPP
#define VQ4J_CPU_ISA_COLUMNS_HPP

#include <type_traits>

#include "core/elements.hpp"
#include "core/moments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/isa/blocks.hpp"
#include "cpu/kernels.hpp"

namespace vq4j {
namespace {

// ---- over the rows of a chunk ----------------------------------------------------------------------------------------

// body(d, vectors, access) for the features of a strip: four vectors or two at a time, whose sums stay in registers while
// the rows pass, then one.
template <typename Body>
VQ4J_SHARED void for_each_vector_group(int64_t width, Body body) {
    int64_t d = 0;
    for (; d + 4 * lanes <= width; d += 4 * lanes) {
        body(d, std::integral_constant<int, 4>{}, Whole{});
    }
    for (; d + 2 * lanes <= width; d += 2 * lanes) {
        body(d, std::integral_constant<int, 2>{}, Whole{});
    }
    for_each_vector(width - d, [=](int64_t i, auto access) { body(d + i, std::integral_constant<int, 1>{}, access); });
}

// body(first row, count) for blocks of the rows begin ... end. Where a block is read in place, one group of vectors after the
// other, and from memory, it is of few rows: that is then read nearly in its order.
template <typename Body>
VQ4J_SHARED void for_each_block_of_columns(Layout layout, int64_t begin, int64_t end, Body body) {
    constexpr int64_t few_rows = 8;
    if (layout.inner != 1 || layout.features <= 4 * lanes || !is_larger_than_caches(layout)) {
        for_each_block(layout, begin, end, body);
        return;
    }
    for (int64_t n = begin; n < end; n += few_rows) {
        body(n, end - n < few_rows ? end - n : few_rows);
    }
}

// The two sums of every feature over the rows begin ... end of tensors of one layout. add(first sum, second sum, values,
// d, access) adds a row's features d ..., whose values are the tensors'.
template <int tensors, typename Add>
VQ4J_SHARED void sum_columns(const float* const (&data)[tensors], Layout layout, int64_t begin, int64_t end, float* sums,
    float* other_sums, Add add) {
    alignas(64) float buffers[tensors][block_floats];
    for_each_block_of_columns(layout, begin, end, [&](int64_t n, int64_t count) {
        for_each_strip(layout, [&](int64_t first, int64_t width) {
            Block blocks[tensors];
            for (int i = 0; i < tensors; ++i) {
                blocks[i] = row_block(data[i], layout, n, count, first, width, buffers[i]);
            }
            for_each_vector_group(width, [&](int64_t d, auto vectors, auto access) {
                Floats sum[vectors];
                Floats other[vectors];
                for (int v = 0; v < vectors; ++v) {
                    sum[v] = n == begin ? all(0.0f) : access.load(sums + first + d + v * lanes);
                    other[v] = n == begin ? all(0.0f) : access.load(other_sums + first + d + v * lanes);
                }
                for (int64_t r = 0; r < count; ++r) {
                    for (int v = 0; v < vectors; ++v) {
                        Floats values[tensors];
                        for (int i = 0; i < tensors; ++i) {
                            values[i] = blocks[i].load(r, d + v * lanes, access);
                        }
                        add(sum[v], other[v], values, first + d + v * lanes, access);
                    }
                }
                for (int v = 0; v < vectors; ++v) {
                    access.store(sums + first + d + v * lanes, sum[v]);
                    access.store(other_sums + first + d + v * lanes, other[v]);
                }
            });
        });
    });
}

VQ4J_SHARED bool all_finite(const float* values, int64_t count) {
    Floats noted = all(0.0f);
    for_each_vector(count, [=, &noted](int64_t i, auto access) { note_not_finite(access.load(values + i), noted); });
    return !any_nan(noted);
}

// Of x - shift and (x - shift)^2. A bad value shows in its sum of squares, which finite ones may overflow too.
int64_t sum_moments(Rows rows, int64_t begin, int64_t end, ShiftedSums sums) {
    const int64_t features = rows.layout.features;
    for (int64_t d = 0; d < features; ++d) {
        sums.shift[d] = rows.row(begin)[d * rows.layout.stride()];
    }
    const float* const shift = sums.shift;
    sum_columns<1>({rows.data}, rows.layout, begin, end, sums.sum, sums.sum_of_squares,
        [=](Floats& sum, Floats& squares, const Floats* z, int64_t d, auto access) {
            const Floats difference = z[0] - access.load(shift + d);
            sum = sum + difference;
            squares = fused_multiply_add(difference, difference, squares);
        });
    if (all_finite(sums.sum_of_squares, features)) {
        return no_bad_row;
    }
    const int64_t bad = first_not_finite(rows.data, rows.layout, begin, end);
    return bad < end ? bad : no_bad_row;
}

// The moments of `count` rows with such sums, combined with those of the rows before them.
void add_moments(ShiftedSums sums, int64_t count, int64_t count_before, int64_t features, double* mean, double* squares) {
    const double before = static_cast<double>(count_before);
    for (int64_t d = 0; d < features; ++d) {
        const Moments moments = combine({before, mean[d], squares[d]},
            chunk_moments(count, sums.shift[d], sums.sum[d], sums.sum_of_squares[d]));
        mean[d] = moments.mean;
        squares[d] = moments.squares;
    }
}

// Of grad and of grad * normalized.
int64_t sum_normalized_gradients(Rows rows, const float* grad, NormalizedColumns columns, int64_t begin, int64_t end,
    float* sums, float* products) {
    sum_columns<2>({rows.data, grad}, rows.layout, begin, end, sums, products,
        [=](Floats& sum, Floats& product, const Floats* zg, int64_t d, auto access) {
            sum = sum + zg[1];
            product = fused_multiply_add(zg[1],
                normalized(zg[0], access.load(columns.mean + d), access.load(columns.inverse + d)), product);
        });
    if (all_finite(sums, rows.layout.features)) {
        return no_bad_row;
    }
    const int64_t bad = first_not_finite(grad, rows.layout, begin, end);
    return bad < end ? bad : no_bad_row;
}

// ---- over the rows of each code --------------------------------------------------------------------------------------

// The sums of the chunks that are being summed, one for each code of a part: they lie side by side, code after code, where
// they fill the second-level cache evenly, and go to their places when their chunks are full.
class OpenChunks {
public:
    OpenChunks(CodePart part, ChunksOfCodes chunks) : part_(part), chunks_(chunks) {
        for (int64_t k = part.first_code; k < part.end_code; ++k) {
            const int32_t before = chunks.rows_before[k] % rows_of_chunk;
            chunks.open[k] = {before == 0 ? chunks.first[k] : not_of_part, rows_of_chunk - before};
            if (chunks.rows_in_all[k] > 0) {
                clear(k);
            }
        }
    }

    // Whether the next row, which has code k, goes to a chunk of the part; it is counted where it does not.
    VQ4J_SHARED_MEMBER bool takes(int64_t k) const {
        if (k < part_.first_code || k >= part_.end_code) {
            return false;
        }
        OpenChunk& open = chunks_.open[k];
        if (open.place != not_of_part) {
            return true;
        }
        if (--open.rows_left == 0) {
            open = {part_has_ended_ ? not_of_part : chunks_.first[k], rows_of_chunk};
        }
        return false;
    }

    // The sums of code k's chunk.
    VQ4J_SHARED_MEMBER float* sums(int64_t k) const { return chunks_.open_sums + (k - part_.first_code) * part_.width; }

    // Counts a row that has been added to them.
    VQ4J_SHARED_MEMBER void added(int64_t k, int64_t features) const {
        if (--chunks_.open[k].rows_left == 0) {
            close(k, features);
        }
    }

    // No chunk begins any more. Returns how many rows the begun ones still take.
    int64_t end_part() {
        part_has_ended_ = true;
        int64_t rows = 0;
        for (int64_t k = part_.first_code; k < part_.end_code; ++k) {
            OpenChunk& open = chunks_.open[k];
            if (open.rows_left == rows_of_chunk) {
                open.place = not_of_part;
            }
            rows += open.place == not_of_part ? 0 : open.rows_left;
        }
        return rows;
    }

    // The chunks that all rows together have left short.
    void end_rows(int64_t features) const {
        for (int64_t k = part_.first_code; k < part_.end_code; ++k) {
            if (chunks_.open[k].place != not_of_part) {
                put(k, features);
            }
        }
    }

private:
    static constexpr int32_t not_of_part = -1;
    static constexpr auto rows_of_chunk = static_cast<int32_t>(chunk_rows);

    void clear(int64_t k) const {
        float* const to = sums(k);
        for_each_vector(part_.width, [=](int64_t d, auto access) { access.store(to + d, all(0.0f)); });
    }

    void put(int64_t k, int64_t features) const {
        const float* const from = sums(k);
        float* const to = chunks_.sums + chunks_.open[k].place * features + part_.first_feature;
        for_each_vector(part_.width, [=](int64_t d, auto access) { access.store(to + d, access.load(from + d)); });
    }

    __attribute__((noinline)) void close(int64_t k, int64_t features) const {
        put(k, features);
        clear(k);
        OpenChunk& open = chunks_.open[k];
        open = {part_has_ended_ ? not_of_part : open.place + 1, rows_of_chunk};
    }

    CodePart part_;
    ChunksOfCodes chunks_;
    bool part_has_ended_ = false;
};

template <int tensors>
struct Blocks {
    Block of[tensors];
};

// sum = add(sum, values, k, d, access) for the part's features of those of a block's rows that go to its chunks; values are
// the tensors'. Returns how many rows these are. Takes all by value: what no store can change stays in registers.
template <int tensors, typename Add>
VQ4J_SHARED int64_t sum_block_by_code(Blocks<tensors> blocks, const int32_t* codes, int64_t count, OpenChunks open,
    int64_t features, CodePart part, Add add) {
    int64_t summed = 0;
    for (int64_t r = 0; r < count; ++r) {
        const int64_t k = codes[r];
        if (!open.takes(k)) {
            continue;
        }
        ++summed;
        float* const sums = open.sums(k);
        for_each_vector(part.width, [=](int64_t d, auto access) {
            Floats values[tensors];
            for (int i = 0; i < tensors; ++i) {
                values[i] = blocks.of[i].load(r, d, access);
            }
            access.store(sums + d, add(access.load(sums + d), values, k, part.first_feature + d, access));
        });
        open.added(k, features);
    }
    return summed;
}

template <int tensors, typename Add>
VQ4J_SHARED void sum_by_code(const float* const (&data)[tensors], Layout layout, const int32_t* codes, CodePart part,
    ChunksOfCodes chunks, Add add) {
    alignas(64) float buffers[tensors][block_floats];
    OpenChunks open(part, chunks);
    const auto sum_rows = [&](int64_t begin, int64_t end) {
        int64_t summed = 0;
        for_each_block(layout, begin, end, [&](int64_t n, int64_t count) {
            Blocks<tensors> blocks;
            for (int i = 0; i < tensors; ++i) {
                blocks.of[i] = row_block(data[i], layout, n, count, part.first_feature, part.width, buffers[i]);
            }
            summed += sum_block_by_code(blocks, codes + n, count, open, layout.features, part, add);
        });
        return summed;
    };
    sum_rows(part.begin, part.end);
    const int64_t rows = layout.rows();
    int64_t left = open.end_part();
    for (int64_t n = part.end; n < rows && left > 0; n += chunk_rows) {
        left -= sum_rows(n, n + chunk_rows < rows ? n + chunk_rows : rows);
    }
    open.end_rows(layout.features);
}

void sum_rows_by_code(Rows rows, const int32_t* codes, CodePart part, ChunksOfCodes chunks) {
    sum_by_code<1>({rows.data}, rows.layout, codes, part, chunks,
        [](Floats sum, const Floats* z, int64_t, int64_t, auto) { return sum + z[0]; });
}

void sum_gradients_by_code(Rows rows, const float* grad, const float* codebook, const int32_t* codes, float coefficient,
    float nu, CodePart part, ChunksOfCodes chunks) {
    const Layout layout = rows.layout;
    if (grad == nullptr) {
        sum_by_code<1>({rows.data}, layout, codes, part, chunks,
            [=](Floats sum, const Floats* z, int64_t k, int64_t d, auto access) {
                return add_codebook_gradient(sum, all(0.0f), z[0], access.load(codebook + k * layout.features + d),
                    all(coefficient), all(nu));
            });
        return;
    }
    sum_by_code<2>({rows.data, grad}, layout, codes, part, chunks,
        [=](Floats sum, const Floats* zg, int64_t k, int64_t d, auto access) {
            return add_codebook_gradient(sum, zg[1], zg[0], access.load(codebook + k * layout.features + d),
                all(coefficient), all(nu));
        });
}

// ---- over codes ------------------------------------------------------------------------------------------------------

constexpr int64_t column_strip = 64;

// body(first feature, number of features) for every strip.
template <typename Body>
VQ4J_SHARED void for_each_column_strip(int64_t features, Body body) {
    for (int64_t first = 0; first < features; first += column_strip) {
        body(first, features - first < column_strip ? features - first : column_strip);
    }
}

// fp64 sums of the columns of codes begin ... end. Returns the first bad code, which shows in its sum, or no_bad_row.
int64_t sum_codes(const float* codebook, int64_t features, int64_t begin, int64_t end, double* sums) {
    for (int64_t d = 0; d < features; ++d) {
        sums[d] = 0.0;
    }
    for (int64_t k = begin; k < end; ++k) {
        const float* const code = codebook + k * features;
        for (int64_t d = 0; d < features; ++d) {
            sums[d] = sums[d] + static_cast<double>(code[d]);
        }
    }
    double noted = 0.0;
    for (int64_t d = 0; d < features; ++d) {
        noted = noted + sums[d] * 0.0;
    }
    return noted == 0.0 ? no_bad_row : first_not_finite(codebook, {end, 1, features}, begin, end);
}

// Of grad and of grad * code, over codes begin ... end.
void sum_affine_gradients(const float* grad, const float* codebook, int64_t features, int64_t begin, int64_t end,
    GradientSums* sums) {
    for_each_column_strip(features, [=](int64_t first, int64_t width) {
        float sum[column_strip] = {};
        float product[column_strip] = {};
        for (int64_t k = begin; k < end; ++k) {
            const float* const g = grad + k * features + first;
            const float* const code = codebook + k * features + first;
            for (int64_t d = 0; d < width; ++d) {
                sum[d] = sum[d] + g[d];
                product[d] = fused_multiply_add(g[d], code[d], product[d]);
            }
        }
        for (int64_t d = 0; d < width; ++d) {
            sums[first + d] = {sum[d], product[d]};
        }
    });
}

}  // namespace
}  // namespace vq4j

#endif
