// Parts of tensors, taken out and put back: features of a group, codes of a stage, rows that a mask leaves. A thread an
// element of the part. Copies, bound by memory.
#include "core/arguments.hpp"
#include "core/elements.hpp"
#include "cuda/first_bad.cuh"
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

struct TakeFeatures {
    const float* rows;
    FeaturePart part;
    float* out;

    __device__ void operator()(int64_t i) const { out[i] = rows[part.in_whole(i)]; }
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

    __device__ void operator()(int64_t i) const { out[i] = codes[stage.among_all(i)] - offset; }
};

Stage checked_stage(int64_t outer, int64_t inner, int64_t stages, int64_t stage) {
    check_sizes({{"outer", outer}, {"inner", inner}, {"stages", stages}});
    check_part(stage, 1, "stages", stages);
    return {inner, stages, stage};
}

// Where element i of the part stands in the whole; negative where its row number is out of range, which is noted.
struct RowPart {
    const int64_t* order;
    Layout layout;
    BadRows bad;

    __device__ int64_t in_whole(int64_t i) const {
        const int64_t row = order[i / layout.features];
        if (row < 0 || row >= layout.rows()) {
            bad.note(i / layout.features);
            return -1;
        }
        return layout.offset(row) + i % layout.features * layout.stride();
    }
};

struct TakeRows {
    const float* rows;
    RowPart part;
    float* out;

    __device__ void operator()(int64_t i) const {
        const int64_t at = part.in_whole(i);
        if (at >= 0) {
            out[i] = rows[at];
        }
    }
};

struct PutRows {
    const float* values;
    RowPart part;
    float* out;

    __device__ void operator()(int64_t i) const {
        const int64_t at = part.in_whole(i);
        if (at >= 0) {
            out[at] = values[i];
        }
    }
};

struct WeightedSum {
    float a;
    const float* x;
    float b;
    const float* y;
    float* out;

    __device__ void operator()(int64_t i) const { out[i] = weighted_sum_element(a, x[i], b, y[i]); }
};

}  // namespace vq4j::parts

using namespace vq4j;

int32_t vq4j_cuda_take_features(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    int64_t first, int64_t count, float* out) {
    return guarded([&] {
        const parts::FeaturePart part = parts::checked_part(outer, inner, features, first, count);
        check_present({rows, out});
        for_each(outer * count * inner, static_cast<cudaStream_t>(stream), parts::TakeFeatures{rows, part, out});
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
    int64_t stage, int32_t offset, int32_t* out) {
    return guarded([&] {
        const parts::Stage place = parts::checked_stage(outer, inner, stages, stage);
        check_present({codes, out});
        for_each(outer * inner, static_cast<cudaStream_t>(stream), parts::TakeCodes{codes, place, offset, out});
    });
}

int32_t vq4j_cuda_take_rows(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const int64_t* order, int64_t count, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sizes({{"count", count}, {"features", features}});
        check_present({rows, order, out});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        for_each(count * features, s, parts::TakeRows{rows, {order, layout, bad.rows()}, out});
        bad.require_rows_in_range(order, layout.rows());
    });
}

int32_t vq4j_cuda_put_rows(void* stream, const float* part, const int64_t* order, int64_t count, int64_t outer,
    int64_t inner, int64_t features, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sizes({{"count", count}, {"features", features}});
        check_present({part, order, out});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        for_each(count * features, s, parts::PutRows{part, {order, layout, bad.rows()}, out});
        bad.require_rows_in_range(order, layout.rows());
    });
}

int32_t vq4j_cuda_weighted_sum(void* stream, float a, const float* x, float b, const float* y, int64_t count,
    float* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({x, y, out});
        for_each(count, static_cast<cudaStream_t>(stream), parts::WeightedSum{a, x, b, y, out});
    });
}
