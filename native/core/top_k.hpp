// The k best codes of a row, kept while its scores go by: a list, best first. A score is compared with the last of the
// list, and only one that may beat it goes further.
#ifndef VQ4J_CORE_TOP_K_HPP
#define VQ4J_CORE_TOP_K_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

// In memory of the caller's. The order is total: the higher score first, of equal scores the lower code; a score that is
// NaN counts as -infinity. So the result does not depend on the order in which the codes come.
struct TopK {
    int64_t k;
    float* scores;
    int32_t* codes;

    VQ4J_SHARED_MEMBER void clear() {
        for (int64_t i = 0; i < k; ++i) {
            scores[i] = -HUGE_VALF;
            codes[i] = INT32_MAX;  // behind every code
        }
    }

    // A code with a score below this one is not among the best.
    VQ4J_SHARED_MEMBER float least() const { return scores[k - 1]; }

    VQ4J_SHARED_MEMBER void offer(float score, int32_t code) {
        if (!(score == score)) {
            score = -HUGE_VALF;
        }
        if (!beats(score, code, scores[k - 1], codes[k - 1])) {
            return;
        }
        int64_t at = k - 1;
        for (; at > 0 && beats(score, code, scores[at - 1], codes[at - 1]); --at) {
            scores[at] = scores[at - 1];
            codes[at] = codes[at - 1];
        }
        scores[at] = score;
        codes[at] = code;
    }
};

}  // namespace vq4j

#endif
