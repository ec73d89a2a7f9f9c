// The implementations under test, as tables of the same functions, and arrays in an implementation's memory.
//
// VQ4J_TEST_CPU and VQ4J_TEST_CUDA say which ones the test program is linked with.
#ifndef VQ4J_TESTS_IMPLEMENTATION_HPP
#define VQ4J_TESTS_IMPLEMENTATION_HPP

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "vq4j/status.h"
#ifdef VQ4J_TEST_CPU
#include "vq4j/cpu.h"
#endif
#ifdef VQ4J_TEST_CUDA
#include "vq4j/cuda.h"
#endif

namespace vq4j::testing {

// Every function of operations.h as a pointer, without the stream.
struct Operations {
#pragma push_macro("VQ4J_API")
#undef VQ4J_API
#define VQ4J_API
#define VQ4J_OPERATION(name) (*name)
#define VQ4J_STREAM
#include "vq4j/operations.h"
#undef VQ4J_OPERATION
#undef VQ4J_STREAM
#pragma pop_macro("VQ4J_API")
};

// All but allocate, release and those without a stream: last_error, packed_codebook_bytes, submit_batch, finish_batch, drop_batch.
#define VQ4J_STREAM_OPERATIONS(X) \
    X(copy) X(clear) X(fill_normal) X(pack_codebook) X(assign) X(count_codes) X(lookup) X(lookup_groups) X(commitment_loss) \
    X(input_gradient) X(codebook_gradient) X(scatter) X(moments) X(normalize) X(normalize_gradient) X(row_norm) \
    X(row_norm_gradient) X(affine_learned) X(affine_statistics) X(affine) X(affine_gradient) \
    X(sgd_step) X(adam_step) X(clear_rows) X(seed_codebook) X(repeat_rows) X(update_centroids) X(count_down) \
    X(replace_codes) X(residual) X(add_lookup) X(take_features) X(put_features) X(put_codes) X(take_codes) \
    X(take_rows) X(put_rows) X(weighted_sum) X(running_average) X(largest_magnitude) X(fixed_point_scatter) X(from_fixed_point) \
    X(draw_rows) X(row_tickets) X(finite_scalar_quantize) X(finite_scalar_decode) X(finite_scalar_gradient) X(sign_quantize) \
    X(sign_decode) X(sign_losses) X(sign_gradient) X(code_usage) X(pack_directions) X(assign_top_k) \
    X(code_distances) X(match_norms) X(norm_pooling) X(norm_pooling_gradient) X(place_codes) X(farthest_rows) \
    X(moving_averages) X(restart_averages) X(expire_codes) X(assign_half) X(widen) X(narrow) \
    X(estimate_gradient) X(rows_above) X(take_codes_of_rows) X(put_codes_of_rows) X(fill_codes) \
    X(mean_distances) X(draw_stages) X(extend_beams) X(choose_beams) X(lloyd) X(sample_rows) \
    X(mini_batch_update) X(pack_codes) X(unpack_codes) X(sample_codes) X(linear) X(linear_gradient) X(begin_batch) \
    X(fetch) X(send) X(commit) X(busiest_codes) X(gradients) X(moments_half) X(normalize_half) X(row_norm_half) X(linear_half) \
    X(take_features_half) X(take_rows_half) X(assign_top_k_half) X(sample_codes_half) X(finite_scalar_quantize_half) \
    X(sign_quantize_half)

struct Implementation {
    std::string name;
    Operations operations;
    std::vector<std::vector<unsigned char>> outputs;  // all that was read from its arrays
    std::function<void()> select = [] {};             // chooses it where the library has several

