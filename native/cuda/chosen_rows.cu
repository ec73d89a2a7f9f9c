// Rows chosen by a value of theirs: a thread a chunk of 256 rows counts, the counts are summed up, a thread a chunk writes.
// Rows, and codes of rows, taken out and put back by the rows' numbers: a thread an element of the part. Bound by memory.
#include "core/stage_arguments.hpp"
#include "cuda/first_bad.cuh"
#include "cuda/numbers.cuh"
#include "cuda/scan.cuh"
#include "vq4j/cuda.h"

namespace vq4j::chosen_rows {

struct Above {
    const int32_t* values;
    int64_t rows_count;
    int32_t bound;

    // body(n) for the chosen rows of a chunk, ascending.
    template <typename Body>
    __device__ void for_each_of(int64_t chunk, Body body) const {
        const int64_t begin = chunk * chunk_rows;
        const int64_t end = begin + chunk_rows < rows_count ? begin + chunk_rows : rows_count;
        for (int64_t n = begin; n < end; ++n) {
            if (values[n] > bound) {
                body(n);
            }
        }
    }
};

struct Count {
    Above above;
    int64_t* counts;

    __device__ void operator()(int64_t chunk) const {
        int64_t count = 0;
        above.for_each_of(chunk, [&](int64_t) { ++count; });
        counts[chunk] = count;
    }
};

struct Number {
    Above above;
    const int64_t* before;
    int64_t* order;

    __device__ void operator()(int64_t chunk) const {
        int64_t at = before[chunk];
        above.for_each_of(chunk, [&](int64_t n) { order[at++] = n; });
    }
};

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

// Of numbers, or of codes.
template <typename Values, typename Value>
struct Take {
    Values values;
    RowPart part;
    Value* out;

    __device__ void operator()(int64_t i) const {
        const int64_t at = part.in_whole(i);
        if (at >= 0) {
            out[i] = values[at];
        }
    }
};

template <typename Value>
struct Put {
    const Value* values;
    RowPart part;
    Value* out;

    __device__ void operator()(int64_t i) const {
        const int64_t at = part.in_whole(i);
        if (at >= 0) {
            out[at] = values[i];
        }
    }
};

struct Fill {
    int32_t code;
    int32_t* out;

    __device__ void operator()(int64_t i) const { out[i] = code; }
};

template <typename Values, typename Value>
void take(Values values, Layout layout, const int64_t* order, int64_t count, Value* out, cudaStream_t stream) {
    const DeviceFirstBad bad(stream);
    for_each(count * layout.features, stream, Take<Values, Value>{values, {order, layout, bad.rows()}, out});
    bad.require_rows_in_range(order, layout.rows());
}

template <typename Value>
void put(const Value* values, Layout layout, const int64_t* order, int64_t count, Value* out, cudaStream_t stream) {
    const DeviceFirstBad bad(stream);
    for_each(count * layout.features, stream, Put<Value>{values, {order, layout, bad.rows()}, out});
    bad.require_rows_in_range(order, layout.rows());
}

template <typename Numbers>
void take_rows(Numbers rows, int64_t outer, int64_t inner, int64_t features, const int64_t* order, int64_t count,
    float* out, cudaStream_t stream) {
    const Layout layout = checked_rows(outer, inner, features);
    check_sizes({{"count", count}, {"features", features}});
    check_present({rows.values, order, out});
    take(rows, layout, order, count, out, stream);
}

}  // namespace vq4j::chosen_rows

using namespace vq4j;

int32_t vq4j_cuda_rows_above(void* stream, const int32_t* values, int64_t rows_count, int32_t bound, int64_t* order,
    int64_t* count) {
    return guarded([&] {
        check_sizes({{"rows_count", rows_count}});
        check_present({values, order, count});
        const auto s = static_cast<cudaStream_t>(stream);
        const chosen_rows::Above above = {values, rows_count, bound};
        const int64_t chunks = chunks_of(rows_count);
        const DeviceScratch<int64_t> counts(chunks + 1, s);
        for_each(chunks, s, chosen_rows::Count{above, counts.get()});
        exclusive_scan(counts.get(), chunks, s);
        for_each(chunks, s, chosen_rows::Number{above, counts.get(), order});
        copy_on_device(count, counts.get() + chunks, sizeof *count, s);
    });
}

int32_t vq4j_cuda_take_rows(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const int64_t* order, int64_t count, float* out) {
    return guarded([&] {
        chosen_rows::take_rows(Floats{rows}, outer, inner, features, order, count, out, static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_take_rows_half(void* stream, const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, const int64_t* order, int64_t count, float* out) {
    return guarded([&] {
        check_half_type(type);
        with_halves(rows, type, nullptr, [&](auto halves) {
            chosen_rows::take_rows(halves, outer, inner, features, order, count, out, static_cast<cudaStream_t>(stream));
        });
    });
}

int32_t vq4j_cuda_put_rows(void* stream, const float* part, const int64_t* order, int64_t count, int64_t outer,
    int64_t inner, int64_t features, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sizes({{"count", count}, {"features", features}});
        check_present({part, order, out});
        chosen_rows::put(part, layout, order, count, out, static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_take_codes_of_rows(void* stream, const int32_t* codes, int64_t outer, int64_t inner,
    int64_t codes_of_row, const int64_t* order, int64_t count, int32_t* out) {
    return guarded([&] {
        const Layout layout = checked_codes_of_rows(outer, inner, codes_of_row, count);
        check_present({codes, order, out});
        chosen_rows::take(codes, layout, order, count, out, static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_put_codes_of_rows(void* stream, const int32_t* part, const int64_t* order, int64_t count, int64_t outer,
    int64_t inner, int64_t codes_of_row, int32_t* out) {
    return guarded([&] {
        const Layout layout = checked_codes_of_rows(outer, inner, codes_of_row, count);
        check_present({part, order, out});
        chosen_rows::put(part, layout, order, count, out, static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_fill_codes(void* stream, int32_t code, int64_t count, int32_t* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({out});
        for_each(count, static_cast<cudaStream_t>(stream), chosen_rows::Fill{code, out});
    });
}
