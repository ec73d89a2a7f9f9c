// What becomes of the scores that tensor cores give: a row's candidates, and at the end its code or its place on the list of
// open rows (core/tensor_filter.hpp, docs/tensor-core-filter.md). The kernels of mma.sync and of wgmma share it: in both a
// warp has 16 rows to itself, and of each panel of 128 codes a lane holds 2 x 2 x 16 sums, as of 16 products m16n8.
//
// For each score one multiply-add and one maximum; the rows whose maximum reaches their bound, few after the first panels,
// look at their scores once more and note candidates.
#ifndef VQ4J_CUDA_FILTER_SCORES_CUH
#define VQ4J_CUDA_FILTER_SCORES_CUH

#include "cuda/chunks.cuh"
#include "cuda/half_tiles.cuh"
#include "cuda/tensor_assign.cuh"
#include "cuda/tensor_core.cuh"

namespace vq4j::tensor_assignment {

constexpr int warp_rows = 16;
constexpr int products = panel_codes / 8;  // of 8 codes, along a panel
constexpr int slots = 2;                   // rows of a lane: 8 apart
constexpr int most_candidates = 3;         // of a row, in each of its 4 lanes
constexpr unsigned all_lanes = 0xffffffffu;

// Codes 8 j and 8 j + 1 of a panel, from the lane's first on, of both slots.
using PanelSums = float[products][4];

// What a launch of the filter works on.
struct FilterInput {
    const uint16_t* rows;      // tiles
    const RowTerms* row_terms;
    const uint16_t* codes;     // tiles
    const CodeTerms* code_terms;
    const GroupBound* groups;
    int64_t width;
    int64_t begin;             // the first row of the tensor that is in `rows`
    AnyNumbers numbers;
    Layout layout;
    PackedCodebook<const float> packed;
    int64_t codes_count;

    __device__ int steps() const { return static_cast<int>(width) / tile_features; }
    __device__ int panels() const { return static_cast<int>((codes_count + panel_codes - 1) / panel_codes); }
};

struct FilterOutput {
    int32_t* codes;
    OpenRows open;
};

struct Candidate {
    float upper;  // its canonical score is no larger
    int32_t code;
};

// In shared memory, for a block of so many threads.
template <int threads>
using CandidateLists = Candidate[slots][most_candidates][threads];

// A lane's candidates of one of its rows.
template <int threads>
class CandidateList {
public:
    __device__ CandidateList(CandidateLists<threads>& lists, int slot)
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
    value = fmaxf(value, __shfl_xor_sync(all_lanes, value, 1));
    return fmaxf(value, __shfl_xor_sync(all_lanes, value, 2));
}

// Few lanes of a block are here, and no other block may be on the multiprocessor: what is loaded ahead is all that hides
// how long a load takes.
__device__ inline float canonical_score(const FilterInput& in, int64_t n, int64_t k) {
    struct Elements {
        float z;
        float centre;
        float code;
    };
    const int64_t offset = in.layout.offset(n);
    float score = in.packed.negative_h[k];
    in.numbers.with_type([&](auto numbers) {
        load_ahead(
            0, in.layout.features,
            [&](int64_t d) -> Elements {
                return {numbers[offset + d * in.layout.stride()], in.packed.centre[d],
                    in.packed.element(k, d, in.layout.features)};
            },
            [&](Elements each, int64_t) { score = fused_multiply_add(each.z - each.centre, each.code, score); });
    });
    return score;
}

// A lane's two rows of the 16 of its warp.
template <int threads>
class FilterRows {
public:
    // terms: of the lane's first row, in shared memory; the second's are 8 further on. n: its number in the tensor.
    __device__ __forceinline__ FilterRows(const FilterInput& in, const RowTerms* terms, int64_t n,
        CandidateLists<threads>& lists)
        : in_(in), terms_(terms), first_(n), lists_(lists), slack_(filter_slack(in.layout.features)) {
        VQ4J_UNROLL
        for (int slot = 0; slot < slots; ++slot) {
            least_[slot] = terms[slot * 8].up > 0.0f ? -INFINITY : INFINITY;
            count_[slot] = 0;
        }
    }

    // Sums start at -h.
    __device__ __forceinline__ void start(PanelSums& sum, int panel) const {
        const float* const negative_h = in_.packed.negative_h + panel * panel_codes + lane() % 4 * 2;
        VQ4J_UNROLL
        for (int j = 0; j < products; ++j) {
            VQ4J_UNROLL
            for (int place = 0; place < 4; ++place) {
                sum[j][place] = negative_h[j * 8 + place % 2] * terms_[place / 2 * 8].up;
            }
        }
    }

