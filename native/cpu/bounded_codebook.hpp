// What the bounded assignment of Lloyd's iterations works with: the codebook in groups of codes near each other, how
// far each group has moved, and the slack that makes bounds on distances valid for the canonical scores.
//
// Why a bound decides a canonical score. Let e = 2^-24, R >= |z - m| + max_k |c_k - m|, a the row's code, k another
// one, l <= |z - c_k| and u >= |z - c_a| in real numbers.
// 1. Centring rounds every element once: the distance of the centred z' and c' differs from |z - c| by
//    r <= e (|z'| + |c'|) <= e R.
// 2. A canonical score is a chain of D fused multiply-adds from -h, itself such a chain: it differs from
//    S = c'.z' - |c'|^2 / 2 by at most g (|c'| |z'| + |c'|^2) <= g R^2 with g = (D + 2) e, and
//    S_a - S_k = (|z' - c'_k|^2 - |z' - c'_a|^2) / 2.
// 3. So (l - r)^2 - (u + r)^2 = (l - u - 2 r) (l + u) > 4 g R^2 makes the canonical score of a larger than that of k.
// 4. From a score comes a bound, |z' - c'_k|^2 >= |z'|^2 - 2 s - 2 g R^2, and u comes from a sum of squares, whose
//    relative error is below g. |z - m| <= u + max_k |c_k - m| gives R without another read of the row.
// The code takes twice g + 15 e for g, which covers the rounding of the few operations that evaluate these formulas,
// and adds 2^-100 to squares for what underflows. What overflows makes R^2 infinite, and then no bound decides.
#ifndef VQ4J_CPU_BOUNDED_CODEBOOK_HPP
#define VQ4J_CPU_BOUNDED_CODEBOOK_HPP

#include "core/score_bounds.hpp"
#include "cpu/packed_codebook.hpp"

namespace vq4j {

constexpr int64_t most_groups = 32;            // a bit each in a word
constexpr int64_t bounded_block_rows = 256;    // at most
constexpr int64_t bounded_block_floats = 1 << 16;  // of centred rows in a block, 256 KiB

// Codes are numbered by their place in the groups; `codes` has the number each has in the codebook, ascending in a
// group.
struct BoundedCodebook {
    PackedCodebook<const float> packed;
    const int32_t* codes;     // panels * panel codes; the largest number where the last panel is filled up
    const float* codebook;    // K x D, as it is known outside
    const int32_t* group_of;  // K, the group of each code of the codebook
    const float* drifts;      // groups, at least the longest move of a code since the last assignment
    int64_t groups;
    int64_t panels;
    int64_t group_panels;  // panels in a group; the last group may have fewer
    float radius;          // at least max_k |c_k - m|
    float slack;           // score_slack
};

VQ4J_SHARED int64_t rows_in_bounded_block(int64_t features) {
    const int64_t rows = bounded_block_floats / features;
    return rows < 1 ? 1 : rows > bounded_block_rows ? bounded_block_rows : rows;
}

}  // namespace vq4j

#endif
