// The nearest code of every row, found by tensor cores and proven by fp32: rows and codes are rounded to fp16, whose products
// tensor cores sum; a bound on what that loses (core/tensor_filter.hpp, docs/tensor-core-filter.md) says which codes may
// have the largest canonical score. One such code is the row's code. Several are scored by the canonical chain. A row with
// too many is left to the kernel of assign.cu.
//
// A block takes 128 rows and runs through the panels of 128 codes, 32 features at a time in two stages of shared memory that
// are filled while the other is used. A warp has 16 rows to itself, 16 x 128 sums in registers, so that what it knows of a
// row stays within 4 lanes. For each score one multiply-add and one maximum follow; the rows whose maximum reaches their
// bound, few after the first panels, look at their scores once more and note candidates. 2 N K D operations; rows and codes
// come from L2, 128 D bytes for each 128 scores of a row; below about 64 features the comparisons take longer than the
// products.
#include "cuda/tensor_assign.cuh"

#include "core/tensor_filter.hpp"
#include "cuda/tensor_core.cuh"

namespace vq4j::tensor_assignment {

// ---- rows and codes in fp16 --------------------------------------------------------------------------------------

constexpr int tile_rows = 128;
constexpr int tile_codes = panel_codes;
constexpr int tile_features = static_cast<int>(filter_features);
static_assert(tile_rows == tile_codes, "tiles of rows and of codes are alike");

// A tile is 128 rows or codes, a line each, by 32 features; it is 8 KiB of memory without gaps. In shared memory the four
// 16-byte parts of a line are exchanged so that the same part of 8 lines lies in different banks.
constexpr int tile_halves = tile_rows * tile_features;

__device__ __forceinline__ int place_of_part(int line, int part) {
    return line * tile_features + (part ^ (line >> 1 & 3)) * 8;
}

// Where feature d of vector v lies in memory, in tiles.
__device__ __forceinline__ int64_t place_in_tiles(int64_t v, int64_t d, int64_t width) {
    return v / tile_rows * tile_rows * width + d / tile_features * tile_halves + v % tile_rows * tile_features
        + d % tile_features;
}

constexpr int rounding_threads = 256;
constexpr int vectors_of_warp = 4;
constexpr int vectors_of_block = rounding_threads / 32 * vectors_of_warp;
constexpr unsigned whole_warp = 0xffffffffu;

// Features of the block's vectors, a vector a line.
struct RoundingTile {
    float values[vectors_of_block][filter_features + 1];
};

// What a warp finds of its vectors.
struct Rounded {
    float length[vectors_of_warp];
    float residual_squares[vectors_of_warp];
    HalfScale scale[vectors_of_warp];
};

__device__ __forceinline__ float warp_sum(float value) {
    for (int offset = 16; offset > 0; offset /= 2) {
        value = value + __shfl_xor_sync(whole_warp, value, offset);
    }
    return value;
}

__device__ __forceinline__ int first_vector_of_warp() {
    return static_cast<int>(threadIdx.x) / 32 * vectors_of_warp;
}

// take(i, d, value) for the features of the warp's vectors i, a lane a feature; value_of(v, d) is read along memory.
template <typename ValueOf, typename Take>
__device__ void for_each_feature(RoundingTile& tile, bool features_adjoin, int64_t features, ValueOf value_of, Take take) {
    constexpr int across = tile_features;
    const int t = static_cast<int>(threadIdx.x);
    for (int64_t first = 0; first < features; first += across) {
        for (int e = t; e < vectors_of_block * across; e += rounding_threads) {
            const int v = features_adjoin ? e / across : e % vectors_of_block;
            const int f = features_adjoin ? e % across : e / vectors_of_block;
            tile.values[v][f] = first + f < features ? value_of(v, first + f) : 0.0f;
        }
        __syncthreads();
        for (int i = 0; i < vectors_of_warp; ++i) {
            take(i, first + t % 32, tile.values[first_vector_of_warp() + i][t % 32]);
        }
        __syncthreads();
    }
}

// At least the lengths of the warp's vectors.
template <typename ValueOf>
__device__ void measure_vectors(RoundingTile& tile, bool features_adjoin, int64_t features, ValueOf value_of,
    float (&length)[vectors_of_warp]) {
    float squares[vectors_of_warp] = {};
    for_each_feature(tile, features_adjoin, features, value_of,
        [&](int i, int64_t, float value) { squares[i] = fused_multiply_add(value, value, squares[i]); });
    for (int i = 0; i < vectors_of_warp; ++i) {
        length[i] = distance_from_above(warp_sum(squares[i]), score_slack(features));
    }
}

// Rounds the block's vectors, the `first` of the tiles on; scale_of(length) is the scale of a vector.
template <typename ValueOf, typename ScaleOf>
__device__ void round_vectors(RoundingTile& tile, bool features_adjoin, int64_t features, ValueOf value_of,
    ScaleOf scale_of, uint16_t* tiles, int64_t first, Rounded& rounded) {
    measure_vectors(tile, features_adjoin, features, value_of, rounded.length);
    for (int i = 0; i < vectors_of_warp; ++i) {
        rounded.scale[i] = scale_of(rounded.length[i]);
        rounded.residual_squares[i] = 0.0f;
    }
    const int64_t width = filter_width(features);
    for_each_feature(tile, features_adjoin, features, value_of, [&](int i, int64_t d, float value) {
        const uint16_t half = filter_half(value, rounded.scale[i]);
        const float residual = filter_residual(value, half, rounded.scale[i]);
        rounded.residual_squares[i] = fused_multiply_add(residual, residual, rounded.residual_squares[i]);
        tiles[place_in_tiles(first + first_vector_of_warp() + i, d, width)] = half;
    });
    for (int i = 0; i < vectors_of_warp; ++i) {
        rounded.residual_squares[i] = warp_sum(rounded.residual_squares[i]);
    }
}

// The largest terms, and h, of 32 codes.
struct GroupBound {
    CodeTerms terms;
    float h;
};
constexpr int group_codes = vectors_of_block;
constexpr int groups_of_panel = panel_codes / group_codes;

struct Begin {
    unsigned* radius_bits;
    OpenRows open;

