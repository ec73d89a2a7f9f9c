// What the filters of the assignment share: codes in groups, a vector each, and the canonical scores of the groups that a
// bound could not rule out for a row.
#ifndef VQ4J_CPU_ISA_FILTER_GROUPS_HPP
#define VQ4J_CPU_ISA_FILTER_GROUPS_HPP

#include "core/score_bounds.hpp"
#include "cpu/isa/assign.hpp"
#include "cpu/isa/filter_words.hpp"

namespace vq4j {
namespace {

constexpr int64_t group_codes = lanes;
constexpr int64_t groups_of_panel = tile_codes / group_codes;
constexpr int candidates_at_once = 4;  // chains of multiply-adds that hide their latency
constexpr float nothing = -std::numeric_limits<float>::infinity();  // a score, bound or nearness below all others

// Feature d of the codes is at d * tile_codes.
VQ4J_SHARED const float* group_of_codes(PackedCodebook<const float> packed, int64_t features, int64_t group) {
    return packed.codes + group / groups_of_panel * tile_codes * features + group % groups_of_panel * group_codes;
}

// distance_from_above of every lane.
VQ4J_SHARED Floats distances_from_above(Floats squared, float slack) {
    return square_root(multiply_add(squared, all(1.0f + slack), all(underflow_slack))) * all(round_up);
}

// A group that may have a row's code.
struct Candidate {
    int32_t group;
    int32_t lane;
};

// Scores candidates canonically, and keeps the best code of each row.
VQ4J_SHARED void score_candidates(PackedCodebook<const float> packed, int64_t features, const float* columns,
    const Candidate (&candidates)[candidates_at_once], int64_t count, float* row_scores, int32_t* row_codes) {
    const float* codes[candidates_at_once];
    const float* values[candidates_at_once];
    Floats score[candidates_at_once];
    for (int i = 0; i < candidates_at_once; ++i) {
        const Candidate candidate = candidates[i < count ? i : 0];
        codes[i] = group_of_codes(packed, features, candidate.group);
        values[i] = columns + candidate.lane;
        score[i] = load(packed.negative_h + candidate.group * group_codes);
    }
    for (int64_t d = 0; d < features; ++d) {
#pragma GCC unroll 8
        for (int i = 0; i < candidates_at_once; ++i) {
            score[i] = multiply_add(all(values[i][d * lanes]), load(codes[i] + d * tile_codes), score[i]);
        }
    }
    for (int i = 0; i < count; ++i) {
        const Candidate candidate = candidates[i];
        // A NaN is not the largest.
        const float largest = largest_lane(larger(score[i], all(nothing)));
        if (largest < row_scores[candidate.lane]) {
            continue;
        }
        const int32_t code = candidate.group * static_cast<int32_t>(group_codes)
            + __builtin_ctz(lanes_equal(score[i], largest) | 1u << lanes);
        if (beats(largest, code, row_scores[candidate.lane], row_codes[candidate.lane])) {
            row_scores[candidate.lane] = largest;
            row_codes[candidate.lane] = code;
        }
    }
}

// Collects candidates until there are enough to be scored at once.
class CandidateQueue {
public:
    CandidateQueue(PackedCodebook<const float> packed, int64_t features, const float* columns, float* scores,
        int32_t* codes)
        : packed_(packed), features_(features), columns_(columns), scores_(scores), codes_(codes) {}

    void add(int64_t group, int lane) {
        candidates_[count_] = {static_cast<int32_t>(group), lane};
        if (++count_ == candidates_at_once) {
            score();
        }
    }

    void score() {
        if (count_ > 0) {
            score_candidates(packed_, features_, columns_, candidates_, count_, scores_, codes_);
            scored_ += count_;
            count_ = 0;
        }
    }

    int64_t scored() const { return scored_; }

private:
    PackedCodebook<const float> packed_;
    int64_t features_;
    const float* columns_;
    float* scores_;
    int32_t* codes_;
    Candidate candidates_[candidates_at_once] = {};
    int64_t count_ = 0;
    int64_t scored_ = 0;
};

}  // namespace
}  // namespace vq4j

#endif