    // Takes the scores of a panel. All lanes of the warp call it together.
    __device__ __forceinline__ void take(const PanelSums& sum, int panel) {
        float doubts[slots] = {};  // at least those of all codes of the panel
        for (int group = 0; group < groups_of_panel; ++group) {
            const GroupBound bound = in_.groups[panel * groups_of_panel + group];
            VQ4J_UNROLL
            for (int slot = 0; slot < slots; ++slot) {
                doubts[slot] = fmaxf(doubts[slot], filter_doubt(terms_[slot * 8], bound.terms, bound.h, slack_));
            }
        }
        VQ4J_UNROLL
        for (int slot = 0; slot < slots; ++slot) {
            float largest = -INFINITY;
            VQ4J_UNROLL
            for (int j = 0; j < products; ++j) {
                largest = fmaxf(largest, fmaxf(sum[j][slot * 2], sum[j][slot * 2 + 1]));
            }
            if (__any_sync(all_lanes, largest + doubts[slot] >= least_[slot])) {
                note_candidates(sum, panel, slot, largest, doubts[slot]);
            }
        }
    }

    // Writes the codes of the rows that are decided and lists the others. All lanes of the warp call it together.
    __device__ __forceinline__ void decide(FilterOutput out) {
        VQ4J_UNROLL
        for (int slot = 0; slot < slots; ++slot) {
            const int64_t n = first_ + slot * 8;
            const bool is_row = n < in_.layout.rows();
            const bool is_open = least_[slot] == INFINITY;
            if (is_row && is_open && lane() % 4 == 0) {
                out.open.rows[atomicAdd(out.open.count, 1ull)] = n;
            }
            CandidateList<threads> list(lists_, slot);
            const int count = is_row && !is_open ? list.purge(count_[slot], least_[slot]) : 0;
            int left = count + __shfl_xor_sync(all_lanes, count, 1);
            left = left + __shfl_xor_sync(all_lanes, left, 2);
            float score = -INFINITY;
            int32_t code = 0x7fffffff;
            for (int i = 0; i < count; ++i) {
                const int32_t k = list[i].code;
                const float of_k = left == 1 ? 0.0f : canonical_score(in_, n, k);
                if (beats(of_k, k, score, code)) {
                    score = of_k;
                    code = k;
                }
            }
            for (int other = 1; other < 4; other *= 2) {
                const float other_score = __shfl_xor_sync(all_lanes, score, other);
                const int32_t other_code = __shfl_xor_sync(all_lanes, code, other);
                if (beats(other_score, other_code, score, code)) {
                    score = other_score;
                    code = other_code;
                }
            }
            if (left > 0 && lane() % 4 == 0) {
                out.codes[n] = code;
            }
        }
    }

private:
    static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }

    __device__ __forceinline__ void note_candidates(const PanelSums& sum, int panel, int slot, float largest, float doubt) {
        float least = fmaxf(least_[slot], quad_max(largest - doubt));
        // The places of the scores that reach the bound.
        unsigned places = 0;
        VQ4J_UNROLL
        for (int place = 0; place < 2 * products; ++place) {
            places |= (sum[place / 2][slot * 2 + place % 2] + doubt >= least ? 1u : 0u) << place;
        }
        CandidateList<threads> list(lists_, slot);
        for (; places != 0; places &= places - 1) {
            const int place = __ffs(static_cast<int>(places)) - 1;
            // Of registers, which have constant numbers.
            float score = 0.0f;
            VQ4J_UNROLL
            for (int other = 0; other < 2 * products; ++other) {
                score = place == other ? sum[other / 2][slot * 2 + other % 2] : score;
            }
            const int k = panel * panel_codes + lane() % 4 * 2 + place / 2 * 8 + place % 2;
            const float own_doubt = filter_doubt(terms_[slot * 8], in_.code_terms[k], -in_.packed.negative_h[k], slack_);
            const float upper = score + own_doubt;
            if (!(upper >= least)) {
                continue;
            }
            least = fmaxf(least, score - own_doubt);
            if (count_[slot] == most_candidates) {
                count_[slot] = list.purge(most_candidates, least);
            }
            if (count_[slot] == most_candidates) {
                least = INFINITY;
            } else {
                list[count_[slot]++] = {upper, k};
            }
        }
        least_[slot] = quad_max(least);
    }

    const FilterInput& in_;
    const RowTerms* terms_;
    int64_t first_;
    CandidateLists<threads>& lists_;
    float slack_;
    float least_[slots];  // no canonical score, scaled, below it is the largest; infinite: the row is open
    int count_[slots];    // of candidates
};

// The kernels that make the sums, each in a file of its own. `rows` rows from in.begin on are in tiles, and behind them what
// fills the last block.
constexpr int wgmma_block_rows = 2 * tile_lines;

void filter_by_mma(const FilterInput& in, int64_t rows, FilterOutput out, cudaStream_t stream);
void filter_by_wgmma(const FilterInput& in, int64_t rows, FilterOutput out, cudaStream_t stream);

}  // namespace vq4j::tensor_assignment

#endif