    const Operations* operator->() const { return &operations; }
};

#ifdef VQ4J_TEST_CPU
// The CPU with one of its instruction sets.
inline Implementation cpu(const char* instruction_set, int32_t threads) {
    Implementation on;
    on.name = "cpu, " + std::string(instruction_set) + ", " + std::to_string(threads) + " threads";
    on.select = [=] {
        if (vq4j_cpu_set_instruction_set(instruction_set) != VQ4J_OK || vq4j_cpu_set_threads(threads) != VQ4J_OK) {
            std::printf("%s\n", vq4j_cpu_last_error());
            std::abort();
        }
    };
    on.operations.last_error = vq4j_cpu_last_error;
    on.operations.allocate = vq4j_cpu_allocate;
    on.operations.release = vq4j_cpu_release;
    on.operations.packed_codebook_bytes = vq4j_cpu_packed_codebook_bytes;
    on.operations.submit_batch = vq4j_cpu_submit_batch;
    on.operations.finish_batch = vq4j_cpu_finish_batch;
    on.operations.drop_batch = vq4j_cpu_drop_batch;
#define VQ4J_SET(name) on.operations.name = vq4j_cpu_##name;
    VQ4J_STREAM_OPERATIONS(VQ4J_SET)
#undef VQ4J_SET
    return on;
}
#endif

#ifdef VQ4J_TEST_CUDA
// The function on the default stream.
template <auto function>
struct OnDefaultStream;

template <typename... Parameters, int32_t (*function)(void*, Parameters...)>
struct OnDefaultStream<function> {
    static int32_t call(Parameters... parameters) { return function(nullptr, parameters...); }
};

// The function in a batch of its own, which becomes a graph at once.
template <auto function>
struct InBatch;

template <typename... Parameters, int32_t (*function)(void*, Parameters...)>
struct InBatch<function> {
    static int32_t call(Parameters... parameters) {
        int64_t batch = 0;
        int32_t status = vq4j_cuda_begin_batch(nullptr, &batch);
        if (status != VQ4J_OK) {
            return status;
        }
        status = function(nullptr, parameters...);
        if (status != VQ4J_OK) {
            vq4j_cuda_drop_batch(batch);
            return status;
        }
        status = vq4j_cuda_submit_batch(batch);
        return status != VQ4J_OK ? status : vq4j_cuda_finish_batch(batch);
    }
};

inline Implementation cuda(bool in_batches = false) {
    Implementation on;
    on.name = in_batches ? "cuda, in batches" : "cuda";
    on.operations.last_error = vq4j_cuda_last_error;
    on.operations.allocate = [](int64_t bytes) { return vq4j_cuda_allocate(nullptr, bytes); };
    on.operations.release = [](void* memory) { vq4j_cuda_release(nullptr, memory); };
    on.operations.packed_codebook_bytes = vq4j_cuda_packed_codebook_bytes;
#define VQ4J_SET(name) \
    on.operations.name = in_batches ? InBatch<vq4j_cuda_##name>::call : OnDefaultStream<vq4j_cuda_##name>::call;
    VQ4J_STREAM_OPERATIONS(VQ4J_SET)
#undef VQ4J_SET
    on.operations.begin_batch = OnDefaultStream<vq4j_cuda_begin_batch>::call;
    on.operations.fetch = OnDefaultStream<vq4j_cuda_fetch>::call;
    on.operations.send = OnDefaultStream<vq4j_cuda_send>::call;
    on.operations.submit_batch = vq4j_cuda_submit_batch;
    on.operations.finish_batch = vq4j_cuda_finish_batch;
    on.operations.drop_batch = vq4j_cuda_drop_batch;
    if (in_batches) {
        on.select = [] { vq4j_cuda_set_uses_until_graph(1); };
    }
    return on;
}

// With all codes found the same way: "simt", "mma" or "wgmma".
inline Implementation cuda(const char* assignment, bool in_batches = false) {
    Implementation on = cuda(in_batches);
    on.name += ", " + std::string(assignment);
    on.select = [=, select = on.select] {
        select();
        if (vq4j_cuda_set_assignment(assignment, 0) != VQ4J_OK) {
            std::printf("%s\n", vq4j_cuda_last_error());
            std::abort();
        }
    };
    return on;
}
#endif

inline std::vector<Implementation> implementations() {
    std::vector<Implementation> all;
#ifdef VQ4J_TEST_CPU
    int32_t threads = 0;
    for (const char* const instruction_set : {"portable", "avx2", "avx512", "avx512_vnni", "neon"}) {
        if (vq4j_cpu_set_instruction_set(instruction_set) == VQ4J_OK) {
            all.push_back(cpu(instruction_set, ++threads));
        }
    }
#endif
#ifdef VQ4J_TEST_CUDA
    // VQ4J_TEST_BATCHES=1: every operation in a batch.
    const char* const in_batches = std::getenv("VQ4J_TEST_BATCHES");
    all.push_back(cuda(in_batches != nullptr && std::strcmp(in_batches, "1") == 0));
#endif
    return all;
}

// An array in an implementation's memory, of exactly its size.
template <typename T>
class Array {
public:
    Array(Implementation& on, const std::vector<T>& values) : on_(&on), count_(values.size()) {
        const auto bytes = static_cast<int64_t>(count_ * sizeof(T));
        memory_ = static_cast<T*>(on->allocate(bytes));
        if (memory_ == nullptr || on->copy(memory_, values.data(), bytes) != VQ4J_OK) {
            std::printf("cannot make an array of %lld bytes on %s: %s\n", static_cast<long long>(bytes), on.name.c_str(),
                on->last_error());
            std::abort();
        }
    }
    // For results: filled with a pattern that no result has.
    Array(Implementation& on, int64_t count) : Array(on, pattern(count)) {}
    ~Array() { (*on_)->release(memory_); }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;

    operator T*() const { return memory_; }

    // Copies to the host, and keeps the bytes for the comparison of the implementations.
    std::vector<T> read() const {
        std::vector<T> values(count_);
        const size_t bytes = count_ * sizeof(T);
        if ((*on_)->copy(values.data(), memory_, static_cast<int64_t>(bytes)) != VQ4J_OK) {
            std::printf("cannot read from %s: %s\n", on_->name.c_str(), (*on_)->last_error());
            std::abort();
        }
        std::vector<unsigned char> kept(bytes);
        std::memcpy(kept.data(), values.data(), bytes);
        on_->outputs.push_back(kept);
        return values;
    }

private:
    static std::vector<T> pattern(int64_t count) {
        std::vector<T> values(static_cast<size_t>(count));
        std::memset(values.data(), 0xee, values.size() * sizeof(T));
        return values;
    }

    Implementation* on_;
    size_t count_;
    T* memory_;
};

}  // namespace vq4j::testing

#endif
