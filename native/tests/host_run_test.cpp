// The host run of CUDA kernels itself: that it computes what a GPU computes, and that it shows the mistakes it is for.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/tensor_filter.hpp"
#include "cuda/tensor_core.cuh"
#include "host_run_checks.hpp"

namespace host_run_tests {
namespace {

// ---- kernels ---------------------------------------------------------------------------------------------------

// Reverses each block's part; without the barrier a thread reads what its neighbour may not have written.
__global__ void reverse_kernel(const float* in, float* out, bool with_barrier) {
    __shared__ float tile[64];
    const unsigned t = threadIdx.x;
    tile[t] = in[blockIdx.x * 64 + t];
    if (with_barrier) {
        __syncthreads();
    }
    out[blockIdx.x * 64 + t] = tile[63 - t];
}

// A tree sum with a barrier a level.
__global__ void sum_kernel(const int* in, int* out) {
    __shared__ int part[256];
    const unsigned t = threadIdx.y * blockDim.x + threadIdx.x;
    part[t] = in[t];
    __syncthreads();
    for (unsigned width = 128; width > 0; width /= 2) {
        if (t < width) {
            part[t] += part[t + width];
        }
        __syncthreads();
    }
    out[t] = part[0];
}

// The index of the smallest value of each warp, the lowest on ties.
__global__ void warp_argmin_kernel(const float* values, int* index) {
    float best = values[blockIdx.x * blockDim.x + threadIdx.x];
    int best_lane = static_cast<int>(threadIdx.x % 32);
    for (int step = 16; step > 0; step /= 2) {
        const float other = __shfl_xor_sync(0xffffffffu, best, step);
        const int other_lane = __shfl_xor_sync(0xffffffffu, best_lane, step);
        if (other < best || (other == best && other_lane < best_lane)) {
            best = other;
            best_lane = other_lane;
        }
    }
    index[blockIdx.x * blockDim.x + threadIdx.x] = best_lane;
}

__global__ void shuffle_kernel(double* up, long long* down, unsigned* from_five, unsigned* odd_lanes, int* votes) {
    const unsigned t = threadIdx.x;
    up[t] = __shfl_up_sync(0xffffffffu, 0.5 * t, 3);
    down[t] = __shfl_down_sync(0xffffffffu, static_cast<long long>(t) << 40, 3);
    from_five[t] = __shfl_sync(0xffffffffu, t, 5);
    odd_lanes[t] = __ballot_sync(0xffffffffu, t % 2);
    if (t < 8) {
        votes[t] = __any_sync(0xffu, t == 3) + 2 * __all_sync(0xffu, t < 8) + 4 * __any_sync(0xffu, 0)
            + 8 * __all_sync(0xffu, t != 3);
    }
}

// The lanes of the lower half that have the same value, and how many they are.
__global__ void match_kernel(const int* values, unsigned* same, int* count) {
    const unsigned t = threadIdx.x;
    if (t < 16) {
        same[t] = __match_any_sync(0xffffu, values[t]);
        count[t] = __popc(same[t]);
    }
}

__global__ void read_unwritten_kernel(float* out) {
    __shared__ float tile[32];
    float* dynamic = static_cast<float*>(host_run::dynamic_shared());
    out[2 * blockIdx.x] = tile[7];
    out[2 * blockIdx.x + 1] = dynamic[7];
    tile[7] = 1.0f;
    dynamic[7] = 1.0f;
}

__global__ void atomic_kernel(int* sum, unsigned long long* wide_sum, long long* least, unsigned* greatest) {
    const unsigned n = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(sum, 1);
    atomicAdd(wide_sum, 1ull << 33);
    atomicMin(least, -static_cast<long long>(n));
    atomicMax(greatest, n);
}

// The threads write their numbers in the order in which they run.
__global__ void order_kernel(unsigned* next, unsigned* sequence) {
    sequence[(*next)++] = blockIdx.x * blockDim.x + threadIdx.x;
}

__global__ void early_exit_kernel() {
    if (threadIdx.x == 5) {
        return;
    }
    __syncthreads();
}

__global__ void divergent_barriers_kernel() {
    if (threadIdx.x < 32) {
        __syncthreads();
    } else {
        __syncthreads();
    }
}

__global__ void absent_lane_kernel(int* out) {
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, static_cast<int>(threadIdx.x), 1);
}

__global__ void foreign_mask_kernel() {
    __syncwarp(threadIdx.x < 16 ? 0x0000ffffu : 0x0000ffffu);
}

__global__ void different_masks_kernel() {
    __syncwarp(threadIdx.x < 16 ? 0xffffffffu : 0xffff0000u);
}

__global__ void unnamed_source_kernel(int* out) {
    if (threadIdx.x < 8) {
        out[threadIdx.x] = __shfl_sync(0xffu, static_cast<int>(threadIdx.x), 9);
    }
}

// ---- tensor cores and asynchronous copies ----------------------------------------------------------------------

struct Product {
    uint16_t a[16][16];  // rows x terms
    uint16_t b[8][16];   // columns x terms
    float sums[16][8];
};

// sums += a b by one warp, in one step of 16 terms or two of 8.
__global__ void product_kernel(Product* of, bool in_two_steps) {
    alignas(16) __shared__ uint16_t a[16][16];
    alignas(16) __shared__ uint16_t b[16][16];
    const int t = static_cast<int>(threadIdx.x);
    for (int e = t; e < 256; e += 32) {
        a[e / 16][e % 16] = of->a[e / 16][e % 16];
        b[e / 16][e % 16] = e < 128 ? of->b[e / 16][e % 16] : static_cast<uint16_t>(0);
    }
    __syncwarp();
    uint32_t of_a[4];
    uint32_t of_b[4];
    vq4j::load_matrices(of_a, &a[t % 16][t / 16 * 8]);
    vq4j::load_matrices(of_b, &b[t % 8 + t / 16 * 8][t / 8 % 2 * 8]);
    float sums[4];
    for (int i = 0; i < 4; ++i) {
        sums[i] = of->sums[t / 4 + i / 2 * 8][t % 4 * 2 + i % 2];
    }
    if (in_two_steps) {
        vq4j::multiply_accumulate_8(sums, of_a, of_b);
        vq4j::multiply_accumulate_8(sums, of_a + 2, of_b + 1);
    } else {
        vq4j::multiply_accumulate_16(sums, of_a, of_b);
    }
    for (int i = 0; i < 4; ++i) {
        of->sums[t / 4 + i / 2 * 8][t % 4 * 2 + i % 2] = sums[i];
    }
}

// Each thread copies 4 floats in one group and 4 in a second, and waits for the first.
__global__ void copy_kernel(const float* in, float* before, float* after_first, float* after_all) {
    alignas(16) __shared__ float copied[2][32][4];
    const int t = static_cast<int>(threadIdx.x);
    for (int group = 0; group < 2; ++group) {
        vq4j::copy_async(copied[group][t], in + (group * 32 + t) * 4);
        vq4j::commit_copies();
    }
    before[t] = copied[0][t][3];
    vq4j::wait_for_copies<1>();
    after_first[2 * t] = copied[0][t][3];
    after_first[2 * t + 1] = copied[1][t][0];
    vq4j::wait_for_copies<0>();
    after_all[t] = copied[1][t][0];
}

__global__ void copy_without_wait_kernel(const float* in) {
    alignas(16) __shared__ float copied[32][4];
    vq4j::copy_async(copied[threadIdx.x], in + 4 * threadIdx.x);
    vq4j::commit_copies();
}

__global__ void half_a_warp_kernel() {
    alignas(16) __shared__ uint16_t matrix[8][8];
    if (threadIdx.x < 16) {
        uint32_t registers[4];
        vq4j::load_matrices(registers, matrix[threadIdx.x % 8]);
    }
}

__global__ void unaligned_copy_kernel(const float* in) {
    alignas(16) __shared__ float copied[8];
    vq4j::copy_async(copied + 1, in);
}

// ---- what holds ------------------------------------------------------------------------------------------------

void barriers_separate_writes_from_reads_in_every_order() {
    std::vector<float> in(192);
    for (size_t i = 0; i < in.size(); ++i) {
        in[i] = static_cast<float>(i);
    }
    for (const char* order : orders) {
        host_run::set_order(order);
        std::vector<float> out(in.size());
        host_run::launch(3, 64, 0, [&] { reverse_kernel(in.data(), out.data(), true); });
        bool right = true;
        for (size_t i = 0; i < in.size(); ++i) {
            right = right && out[i] == in[i / 64 * 64 + 63 - i % 64];
        }
        check(right, "a barrier between writing and reading gives the right values");

        std::vector<int> numbers(256), sums(256);
        for (int i = 0; i < 256; ++i) {
            numbers[static_cast<size_t>(i)] = i * i;
        }
        host_run::launch(1, dim3(64, 4), 0, [&] { sum_kernel(numbers.data(), sums.data()); });
        check(sums[0] == 255 * 256 * 511 / 6 && sums[255] == sums[0], "a tree sum over a two-dimensional block");
    }
}

void a_missing_barrier_shows() {
    const std::vector<float> in(64, 1.0f);
    std::vector<std::vector<float>> results;
    for (const char* order : orders) {
        host_run::set_order(order);
        std::vector<float> out(64);
        host_run::launch(1, 64, 0, [&] { reverse_kernel(in.data(), out.data(), false); });
        results.push_back(out);
    }
    check(std::isnan(results[0][0]) && !std::isnan(results[0][63]), "forward order: the first thread reads poison");
    check(!std::isnan(results[1][0]) && std::isnan(results[1][63]), "reverse order: the last thread reads poison");
}

void shared_memory_is_poisoned_in_every_block() {
    std::vector<float> out(6, 0.0f);
    host_run::launch(3, 1, 32 * sizeof(float), [&] { read_unwritten_kernel(out.data()); });
    for (const float value : out) {
        check(std::isnan(value), "shared memory holds NaNs at the start of a block");
    }
    float* fresh = nullptr;
    check(cudaMalloc(&fresh, 5 * sizeof(float)) == cudaSuccess && std::isnan(fresh[4]), "device memory starts as NaNs");
    cudaFree(fresh);
}

void warp_collectives_exchange_values() {
    std::vector<float> values(128);
    for (size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>((i * 37 + 11) % 16);  // each twice in a warp
    }
    for (const char* order : orders) {
        host_run::set_order(order);
        std::vector<int> index(128);
        host_run::launch(2, 64, 0, [&] { warp_argmin_kernel(values.data(), index.data()); });
        for (size_t i = 0; i < 128; ++i) {
            size_t best = i / 32 * 32;
            for (size_t j = best; j < i / 32 * 32 + 32; ++j) {
                best = values[j] < values[best] ? j : best;
            }
            check(index[i] == static_cast<int>(best % 32), "warp argmin, the lowest lane on ties");
        }

        std::vector<double> up(32);
        std::vector<long long> down(32);
        std::vector<unsigned> from_five(32), odd_lanes(32);
        std::vector<int> votes(8);
        host_run::launch(1, 32, 0,
            [&] { shuffle_kernel(up.data(), down.data(), from_five.data(), odd_lanes.data(), votes.data()); });
        for (size_t t = 0; t < 32; ++t) {
            check(up[t] == 0.5 * static_cast<double>(t < 3 ? t : t - 3), "shuffle up of doubles");
            check(down[t] == static_cast<long long>(t > 28 ? t : t + 3) << 40, "shuffle down of 64-bit integers");
            check(from_five[t] == 5 && odd_lanes[t] == 0xaaaaaaaau, "shuffle from one lane, ballot");
            check(t >= 8 || votes[t] == 3, "votes among the lanes of a partial mask");
        }
    }
}

Product random_product(unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    Product p;
    const auto draw = [&](uint16_t& half) { half = vq4j::float16_of_float(normal(generator)); };
    for (int k = 0; k < 16; ++k) {
        for (int i = 0; i < 16; ++i) {
            draw(p.a[i][k]);
        }
        for (int j = 0; j < 8; ++j) {
            draw(p.b[j][k]);
        }
    }
    for (auto& row : p.sums) {
        for (float& sum : row) {
            sum = normal(generator);
        }
    }
    return p;
}

// The largest error of the sums, in units of what core/tensor_filter.hpp assumes of tensor cores.
double error_of_product(const Product& p, const Product& computed) {
    double largest = 0.0;
    for (int i = 0; i < 16; ++i) {
        for (int j = 0; j < 8; ++j) {
            double sum = static_cast<double>(p.sums[i][j]);
            double magnitudes = std::fabs(sum);
            for (int k = 0; k < 16; ++k) {
                const double product = static_cast<double>(vq4j::float_of_float16(p.a[i][k]))
                    * static_cast<double>(vq4j::float_of_float16(p.b[j][k]));
                sum += product;
                magnitudes += std::fabs(product);
            }
            const double error = std::fabs(static_cast<double>(computed.sums[i][j]) - sum);
            largest = std::fmax(largest, error / (vq4j::tensor_core_error(16) * magnitudes));
        }
    }
    return largest;
}

void tensor_cores_multiply_and_err_as_assumed() {
    for (const char* order : orders) {
        host_run::set_order(order);
        for (unsigned seed = 1; seed < 9; ++seed) {
            const Product p = random_product(seed);
            const auto error = [&](const char* rounding, bool in_two_steps) {
                host_run::set_tensor_cores(rounding);
                Product computed = p;
                host_run::launch(1, 32, 0, [&] { product_kernel(&computed, in_two_steps); });
                return error_of_product(p, computed);
            };
            for (const bool in_two_steps : {false, true}) {
                check(error("nearest", in_two_steps) < 0.1, "the product of fp16 matrices, rounded to fp32");
                const double truncated = error("truncated", in_two_steps);
                check(truncated > 0.02 && truncated < 1.0, "sums that are cut to 24 bits err within what is assumed");
                const double bound = error("bound:5", in_two_steps);
                check(bound > (in_two_steps ? 0.6 : 0.9) && bound <= 1.0001, "the largest error that is assumed");
            }
        }
    }
    bool rejected = false;
    try {
        host_run::set_tensor_cores("bound:");
    } catch (const std::invalid_argument& failure) {
        rejected = contains(failure.what(), "bound:");
    }
    check(rejected, "an unknown rounding is an error that names it");
}

void asynchronous_copies_are_there_after_the_wait_and_not_before() {
    std::vector<float> in(256);
    for (size_t i = 0; i < in.size(); ++i) {
        in[i] = static_cast<float>(i);
    }
    for (const char* order : orders) {
        host_run::set_order(order);
        std::vector<float> before(32), after_first(64), after_all(32);
        host_run::launch(1, 32, 0,
            [&] { copy_kernel(in.data(), before.data(), after_first.data(), after_all.data()); });
        for (size_t t = 0; t < 32; ++t) {
            check(std::isnan(before[t]), "nothing is there before the wait");
            check(after_first[2 * t] == in[4 * t + 3] && std::isnan(after_first[2 * t + 1]),
                "a wait for all groups but one copies the first");
            check(after_all[t] == in[128 + 4 * t], "a wait for all copies all");
        }
    }
}

void lanes_of_equal_values_find_one_another() {
    const std::vector<int> values = {3, 1, 3, 7, 1, 3, 0, 7, 9, 9, 9, 9, -1, 2, -1, 3};
    for (const char* order : orders) {
        host_run::set_order(order);
        std::vector<unsigned> same(16);
        std::vector<int> count(16);
        host_run::launch(1, 32, 0, [&] { match_kernel(values.data(), same.data(), count.data()); });
        for (size_t i = 0; i < 16; ++i) {
            unsigned expected = 0;
            int of_value = 0;
            for (size_t j = 0; j < 16; ++j) {
                expected |= values[j] == values[i] ? 1u << j : 0u;
                of_value += values[j] == values[i] ? 1 : 0;
            }
            check(same[i] == expected && count[i] == of_value, "lanes of equal values");
        }
    }
}

void write_kernel(int* to, int value) {
    if (threadIdx.x == 0) {
        *to = value;
    }
}

void a_graph_runs_when_it_is_waited_for_with_the_values_of_its_launch() {
    int value = 1;
    int result = 0;
    int* to = &result;
    void* arguments[] = {&to, &value};
    host_run::know(write_kernel);
    cudaKernelNodeParams parameters = {};
    parameters.func = reinterpret_cast<void*>(write_kernel);
    parameters.gridDim = parameters.blockDim = dim3(1);
    parameters.kernelParams = arguments;
    cudaGraph_t graph = nullptr;
    cudaGraphNode_t node = nullptr;
    cudaGraphExec_t executable = nullptr;
    cudaGraphCreate(&graph, 0);
    cudaGraphAddKernelNode(&node, graph, nullptr, 0, &parameters);
    check(cudaGraphAddKernelNode(&node, graph, nullptr, 0, &parameters) == cudaErrorInvalidValue,
        "a node that follows none is refused");
    cudaGraphInstantiate(&executable, graph, 0);
    cudaGraphLaunch(executable, nullptr);
    check(result == 0, "a graph does not run before it is waited for");
    int other = 5;
    to = &other;
    cudaGraphExecKernelNodeSetParams(executable, node, &parameters);
    cudaStreamSynchronize(nullptr);
    check(result == 1 && other == 5, "a launch keeps the values that it was made with");
    cudaGraphLaunch(executable, nullptr);
    cudaStreamSynchronize(nullptr);
    check(other == 1, "the next launch has the new ones");
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
}

void integer_atomics_count() {
    int sum = 0;
    unsigned long long wide_sum = 0;
    long long least = 0;
    unsigned greatest = 0;
    host_run::launch(4, 96, 0, [&] { atomic_kernel(&sum, &wide_sum, &least, &greatest); });
    check(sum == 384 && wide_sum == 384ull << 33 && least == -383 && greatest == 383, "atomics");
}

void orders_are_kept_and_random_ones_repeat() {
    std::vector<std::vector<unsigned>> sequences;
    for (const char* order : {"forward", "reverse", "random:7", "random:7", "random:8"}) {
        host_run::set_order(order);
        unsigned next = 0;
        std::vector<unsigned> sequence(96);
        host_run::launch(3, 32, 0, [&] { order_kernel(&next, sequence.data()); });
        sequences.push_back(sequence);
    }
    for (unsigned i = 0; i < 96; ++i) {
        check(sequences[0][i] == i && sequences[1][i] == 95 - i, "forward and reverse order");
    }
    check(sequences[2] == sequences[3] && sequences[2] != sequences[4], "a random order depends on its seed alone");
    bool rejected = false;
    try {
        host_run::set_order("sideways");
    } catch (const std::invalid_argument& failure) {
        rejected = contains(failure.what(), "sideways");
    }
    check(rejected, "an unknown order is an error that names it");
}

void host_threads_may_launch_at_once() {
    host_run::set_order("forward");
    std::vector<float> in(64, 2.0f);
    std::vector<std::vector<float>> outs(4, std::vector<float>(64));
    std::vector<std::thread> workers;
    for (std::vector<float>& out : outs) {
        workers.emplace_back([&] {
            for (int round = 0; round < 20; ++round) {
                host_run::launch(1, 64, 0, [&] { reverse_kernel(in.data(), out.data(), true); });
            }
        });
    }
    for (std::thread& worker : workers) {
        worker.join();
    }
    for (const std::vector<float>& out : outs) {
        check(out == in, "launches from several host threads");
    }
}

void launches_beyond_the_limits_are_refused() {
    const auto nothing = [] {};
    check(!host_run::launch(0, 32, 0, nothing), "an empty grid");
    check(!host_run::launch(1, dim3(1024, 2), 0, nothing), "more than 1024 threads in a block");
    check(!host_run::launch(dim3(1, 65536), 1, 0, nothing), "too many blocks in y");
    check(!host_run::launch(1, 32, 49153, nothing), "more than 48 KiB of dynamic shared memory");
}

// ---- what is reported ------------------------------------------------------------------------------------------

void mistakes_are_reported() {
    std::vector<int> out(32);
    const auto expect = [](const char* what, const std::function<void()>& kernel, unsigned threads,
                            const std::vector<std::string>& parts) { expect_report(what, kernel, threads, 0, parts); };
    expect("a thread that ends before a barrier", [] { early_exit_kernel(); }, 64,
        {"block (0, 0, 0)", "deadlock", "__syncthreads at ", "thread (5, 0, 0) never reaches it", "it has ended"});
    expect("two barriers at once", [] { divergent_barriers_kernel(); }, 64, {"divergent barriers"});
    expect("a mask beyond the block", [&] { absent_lane_kernel(out.data()); }, 8,
        {"deadlock", "__shfl_xor_sync", "lanes that the block does not have"});
    expect("a lane outside its mask", [] { foreign_mask_kernel(); }, 32,
        {"__syncwarp", "0x0000ffff", "does not name the calling lane"});
    expect("lanes with different masks", [] { different_masks_kernel(); }, 32, {"0xffff0000", "meets"});
    const std::vector<float> in(128);
    expect("a copy that nobody waits for", [&] { copy_without_wait_kernel(in.data()); }, 32,
        {"ends with asynchronous copies"});
    expect("an unaligned copy", [&] { unaligned_copy_kernel(in.data()); }, 1, {"cp.async", "multiple of 16"});
    expect("matrices loaded by half a warp", [] { half_a_warp_kernel(); }, 32,
        {"deadlock", "ldmatrix", "thread (16, 0, 0) never reaches it"});
    expect("a shuffle from outside the mask", [&] { unnamed_source_kernel(out.data()); }, 32, {"reads lane 9"});
}

}  // namespace
}  // namespace host_run_tests

int main() {
    using namespace host_run_tests;
    barriers_separate_writes_from_reads_in_every_order();
    a_missing_barrier_shows();
    shared_memory_is_poisoned_in_every_block();
    warp_collectives_exchange_values();
    tensor_cores_multiply_and_err_as_assumed();
    asynchronous_copies_are_there_after_the_wait_and_not_before();
    lanes_of_equal_values_find_one_another();
    a_graph_runs_when_it_is_waited_for_with_the_values_of_its_launch();
    integer_atomics_count();
    orders_are_kept_and_random_ones_repeat();
    host_threads_may_launch_at_once();
    launches_beyond_the_limits_are_refused();
    host_run::set_order("forward");
    mistakes_are_reported();
    if (failures == 0) {
        std::printf("host run: all checks hold\n");
    }
    return failures == 0 ? 0 : 1;
}
