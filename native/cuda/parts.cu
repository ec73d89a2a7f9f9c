// Parts of tensors, taken out and put back: features of a group, codes of a stage. A thread an element of the part. Copies,
// bound by memory.
#include "core/arguments.hpp"
#include "core/stage_codes.hpp"
#include "cuda/first_bad.cuh"
#include "cuda/launch.cuh"
#include "cuda/numbers.cuh"
#include "vq4j/cuda.h"

namespace vq4j::parts {

// A part of the features: where element i of the part stands in the whole.
struct FeaturePart {
    int64_t inner;
    int64_t features;
    int64_t first;
    int64_t count;

    __device__ int64_t in_whole(int64_t i) const {
        return i / (count * inner) * features * inner + first * inner + i % (count * inner);
    }
};

template <typename Numbers>
struct TakeFeatures {
    Numbers rows;
    FeaturePart part;
    float* out;

    __device__ void operator()(int64_t i) const {
        const int64_t at = part.in_whole(i);
        out[i] = rows[at];
        rows.keep(at, out[i]);
    }
};

struct PutFeatures {
    const float* values;
    FeaturePart part;
    float* out;

    __device__ void operator()(int64_t i) const { out[part.in_whole(i)] = values[i]; }
};

FeaturePart checked_part(int64_t outer, int64_t inner, int64_t features, int64_t first, int64_t count) {
    check_sizes({{"outer", outer}, {"inner", inner}, {"features", features}});
    check_part(first, count, "features", features);
    return {inner, features, first, count};
}

// One stage's codes among those of all.
struct Stage {
    int64_t inner;
    int64_t stages;
    int64_t stage;

    __device__ int64_t among_all(int64_t i) const { return (i / inner * stages + stage) * inner + i % inner; }
};

struct PutCodes {
    const int32_t* codes;
    Stage stage;
    int32_t offset;
    int32_t* out;

    __device__ void operator()(int64_t i) const {
        out[stage.among_all(i)] = codes[i] < 0 ? codes[i] : codes[i] + offset;
    }
};

struct TakeCodes {
    const int32_t* codes;
    Stage stage;
    int32_t offset;
    int32_t* out;

    __device__ void operator()(int64_t i) const {
        out[i] = code_within_stage(codes[stage.among_all(i)], offset);
    }
};

// As TakeCodes, and notes what is a code of another stage.
struct TakeCheckedCodes {
    TakeCodes take;
    int64_t codes_count;
    BadRows bad;

    __device__ void operator()(int64_t i) const {
        const int64_t at = take.stage.among_all(i);
        if (!is_of_stage_or_none(take.codes[at], take.offset, codes_count)) {
            bad.note(at);
        }
        take(i);
    }
};

Stage checked_stage(int64_t outer, int64_t inner, int64_t stages, int64_t stage) {
    check_sizes({{"outer", outer}, {"inner", inner}, {"stages", stages}});
    check_part(stage, 1, "stages", stages);
    return {inner, stages, stage};
}

template <typename Numbers>
void take_features(Numbers rows, int64_t outer, int64_t inner, int64_t features, int64_t first, int64_t count, float* out,
    cudaStream_t stream) {
    const FeaturePart part = checked_part(outer, inner, features, first, count);
    check_present({rows.values, out});
    for_each(outer * count * inner, stream, TakeFeatures<Numbers>{rows, part, out});
}

}  // namespace vq4j::parts

using namespace vq4j;

int32_t vq4j_cuda_take_features(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    int64_t first, int64_t count, float* out) {
    return guarded([&] {
        parts::take_features(
            Floats{rows}, outer, inner, features, first, count, out, static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_take_features_half(void* stream, const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, int64_t first, int64_t count, float* out, float* widened) {
    return guarded([&] {
        check_half_type(type);
        with_halves(rows, type, widened, [&](auto halves) {
            parts::take_features(
                halves, outer, inner, features, first, count, out, static_cast<cudaStream_t>(stream));
        });
    });
}

int32_t vq4j_cuda_put_features(void* stream, const float* part, int64_t outer, int64_t inner, int64_t features,
    int64_t first, int64_t count, float* out) {
    return guarded([&] {
        const parts::FeaturePart place = parts::checked_part(outer, inner, features, first, count);
        check_present({part, out});
        for_each(outer * count * inner, static_cast<cudaStream_t>(stream), parts::PutFeatures{part, place, out});
    });
}

int32_t vq4j_cuda_put_codes(void* stream, const int32_t* codes, int64_t outer, int64_t inner, int64_t stages,
    int64_t stage, int32_t offset, int32_t* out) {
    return guarded([&] {
        const parts::Stage place = parts::checked_stage(outer, inner, stages, stage);
        check_present({codes, out});
        for_each(outer * inner, static_cast<cudaStream_t>(stream), parts::PutCodes{codes, place, offset, out});
    });
}

int32_t vq4j_cuda_take_codes(void* stream, const int32_t* codes, int64_t outer, int64_t inner, int64_t stages,
    int64_t stage, int32_t offset, int64_t codes_count, int32_t* out) {
    return guarded([&] {
        const parts::Stage place = parts::checked_stage(outer, inner, stages, stage);
        check_present({codes, out});
        const auto s = static_cast<cudaStream_t>(stream);
        const parts::TakeCodes take{codes, place, offset, out};
        if (codes_count == 0) {
            for_each(outer * inner, s, take);
            return;
        }
        const DeviceFirstBad bad(s);
        for_each(outer * inner, s, parts::TakeCheckedCodes{take, codes_count, bad.rows()});
        bad.require_none([=](int64_t position) {
            code_out_of_stage(read_back(codes + position, s), position, offset, codes_count);
        });
    });
}
