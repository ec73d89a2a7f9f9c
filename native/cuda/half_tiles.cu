// Rounds rows and codes to fp16 for the filter of the tensor cores (half_tiles.cuh) and measures what that loses.
//
// A block takes 32 vectors, a warp 4 of them, and passes over their features twice, 32 at a time through shared memory:
// once for the lengths, which give the scales, once to round. A thread has four loads on their way before it looks at the
// first. Bound by memory: 4 bytes read twice and 2 written for each number.
#include "cuda/half_tiles.cuh"

namespace vq4j::tensor_assignment {

// Where feature d of a line lies, from the first of its tiles on.
__device__ __forceinline__ unsigned place_in_tiles(int line, unsigned d) {
    return d / tile_features * tile_halves + place_of_part(line, static_cast<int>(d % tile_features / 8)) + d % 8;
}

constexpr int rounding_threads = 256;
constexpr int blocks_at_once = 4;
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

// take(i, d, value) for the features of the warp's vectors i, a lane a feature. A value is value_of(load(v, d), v, d): loads
// run along memory, and a thread's are on their way together.
template <typename Load, typename ValueOf, typename Take>
__device__ void for_each_feature(RoundingTile& tile, bool features_adjoin, int64_t features, Load load, ValueOf value_of,
    Take take) {
    static_assert(tile_features == 32, "a lane a feature");
    constexpr int warps = rounding_threads / 32;
    constexpr int loads = vectors_of_block / warps;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const auto vector = [&](int i) { return features_adjoin ? warp + i * warps : lane; };
    const auto feature = [&](int i) { return features_adjoin ? lane : warp + i * warps; };
    const int end = static_cast<int>(features);  // most_filtered_features at most
    for (int first = 0; first < end; first += tile_features) {
        // Beyond the last feature the first one is loaded for nothing: without branches all loads stand together.
        decltype(load(0, 0)) loaded[loads];
        for (int i = 0; i < loads; ++i) {
            const int d = first + feature(i);
            loaded[i] = load(vector(i), d < end ? d : 0);
        }
        for (int i = 0; i < loads; ++i) {
            const int d = first + feature(i);
            tile.values[vector(i)][feature(i)] = d < end ? value_of(loaded[i], vector(i), d) : 0.0f;
        }
        __syncthreads();
        for (int i = 0; i < vectors_of_warp; ++i) {
            take(i, first + lane, tile.values[first_vector_of_warp() + i][lane]);
        }
        __syncthreads();
    }
}

// At least the lengths of the warp's vectors.
template <typename Load, typename ValueOf>
__device__ void measure_vectors(RoundingTile& tile, bool features_adjoin, int64_t features, Load load, ValueOf value_of,
    float (&length)[vectors_of_warp]) {
    float squares[vectors_of_warp] = {};
    for_each_feature(tile, features_adjoin, features, load, value_of,
        [&](int i, int, float value) { squares[i] = fused_multiply_add(value, value, squares[i]); });
    for (int i = 0; i < vectors_of_warp; ++i) {
        length[i] = distance_from_above(warp_sum(squares[i]), score_slack(features));
    }
}

// Rounds the block's vectors, the `first` of the tiles on; scale_of(length) is the scale of a vector, first_value_of its
// value when it is loaded for the first time.
template <typename Load, typename FirstValueOf, typename ValueOf, typename ScaleOf>
__device__ void round_vectors(RoundingTile& tile, bool features_adjoin, int64_t features, Load load,
    FirstValueOf first_value_of, ValueOf value_of, ScaleOf scale_of, uint16_t* tiles, int64_t first, Rounded& rounded) {
    measure_vectors(tile, features_adjoin, features, load, first_value_of, rounded.length);
    for (int i = 0; i < vectors_of_warp; ++i) {
        rounded.scale[i] = scale_of(rounded.length[i]);
        rounded.residual_squares[i] = 0.0f;
    }
    uint16_t* const of_lines = tiles + first / tile_lines * tile_lines * filter_width(features);
    const int first_line = static_cast<int>(first % tile_lines) + first_vector_of_warp();
    for_each_feature(tile, features_adjoin, features, load, value_of, [&](int i, int d, float value) {
        const uint16_t half = filter_half(value, rounded.scale[i]);
        const float residual = filter_residual(value, half, rounded.scale[i]);
        rounded.residual_squares[i] = fused_multiply_add(residual, residual, rounded.residual_squares[i]);
        of_lines[place_in_tiles(first_line + i, static_cast<unsigned>(d))] = half;
    });
    for (int i = 0; i < vectors_of_warp; ++i) {
        rounded.residual_squares[i] = warp_sum(rounded.residual_squares[i]);
    }
}

// The value of a code, which is loaded as it is.
struct AsLoaded {
    __device__ __forceinline__ float operator()(float value, int, int64_t) const { return value; }
};

// Finds the length of the longest code; as bits, in which lengths have the order of integers. It is not taken from h,
// which is 0 for directions.
__global__ void __launch_bounds__(rounding_threads, blocks_at_once) measure_codes_kernel(PackedCodebook<const float> packed,
    int64_t features, unsigned* radius_bits) {
    __shared__ RoundingTile tile;
    const int64_t first = static_cast<int64_t>(blockIdx.x) * group_codes;
    float length[vectors_of_warp];
    measure_vectors(
        tile, false, features, [&](int v, int64_t d) { return packed.element(first + v, d, features); }, AsLoaded{},
        length);
    if (threadIdx.x % 32 == 0) {
        for (int i = 0; i < vectors_of_warp; ++i) {
            atomicMax(radius_bits, bits_of_float(length[i]));
        }
    }
}

// Rounds 32 codes, among them those that fill the last panel.
__global__ void __launch_bounds__(rounding_threads, blocks_at_once) round_codes_kernel(PackedCodebook<const float> packed,
    int64_t codes_count, int64_t features, const unsigned* radius_bits, uint16_t* tiles, CodeTerms* terms,
    GroupBound* groups) {
    __shared__ RoundingTile tile;
    __shared__ CodeTerms of_code[group_codes];
    const int64_t first = static_cast<int64_t>(blockIdx.x) * group_codes;
    Rounded rounded;
    round_vectors(
        tile, false, features, [&](int v, int64_t d) { return packed.element(first + v, d, features); }, AsLoaded{},
        AsLoaded{}, [&](float) { return half_scale(float_of_bits(*radius_bits)); }, tiles, first, rounded);
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
__global__ void __launch_bounds__(rounding_threads, blocks_at_once) round_rows_kernel(AnyNumbers numbers, Layout layout,
    const float* centre, int64_t begin, const unsigned* radius_bits, uint16_t* tiles, RowTerms* terms, BadRows bad) {
    struct Element {
        float value;
        float centre;
    };
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
    numbers.with_type([&](auto values) {
        round_vectors(
            tile, layout.inner == 1, layout.features,
            [&](int v, int64_t d) -> Element {
                const int64_t offset = offsets[v] < 0 ? 0 : offsets[v];
                return {values[offset + d * layout.stride()], centre[d]};
            },
            [&](Element element, int v, int64_t d) {
                if (offsets[v] < 0) {
                    return 0.0f;
                }
                bad.note_unless_finite(element.value, begin + first + v);
                values.keep(offsets[v] + d * layout.stride(), element.value);
                return element.value - element.centre;
            },
            [&](Element element, int v, int64_t) { return offsets[v] < 0 ? 0.0f : element.value - element.centre; },
            [](float length) { return half_scale(length); }, tiles, first, rounded);
    });
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
