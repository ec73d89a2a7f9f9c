// Rounds rows and codes to fp16 for the filter of the tensor cores (half_tiles.cuh) and measures what that loses.
//
// A block takes 32 vectors, a warp 4 of them, and passes over their features twice, 32 at a time through shared memory:
// once for the lengths, which give the scales, once to round. Bound by memory: 4 bytes read twice and 2 written for
// each number.
#include "cuda/half_tiles.cuh"

namespace vq4j::tensor_assignment {

// Where feature d of vector v lies in memory.
__device__ __forceinline__ int64_t place_in_tiles(int64_t v, int64_t d, int64_t width) {
    return v / tile_lines * tile_lines * width + d / tile_features * tile_halves
        + place_of_part(static_cast<int>(v % tile_lines), static_cast<int>(d % tile_features) / 8) + d % 8;
}

constexpr int rounding_threads = 256;
constexpr int vectors_of_warp = 4;
constexpr int vectors_of_block = rounding_threads / 32 * vectors_of_warp;
constexpr unsigned whole_warp = 0xffffffffu;
static_assert(vectors_of_block == group_codes, "a block of codes is a group");

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

// Rounds the block's vectors, the `first` of the tiles on; scale_of(length) is the scale of a vector, first_value_of(v, d)
// its value when it is read for the first time.
template <typename FirstValueOf, typename ValueOf, typename ScaleOf>
__device__ void round_vectors(RoundingTile& tile, bool features_adjoin, int64_t features, FirstValueOf first_value_of,
    ValueOf value_of, ScaleOf scale_of, uint16_t* tiles, int64_t first, Rounded& rounded) {
    measure_vectors(tile, features_adjoin, features, first_value_of, rounded.length);
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
            atomicMax(radius_bits, bits_of_float(length[i]));
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
    const auto value_of = [&](int v, int64_t d) { return packed.element(first + v, d, features); };
    round_vectors(
        tile, false, features, value_of, value_of, [&](float) { return half_scale(float_of_bits(*radius_bits)); }, tiles,
        first, rounded);
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
            const int64_t at = offsets[v] + d * layout.stride();
            const float value = numbers[at];
            bad.note_unless_finite(value, begin + first + v);
            numbers.keep(at, value);
            return value - centre[d];
        },
        [&](int v, int64_t d) {
            return offsets[v] < 0 ? 0.0f : numbers[offsets[v] + d * layout.stride()] - centre[d];
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

void round_codes(PackedCodebook<const float> packed, int64_t codes_count, int64_t features, HalfCodes codes,
    cudaStream_t stream) {
    const unsigned blocks = blocks_for(panels_of(codes_count) * panel_codes, vectors_of_block);
    launch(measure_codes_kernel, blocks, rounding_threads, 0, stream, packed, features, codes.radius_bits);
    launch(round_codes_kernel, blocks, rounding_threads, 0, stream, packed, codes_count, features, codes.radius_bits,
        codes.tiles, codes.terms, codes.groups);
}

void round_rows(AnyNumbers numbers, Layout layout, const float* centre, int64_t begin, int64_t count,
    const unsigned* radius_bits, uint16_t* tiles, RowTerms* terms, BadRows bad, cudaStream_t stream) {
    launch(round_rows_kernel, blocks_for(count, vectors_of_block), rounding_threads, 0, stream, numbers, layout, centre, begin,
        radius_bits, tiles, terms, bad);
}

}  // namespace vq4j::tensor_assignment
