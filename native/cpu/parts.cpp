// Parts of tensors, taken out and put back: features of a group, codes of a stage. Copies, bound by memory.
#include <cstring>

#include "core/arguments.hpp"
#include "core/stage_codes.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// copy(part, whole, elements) for every stretch of memory that a part of the features shares with the whole.
template <typename Copy>
void for_each_stretch(int64_t outer, int64_t inner, int64_t features, int64_t first, int64_t count, Copy copy) {
    check_sizes({{"outer", outer}, {"inner", inner}, {"features", features}});
    check_part(first, count, "features", features);
    parallel_ranges(outer, count * inner, [=](int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; ++o) {
            copy(o * count * inner, (o * features + first) * inner, count * inner);
        }
    });
}

// body(own, among, codes) for every stretch of a stage's codes and its place among those of all stages.
template <typename Body>
void for_each_code_stretch(int64_t outer, int64_t inner, int64_t stages, int64_t stage, Body body) {
    check_sizes({{"outer", outer}, {"inner", inner}, {"stages", stages}});
    check_part(stage, 1, "stages", stages);
    parallel_ranges(outer, inner, [&](int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; ++o) {
            body(o * inner, (o * stages + stage) * inner);
        }
    });
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_take_features(const float* rows, int64_t outer, int64_t inner, int64_t features, int64_t first,
    int64_t count, float* out) {
    return guarded([&] {
        check_present({rows, out});
        for_each_stretch(outer, inner, features, first, count, [=](int64_t part, int64_t whole, int64_t elements) {
            std::memcpy(out + part, rows + whole, static_cast<size_t>(elements) * sizeof(float));
        });
    });
}

int32_t vq4j_cpu_take_features_half(const uint16_t* rows, int32_t type, int64_t outer, int64_t inner, int64_t features,
    int64_t first, int64_t count, float* out, float* widened) {
    return guarded([&] {
        check_half_type(type);
        check_present({rows, out});
        const Kernels& table = kernels();
        for_each_stretch(outer, inner, features, first, count, [&](int64_t part, int64_t whole, int64_t elements) {
            table.widen(rows + whole, type, elements, out + part);
            if (widened != nullptr) {
                std::memcpy(widened + whole, out + part, static_cast<size_t>(elements) * sizeof(float));
            }
        });
    });
}

int32_t vq4j_cpu_put_features(const float* part, int64_t outer, int64_t inner, int64_t features, int64_t first,
    int64_t count, float* out) {
    return guarded([&] {
        check_present({part, out});
        for_each_stretch(outer, inner, features, first, count, [=](int64_t own, int64_t whole, int64_t elements) {
            std::memcpy(out + whole, part + own, static_cast<size_t>(elements) * sizeof(float));
        });
    });
}

int32_t vq4j_cpu_put_codes(const int32_t* codes, int64_t outer, int64_t inner, int64_t stages, int64_t stage,
    int32_t offset, int32_t* out) {
    return guarded([&] {
        check_present({codes, out});
        for_each_code_stretch(outer, inner, stages, stage, [=](int64_t own, int64_t among) {
            for (int64_t i = 0; i < inner; ++i) {
                out[among + i] = codes[own + i] < 0 ? codes[own + i] : codes[own + i] + offset;
            }
        });
    });
}

int32_t vq4j_cpu_take_codes(const int32_t* codes, int64_t outer, int64_t inner, int64_t stages, int64_t stage,
    int32_t offset, int64_t codes_count, int32_t* out) {
    return guarded([&] {
        check_present({codes, out});
        FirstBad bad;
        for_each_code_stretch(outer, inner, stages, stage, [&](int64_t own, int64_t among) {
            for (int64_t i = 0; i < inner; ++i) {
                const int32_t code = codes[among + i];
                if (codes_count > 0 && !is_of_stage_or_none(code, offset, codes_count)) {
                    bad.note(among + i);
                }
                out[own + i] = code_within_stage(code, offset);
            }
        });
        bad.require_none([&](int64_t i) { code_out_of_stage(codes[i], i, offset, codes_count); });
    });
}
