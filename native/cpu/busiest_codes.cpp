// The codes that are used, by how often: their keys sorted.
#include <algorithm>
#include <functional>

#include "core/arguments.hpp"
#include "core/replacement.hpp"
#include "cpu/scratch.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_busiest_codes(const int64_t* counts, int64_t codes_count, const int64_t* wanted, int64_t* order) {
    return guarded([&] {
        check_selection(codes_count, 1);
        check_present({counts, order});
        if (wanted != nullptr && *wanted == 0) {
            std::fill_n(order, codes_count, int64_t{0});
            return;
        }
        const Scratch<uint64_t> keys(codes_count);
        uint64_t* last = keys.get();
        for (int64_t k = 0; k < codes_count; ++k) {
            if (counts[k] > 0) {
                *last++ = usage_key(counts[k], k);
            }
        }
        const int64_t used = last - keys.get();
        std::sort(keys.get(), last, std::greater<uint64_t>());
        for (int64_t i = 0; i < codes_count; ++i) {
            order[i] = used == 0 ? 0 : number_of_key(keys.get()[i % used]);
        }
    });
}