    __device__ void operator()(int64_t) const {
        *radius_bits = 0;
        *open.count = 0;
    }
};

// Finds the length of the longest code; as bits, in which lengths have the order of integers. It is not taken from h,
// which is 0 for directions.
__global__ void __launch_bounds__(rounding_threads) measure_codes_kernel(PackedCodebook<const float> packed,
    int64_t features, unsigned* radius_bits) {
    __shared__ RoundingTile tile;
    const int64_t first = static_cast<int64_t>(blockIdx.x) * group_codes;
    float length[vectors_of_warp];
    measure_vectors(
        tile, false, features, [&](int v, int64_t d) { return packed.element(first + v, d, features); }, length);
    if (threadIdx.x % 32 == 0) {
        for (int i = 0; i < vectors_of_warp; ++i) {
            atomicMax(radius_bits, static_cast<unsigned>(bits_of_float(length[i])));
        }
    }
}

// Rounds 32 codes, among them those that fill the last panel.
__global__ void __launch_bounds__(rounding_threads) round_codes_kernel(PackedCodebook<const float> packed,
    int64_t codes_count, int64_t features, const unsigned* radius_bits, uint16_t* tiles, CodeTerms* terms,
    GroupBound* groups) {
    __shared__ RoundingTile tile;
    __shared__ CodeTerms of_code[group_codes];
    const int64_t first = static_cast<int64_t>(blockIdx.x) * group_codes;
    Rounded rounded;
    round_vectors(
        tile, false, features, [&](int v, int64_t d) { return packed.element(first + v, d, features); },
        [&](float) { return half_scale(float_of_bits(*radius_bits)); }, tiles, first, rounded);
    if (threadIdx.x % 32 == 0) {
        for (int i = 0; i < vectors_of_warp; ++i) {
            const int v = first_vector_of_warp() + i;
            of_code[v] = code_terms(rounded.length[i], rounded.residual_squares[i], features);
            terms[first + v] = of_code[v];
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        GroupBound group = {{0.0f, 0.0f}, 0.0f};
        for (int v = 0; v < group_codes && first + v < codes_count; ++v) {
            group.terms.of_residual = fmaxf(group.terms.of_residual, of_code[v].of_residual);
            group.terms.of_length = fmaxf(group.terms.of_length, of_code[v].of_length);
            group.h = fmaxf(group.h, -packed.negative_h[first + v]);
        }
        groups[blockIdx.x] = group;
    }
}

// Rounds 32 of the rows from `begin` on; those beyond the last are zeros without a bound.
__global__ void __launch_bounds__(rounding_threads) round_rows_kernel(AnyNumbers numbers, Layout layout,
    const float* centre, int64_t begin, const unsigned* radius_bits, uint16_t* tiles, RowTerms* terms, BadRows bad) {
    __shared__ RoundingTile tile;
    __shared__ int64_t offsets[vectors_of_block];  // negative beyond the last row
    const int t = static_cast<int>(threadIdx.x);
    const int64_t first = static_cast<int64_t>(blockIdx.x) * vectors_of_block;
    if (t < vectors_of_block) {
        const int64_t n = begin + first + t;
        offsets[t] = n < layout.rows() ? layout.offset(n) : -1;
    }
    __syncthreads();
    Rounded rounded;
    round_vectors(
        tile, layout.inner == 1, layout.features,
        [&](int v, int64_t d) {
            if (offsets[v] < 0) {
                return 0.0f;
            }
            const float value = numbers[offsets[v] + d * layout.stride()];
            bad.note_unless_finite(value, begin + first + v);
            return value - centre[d];
        },
        [&](float length) { return half_scale(length); }, tiles, first, rounded);
    if (t % 32 == 0) {
        const float radius = float_of_bits(*radius_bits);
        for (int i = 0; i < vectors_of_warp; ++i) {
            const int v = first_vector_of_warp() + i;
            const float length = offsets[v] < 0 ? INFINITY : rounded.length[i];  // without a row there is no bound
            terms[first + v] = row_terms(length, rounded.residual_squares[i], rounded.scale[i],
                half_scale(radius), radius, layout.features);
        }
    }
}

// ---- the filter --------------------------------------------------------------------------------------------------

constexpr int threads = 256;
constexpr int warp_rows = 16;
constexpr int products = tile_codes / 8;  // of 8 codes, along a panel
constexpr int slots = 2;                  // rows of a lane: 8 apart
constexpr int most_candidates = 3;        // of a row, in each of its 4 lanes

struct Candidate {
    float upper;  // its canonical score is no larger
    int32_t code;
};

__device__ __forceinline__ void copy_tile(uint16_t* to, const uint16_t* from) {
    const int t = static_cast<int>(threadIdx.x);
    for (int i = 0; i < tile_halves / 8 / threads; ++i) {
        copy_async(to + place_of_part(t / 4, t % 4) + i * threads * 8, from + t * 8 + i * threads * 8);
    }
}

struct FilterInput {
    const uint16_t* rows;      // tiles
    const RowTerms* row_terms;
    const uint16_t* codes;     // tiles
    const CodeTerms* code_terms;
    const GroupBound* groups;
    int64_t width;
    int64_t begin;             // the first row of the tensor that is in `rows`
};

// A lane's candidates of one of its rows.
class CandidateList {
public:
    __device__ CandidateList(Candidate (&lists)[slots][most_candidates][threads], int slot)
        : list_(lists[slot]), t_(static_cast<int>(threadIdx.x)) {}

    __device__ Candidate& operator[](int i) { return list_[i][t_]; }

    // Drops those that have lost; how many are left.
    __device__ int purge(int count, float least) {
        int left = 0;
        for (int i = 0; i < count; ++i) {
            const Candidate candidate = list_[i][t_];
            if (candidate.upper >= least) {
                list_[left++][t_] = candidate;
            }
        }
        return left;
    }

private:
    Candidate (&list_)[most_candidates][threads];
    int t_;
};

__device__ __forceinline__ float quad_max(float value) {
    value = fmaxf(value, __shfl_xor_sync(whole_warp, value, 1));
    return fmaxf(value, __shfl_xor_sync(whole_warp, value, 2));
}

__device__ float canonical_score(AnyNumbers numbers, Layout layout, PackedCodebook<const float> packed, int64_t n,
    int64_t k) {
    const int64_t offset = layout.offset(n);
    float score = packed.negative_h[k];
    for (int64_t d = 0; d < layout.features; ++d) {
        const float centred = numbers[offset + d * layout.stride()] - packed.centre[d];
        score = fused_multiply_add(centred, packed.element(k, d, layout.features), score);
    }
    return score;
}

// Shared memory for one block on Turing, for two or more elsewhere.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr int blocks_at_once = 1;
#else
constexpr int blocks_at_once = 2;
#endif

__global__ void __launch_bounds__(threads, blocks_at_once) filter_kernel(FilterInput in, AnyNumbers numbers, Layout layout,
    PackedCodebook<const float> packed, int64_t codes_count, int32_t* codes, OpenRows open) {
    alignas(128) __shared__ uint16_t row_stages[2][tile_halves];
    alignas(128) __shared__ uint16_t code_stages[2][tile_halves];
    __shared__ Candidate lists[slots][most_candidates][threads];
    __shared__ RowTerms row_terms[tile_rows];

    const int t = static_cast<int>(threadIdx.x);
    const int lane = t % 32;
    const int first_line = t / 32 * warp_rows;
    const int64_t first_row = static_cast<int64_t>(blockIdx.x) * tile_rows;
    const int steps_of_panel = static_cast<int>(in.width) / tile_features;
    const int panels = static_cast<int>((codes_count + tile_codes - 1) / tile_codes);
    const float slack = filter_slack(layout.features);

    // Each warp writes and reads those of its own rows.
    if (lane < warp_rows) {
        row_terms[first_line + lane] = in.row_terms[first_row + first_line + lane];
    }
    __syncwarp();
    const RowTerms* const row = row_terms + first_line + lane / 4;  // the slots' are 8 apart
    float least[slots];  // no canonical score, scaled, below it is the largest; infinite: the row is open
    int count[slots];    // of candidates
    VQ4J_UNROLL
    for (int slot = 0; slot < slots; ++slot) {
        least[slot] = row[slot * 8].up > 0.0f ? -INFINITY : INFINITY;
        count[slot] = 0;
    }

    // Where the lane reads parts 0 and 1 of the stages; 2 and 3 have the second bit of the part exchanged.
    const int row_place = place_of_part(first_line + lane % 16, lane / 16);
    const int code_place = place_of_part(lane / 16 * 8 + lane % 8, lane / 8 % 2);
    const int first_row_tile = static_cast<int>(blockIdx.x) * steps_of_panel;
    int code_tile = 0;  // the next
    const auto fill = [&](int stage, int part_of_panel) {
        copy_tile(row_stages[stage], in.rows + static_cast<int64_t>(first_row_tile + part_of_panel) * tile_halves);
        copy_tile(code_stages[stage], in.codes + static_cast<int64_t>(code_tile) * tile_halves);
        commit_copies();
        ++code_tile;
    };

    // The lane has codes 8 j and 8 j + 1 from its first on, of both slots. Sums start at -h.
    float sum[products][4];
    const auto start_sums = [&](int panel) {
        const float* const negative_h = packed.negative_h + panel * tile_codes + lane % 4 * 2;
        VQ4J_UNROLL
        for (int j = 0; j < products; ++j) {
            VQ4J_UNROLL
            for (int place = 0; place < 4; ++place) {
                sum[j][place] = negative_h[j * 8 + place % 2] * row[place / 2 * 8].up;
            }
        }
    };

    fill(0, 0);
    start_sums(0);
    int stage = 0;
    for (int panel = 0, part_of_panel = 0; panel < panels;) {
        // Behind the barrier the stage is complete, and nobody uses the other one.
        wait_for_copies<0>();
        __syncthreads();
        const int this_panel = panel;
        if (++part_of_panel == steps_of_panel) {
            part_of_panel = 0;
            ++panel;
        }
        if (panel < panels) {
            fill(1 - stage, part_of_panel);
        }

        VQ4J_UNROLL
        for (int part = 0; part < tile_features / 8; part += 2) {
            uint32_t a[4];
            load_matrices(a, row_stages[stage] + (row_place ^ part * 8));
            VQ4J_UNROLL
            for (int j = 0; j < products; j += 2) {
                uint32_t b[4];
                load_matrices(b, code_stages[stage] + (code_place ^ part * 8) + j * 8 * tile_features);
                multiply_accumulate_16(sum[j], a, b);
                multiply_accumulate_16(sum[j + 1], a, b + 2);
            }
        }
        stage = 1 - stage;
        if (panel == this_panel) {
            continue;
        }

        // The scores of a panel are complete.
        float doubts[slots] = {};  // at least those of all codes of the panel
        for (int group = 0; group < groups_of_panel; ++group) {
            const GroupBound bound = in.groups[this_panel * groups_of_panel + group];
            VQ4J_UNROLL
            for (int slot = 0; slot < slots; ++slot) {
                doubts[slot] = fmaxf(doubts[slot], filter_doubt(row[slot * 8], bound.terms, bound.h, slack));
            }
        }
        VQ4J_UNROLL
        for (int slot = 0; slot < slots; ++slot) {
            float largest = -INFINITY;
            VQ4J_UNROLL
            for (int j = 0; j < products; ++j) {
                largest = fmaxf(largest, fmaxf(sum[j][slot * 2], sum[j][slot * 2 + 1]));
            }
            const float doubt = doubts[slot];
            if (!__any_sync(whole_warp, largest + doubt >= least[slot])) {
                continue;
            }
            least[slot] = fmaxf(least[slot], quad_max(largest - doubt));
            // The places of the scores that reach the bound.
            unsigned places = 0;
            VQ4J_UNROLL
            for (int place = 0; place < 2 * products; ++place) {
                places |= (sum[place / 2][slot * 2 + place % 2] + doubt >= least[slot] ? 1u : 0u) << place;
            }
            CandidateList list(lists, slot);
            for (; places != 0; places &= places - 1) {
                const int place = __ffs(static_cast<int>(places)) - 1;
                // Of registers, which have constant numbers.
                float score = 0.0f;
                VQ4J_UNROLL
                for (int other = 0; other < 2 * products; ++other) {
                    score = place == other ? sum[other / 2][slot * 2 + other % 2] : score;
                }
                const int k = this_panel * tile_codes + lane % 4 * 2 + place / 2 * 8 + place % 2;
                const float own_doubt = filter_doubt(row[slot * 8], in.code_terms[k], -packed.negative_h[k], slack);
                const float upper = score + own_doubt;
                if (!(upper >= least[slot])) {
                    continue;
                }
                least[slot] = fmaxf(least[slot], score - own_doubt);
                if (count[slot] == most_candidates) {
                    count[slot] = list.purge(most_candidates, least[slot]);
                }
                if (count[slot] == most_candidates) {
                    least[slot] = INFINITY;
                } else {
                    list[count[slot]++] = {upper, k};
                }
            }
            least[slot] = quad_max(least[slot]);
        }
        if (panel < panels) {
            start_sums(panel);
        }
    }

    VQ4J_UNROLL
    for (int slot = 0; slot < slots; ++slot) {
        const int64_t n = in.begin + first_row + first_line + slot * 8 + lane / 4;
        const bool is_row = n < layout.rows();
        const bool is_open = least[slot] == INFINITY;
        if (is_row && is_open && lane % 4 == 0) {
            open.rows[atomicAdd(open.count, 1ull)] = n;
        }
        CandidateList list(lists, slot);
        count[slot] = is_row && !is_open ? list.purge(count[slot], least[slot]) : 0;
        int left = count[slot] + __shfl_xor_sync(whole_warp, count[slot], 1);
        left = left + __shfl_xor_sync(whole_warp, left, 2);
        float score = -INFINITY;
        int32_t code = 0x7fffffff;
        for (int i = 0; i < count[slot]; ++i) {
            const int32_t k = list[i].code;
            const float of_k = left == 1 ? 0.0f : canonical_score(numbers, layout, packed, n, k);
            if (beats(of_k, k, score, code)) {
                score = of_k;
                code = k;
            }
        }
        for (int other = 1; other < 4; other *= 2) {
            const float other_score = __shfl_xor_sync(whole_warp, score, other);
            const int32_t other_code = __shfl_xor_sync(whole_warp, code, other);
            if (beats(other_score, other_code, score, code)) {
                score = other_score;
                code = other_code;
            }
        }
        if (left > 0 && lane % 4 == 0) {
            codes[n] = code;
        }
    }
}

constexpr int64_t halves_at_once = int64_t{1} << 27;

}  // namespace vq4j::tensor_assignment

namespace vq4j {

bool tensor_cores_serve(int64_t features) {
    return features <= most_filtered_features;
}

// By analysis, not by measurement. A score costs about three instructions beside its products, against one for each feature
// without tensor cores: from 16 features on that pays. Rounding a row moves 10 bytes a feature, as much time as some 20
// codes. Four more launches take about 10 microseconds, in which 2^29 multiply-adds are done without tensor cores.
bool tensor_cores_pay(int64_t rows, int64_t codes_count, int64_t features) {
    const double multiply_adds = static_cast<double>(rows) * static_cast<double>(codes_count) * static_cast<double>(features);
    return tensor_cores_serve(features) && features >= 16 && codes_count >= 256 && multiply_adds >= 0x1p30;
}

void assign_by_tensor_cores(AnyNumbers numbers, Layout layout, PackedCodebook<const float> packed, int64_t codes_count,
    int64_t rows_at_once, int32_t* codes, BadRows bad, OpenRows open, cudaStream_t stream) {
    using namespace tensor_assignment;
    const int64_t features = layout.features;
    const int64_t width = filter_width(features);
    const int64_t padded_codes = panels_of(codes_count) * panel_codes;
    const int64_t wanted = rows_at_once > 0 ? rows_at_once : halves_at_once / width;
    const int64_t at_once = ((wanted < layout.rows() ? wanted : layout.rows()) + tile_rows - 1) / tile_rows * tile_rows;

    const DeviceScratch<unsigned> radius_bits(1, stream);
    const DeviceScratch<uint16_t> code_halves(padded_codes * width, stream);
    const DeviceScratch<CodeTerms> of_codes(padded_codes, stream);
    const DeviceScratch<GroupBound> groups(padded_codes / group_codes, stream);
    const DeviceScratch<uint16_t> row_halves(at_once * width, stream);
    const DeviceScratch<RowTerms> of_rows(at_once, stream);

    for_each(1, stream, Begin{radius_bits.get(), open});
    launch(measure_codes_kernel, blocks_for(padded_codes, group_codes), rounding_threads, 0, stream, packed, features,
        radius_bits.get());
    launch(round_codes_kernel, blocks_for(padded_codes, group_codes), rounding_threads, 0, stream, packed, codes_count,
        features, radius_bits.get(), code_halves.get(), of_codes.get(), groups.get());
    for (int64_t begin = 0; begin < layout.rows(); begin += at_once) {
        const int64_t left = layout.rows() - begin;
        const unsigned tiles = blocks_for(left < at_once ? left : at_once, tile_rows);
        launch(round_rows_kernel, tiles * (tile_rows / vectors_of_block), rounding_threads, 0, stream, numbers, layout,
            packed.centre, begin, radius_bits.get(), row_halves.get(), of_rows.get(), bad);
        launch(filter_kernel, tiles, threads, 0, stream,
            FilterInput{row_halves.get(), of_rows.get(), code_halves.get(), of_codes.get(), groups.get(), width, begin},
            numbers, layout, packed, codes_count, codes, open);
    }
}

}  // namespace vq4j
