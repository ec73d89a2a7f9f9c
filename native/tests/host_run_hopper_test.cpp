// The host run of what only Hopper has (cuda/hopper.cuh): that barriers, bulk copies and wgmma do what the PTX manual
// says, and that breaking their contracts shows.
#include <cmath>
#include <cstring>
#include <random>

#include "core/tensor_filter.hpp"
#include "cuda/half_tiles.cuh"
#include "cuda/hopper.cuh"
#include "host_run_checks.hpp"

namespace host_run_tests {
namespace {

using namespace vq4j;
using tensor_assignment::tile_features;
using tensor_assignment::tile_halves;
using tensor_assignment::tile_lines;

constexpr unsigned warpgroup = 128;

// ---- barriers and bulk copies ------------------------------------------------------------------------------------

struct CopyShared {
    alignas(16) float values[128];
    ByteBarrier barrier;
};

CopyShared& copy_shared() {
    return *reinterpret_cast<CopyShared*>(dynamic_shared_memory());
}

// Two copies by the first thread; every thread reads before and behind its wait.
__global__ void copy_kernel(const float* in, float* before, float* after) {
    CopyShared& shared = copy_shared();
    const unsigned t = threadIdx.x;
    if (t == 0) {
        make_barrier(shared.barrier, 1);
        publish_barriers();
    }
    __syncthreads();
    if (t == 0) {
        arrive_and_expect(shared.barrier, 512);
        copy_bulk(shared.values, in, 256, shared.barrier);
        copy_bulk(shared.values + 64, in + 64, 256, shared.barrier);
        *before = shared.values[127];
    }
    wait_for_phase(shared.barrier, 0);
    after[t] = shared.values[t];
}

struct RingShared {
    alignas(16) int values[2][32];
    ByteBarrier full[2];
    ByteBarrier empty[2];
};

// One warp copies 32 numbers a round into a ring of two stages, two warps add them up.
__global__ void ring_kernel(const int* in, int rounds, int* sums) {
    RingShared& ring = *reinterpret_cast<RingShared*>(dynamic_shared_memory());
    const unsigned t = threadIdx.x;
    if (t == 0) {
        for (int stage = 0; stage < 2; ++stage) {
            make_barrier(ring.full[stage], 1);
            make_barrier(ring.empty[stage], 2);
        }
        publish_barriers();
    }
    __syncthreads();
    int sum = 0;
    for (int round = 0; round < rounds; ++round) {
        const int stage = round % 2;
        const auto parity = static_cast<unsigned>(round / 2 % 2);
        if (t == 64) {
            wait_for_phase(ring.empty[stage], parity ^ 1);
            arrive_and_expect(ring.full[stage], 128);
            copy_bulk(ring.values[stage], in + 32 * round, 128, ring.full[stage]);
        } else if (t < 64) {
            wait_for_phase(ring.full[stage], parity);
            sum += ring.values[stage][t % 32];
            __syncwarp();
            if (t % 32 == 0) {
                arrive(ring.empty[stage]);
            }
        }
    }
    if (t < 64) {
        sums[t] = sum;
    }
}

// What may go wrong with a barrier of one arrival and one copy, for which 32 threads wait.
struct CopyMistake {
    unsigned expected = 64;
    unsigned bytes = 64;
    unsigned parity = 0;
    unsigned skipped_bytes = 0;
    bool is_published = true;
    bool waits = true;
    bool arrives_again = false;
    bool has_barrier = true;
};

__global__ void mistaken_copy_kernel(const float* in, CopyMistake mistake) {
    CopyShared& shared = copy_shared();
    if (threadIdx.x == 0 && mistake.has_barrier) {
        make_barrier(shared.barrier, 1);
    }
    if (threadIdx.x == 0 && mistake.is_published) {
        publish_barriers();
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        arrive_and_expect(shared.barrier, mistake.expected);
        if (mistake.arrives_again) {
            arrive(shared.barrier);
        }
        copy_bulk(reinterpret_cast<unsigned char*>(shared.values) + mistake.skipped_bytes, in, mistake.bytes, shared.barrier);
    }
    if (mistake.waits) {
        wait_for_phase(shared.barrier, mistake.parity);
    }
}

// ---- wgmma -------------------------------------------------------------------------------------------------------

// A tile of rows, of which the group has the second half, and a tile of codes.
struct Tiles {
    uint16_t rows[tile_halves];
    uint16_t codes[tile_halves];
};

struct ProductMistake {
    uint64_t swizzle = 2;  // of both descriptors
    bool is_fenced = true;
    bool writes_in_flight = false;
    bool is_committed = true;
    bool waits = true;
    bool overwrites_rows = false;
    unsigned callers = warpgroup;
};

// sums += rows 64 to 127 of the tile by its 128 codes, over 32 features in two steps.
__global__ void product_kernel(const Tiles* of, float (*sums)[128], float* in_flight, ProductMistake mistake) {
    Tiles& shared = *reinterpret_cast<Tiles*>(dynamic_shared_memory());
    const int t = static_cast<int>(threadIdx.x);
    for (int i = t; i < tile_halves; i += static_cast<int>(warpgroup)) {
        shared.rows[i] = of->rows[i];
        shared.codes[i] = of->codes[i];
    }
    __syncthreads();
    const auto at = [&](int place, int column) -> float& {
        return sums[t / 32 * 16 + t % 32 / 4 + place / 2 * 8][column * 8 + t % 4 * 2 + place % 2];
    };
    GroupSums mine;
    for (int j = 0; j < 16; ++j) {
        for (int place = 0; place < 4; ++place) {
            mine[j][place] = at(place, j);
        }
    }
    if (threadIdx.x >= mistake.callers) {
        return;
    }
    if (mistake.is_fenced) {
        fence_sums(mine);
    }
    const auto descriptor = [&](const uint16_t* begin) {
        return (matrix_in_tile(begin) & ~(uint64_t{3} << 62)) | mistake.swizzle << 62;
    };
    for (int step = 0; step < 2; ++step) {
        multiply_accumulate_group(mine, descriptor(shared.rows + 64 * tile_features + step * 16),
            descriptor(shared.codes + step * 16));
    }
    if (mistake.writes_in_flight) {
        mine[0][0] = 1.0f;
    }
    if (t == 0) {
        *in_flight = mine[15][3];
    }
    if (mistake.is_committed) {
        commit_products();
    }
    if (mistake.overwrites_rows && t == 0) {
        shared.rows[64 * tile_features] ^= 1;
    }
    if (mistake.waits) {
        wait_for_products(mine);
    }
    for (int j = 0; j < 16; ++j) {
        for (int place = 0; place < 4; ++place) {
            at(place, j) = mine[j][place];
        }
    }
}

struct Product {
    std::vector<float> rows, codes;  // 128 x 32
    Tiles tiles;
    float sums[64][128];
};

Product random_product(unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    Product p;
    for (const auto& [numbers, tile] : {std::pair{&p.rows, p.tiles.rows}, {&p.codes, p.tiles.codes}}) {
        for (int line = 0; line < tile_lines; ++line) {
            for (int d = 0; d < tile_features; ++d) {
                const uint16_t half = float16_of_float(normal(generator));
                numbers->push_back(float_of_float16(half));
                // By the definition of the swizzle: bits 4 and 5 of the address, exchanged by bits 7 and 8.
                const int byte = line * 64 + d * 2;
                tile[(byte ^ (byte >> 3 & 0x30)) / 2] = half;
            }
        }
    }
    for (auto& row : p.sums) {
        for (float& sum : row) {
            sum = normal(generator);
        }
    }
    return p;
}

// The largest error of the sums, in units of what is assumed of two steps of 16 terms.
double error_of(const Product& p, const Product& computed) {
    double largest = 0.0;
    for (int i = 0; i < 64; ++i) {
        for (int j = 0; j < 128; ++j) {
            double sum = static_cast<double>(p.sums[i][j]);
            double error = 0.0;
            for (int step = 0; step < 2; ++step) {
                double magnitudes = std::fabs(sum);
                for (int d = step * 16; d < step * 16 + 16; ++d) {
                    const double product = static_cast<double>(p.rows[static_cast<size_t>((64 + i) * tile_features + d)])
                        * static_cast<double>(p.codes[static_cast<size_t>(j * tile_features + d)]);
                    sum += product;
                    magnitudes += std::fabs(product);
                }
                error += tensor_core_error(16) * magnitudes;
            }
            const double of_sum = std::fabs(static_cast<double>(computed.sums[i][j]) - sum) / error;
            largest = std::isnan(of_sum) ? INFINITY : std::fmax(largest, of_sum);
        }
    }
    return largest;
}

struct Computed {
    Product product;
    float in_flight;
};

Computed computed(const Product& p, ProductMistake mistake = {}) {
    Computed result = {p, 0.0f};
    host_run::launch(1, warpgroup, sizeof(Tiles),
        [&] { product_kernel(&result.product.tiles, result.product.sums, &result.in_flight, mistake); });
    return result;
}

// ---- what holds --------------------------------------------------------------------------------------------------

void bulk_copies_are_there_after_the_wait_and_not_before() {
    std::vector<float> in(128);
    for (size_t i = 0; i < in.size(); ++i) {
        in[i] = static_cast<float>(i);
    }
    for (const char* order : orders) {
        host_run::set_order(order);
        float before = 0.0f;
        std::vector<float> after(128);
        host_run::launch(1, 128, sizeof(CopyShared), [&] { copy_kernel(in.data(), &before, after.data()); });
        check(std::isnan(before), "a bulk copy is not there before the wait");
        check(after == in, "bulk copies are there behind the wait");
    }
}

void a_ring_of_stages_keeps_its_rounds_apart() {
    for (const int rounds : {1, 2, 3, 9}) {
        std::vector<int> in(static_cast<size_t>(32 * rounds));
        for (size_t i = 0; i < in.size(); ++i) {
            in[i] = static_cast<int>(i * i);
        }
        for (const char* order : orders) {
            host_run::set_order(order);
            std::vector<int> sums(64);
            host_run::launch(1, 96, sizeof(RingShared), [&] { ring_kernel(in.data(), rounds, sums.data()); });
            bool right = true;
            for (size_t t = 0; t < 64; ++t) {
                int expected = 0;
                for (int round = 0; round < rounds; ++round) {
                    expected += in[static_cast<size_t>(32 * round) + t % 32];
                }
                right = right && sums[t] == expected;
            }
            check(right, "what comes through a ring");
        }
    }
}

void a_warpgroup_multiplies_tiles_and_errs_as_assumed() {
    for (const char* order : orders) {
        host_run::set_order(order);
        const Product p = random_product(3);
        const auto error = [&](const char* rounding) {
            host_run::set_tensor_cores(rounding);
            const Computed result = computed(p);
            check(std::isnan(result.in_flight), "sums in flight are NaNs");
            return error_of(p, result.product);
        };
        check(error("nearest") < 0.1, "the product of tiles, rounded to fp32");
        const double truncated = error("truncated");
        check(truncated > 0.01 && truncated < 1.0, "sums that are cut to 24 bits err within what is assumed");
        const double bound = error("bound:5");
        check(bound > 0.9 && bound <= 1.001, "the largest error that is assumed");
    }
}

void a_descriptor_of_another_swizzle_gives_other_products() {
    host_run::set_order("forward");
    host_run::set_tensor_cores("nearest");
    const Product p = random_product(4);
    for (const uint64_t swizzle : {0, 3}) {
        ProductMistake mistake;
        mistake.swizzle = swizzle;
        check(error_of(p, computed(p, mistake).product) > 100.0, "tiles of another swizzle");
    }
}

void products_that_are_not_committed_are_not_waited_for() {
    ProductMistake mistake;
    mistake.is_committed = false;
    const Product p = random_product(5);
    expect_report("products without a commit",
        [&, of = p]() mutable { float ignored; product_kernel(&of.tiles, of.sums, &ignored, mistake); }, warpgroup,
        sizeof(Tiles), {"products that nobody waited for"});
}

void mistakes_with_copies_are_reported() {
    const std::vector<float> in(64);
    const auto expect = [&](const char* what, CopyMistake mistake, const std::vector<std::string>& parts) {
        expect_report(what, [&] { mistaken_copy_kernel(in.data(), mistake); }, 32, sizeof(CopyShared), parts);
    };
    CopyMistake mistake;
    mistake.expected = 80;
    expect("more bytes announced than come", mistake,
        {"deadlock", "mbarrier.try_wait.parity", "phase 0 misses 0 arrivals and 16 bytes"});
    mistake.expected = 32;
    expect("fewer bytes announced than come", mistake, {"deadlock", "phase 0 misses 0 arrivals and -32 bytes"});
    mistake = {};
    mistake.parity = 1;
    expect("a wait for the other parity, which does not wait", mistake, {"bulk copies that nobody waited for"});
    mistake = {};
    mistake.waits = false;
    expect("no wait", mistake, {"bulk copies that nobody waited for"});
    mistake = {};
    mistake.arrives_again = true;
    expect("an arrival too many", mistake, {"mbarrier.arrive at ", "more arrivals than a phase has"});
    mistake = {};
    mistake.is_published = false;
    expect("a barrier that copies do not know", mistake, {"cp.async.bulk", "not published"});
    mistake = {};
    mistake.has_barrier = false;
    expect("no barrier", mistake, {"mbarrier.arrive.expect_tx", "there is no barrier"});
    mistake = {};
    mistake.skipped_bytes = 8;
    expect("a copy to an odd place", mistake, {"cp.async.bulk", "multiple of 16"});
    mistake = {};
    mistake.bytes = 40;
    expect("a copy of odd length", mistake, {"cp.async.bulk", "multiple of 16 bytes"});
    mistake = {};
    mistake.bytes = 1024;
    expect("a copy beyond shared memory", mistake, {"within shared memory"});
}

void mistakes_with_products_are_reported() {
    const Product p = random_product(6);
    const auto expect = [&](const char* what, ProductMistake mistake, const std::vector<std::string>& parts) {
        Product of = p;
        expect_report(what, [&] { float ignored; product_kernel(&of.tiles, of.sums, &ignored, mistake); }, warpgroup,
            sizeof(Tiles), parts);
    };
    ProductMistake mistake;
    mistake.is_fenced = false;
    expect("sums without a fence", mistake, {"wgmma.mma_async", "after the fence, or there was none"});
    mistake = {};
    mistake.writes_in_flight = true;
    expect("sums written in flight", mistake, {"wgmma.wait_group", "in flight were written"});
    mistake = {};
    mistake.waits = false;
    expect("products without a wait", mistake, {"products that nobody waited for"});
    mistake = {};
    mistake.overwrites_rows = true;
    expect("rows overwritten too early", mistake, {"a matrix changed while it was multiplied"});
    mistake = {};
    mistake.callers = 96;
    expect("three warps of four", mistake, {"deadlock", "wgmma.fence", "32 threads of the warpgroup never call it"});
}

void a_kernel_has_more_shared_memory_where_it_is_allowed() {
    const auto nothing = [] {};
    check(!host_run::launch(1, 32, 49153, nothing), "more than 48 KiB of dynamic shared memory");
    check(host_run::launch(1, 32, 49153, nothing, 49153), "more than 48 KiB, allowed");
    const void* const kernel = reinterpret_cast<const void*>(ring_kernel);
    const auto allow = [&](int bytes) {
        return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes) == cudaSuccess;
    };
    check(host_run::shared_limit(kernel) == 49152, "48 KiB for every kernel");
    check(allow(227 << 10) && !allow((227 << 10) + 1), "at most 227 KiB");
    check(host_run::shared_limit(kernel) == 227 << 10, "as it was before the error");
}

}  // namespace
}  // namespace host_run_tests

int main() {
    using namespace host_run_tests;
    bulk_copies_are_there_after_the_wait_and_not_before();
    a_ring_of_stages_keeps_its_rounds_apart();
    a_warpgroup_multiplies_tiles_and_errs_as_assumed();
    a_descriptor_of_another_swizzle_gives_other_products();
    a_kernel_has_more_shared_memory_where_it_is_allowed();
    host_run::set_order("forward");
    products_that_are_not_committed_are_not_waited_for();
    mistakes_with_copies_are_reported();
    mistakes_with_products_are_reported();
    if (failures == 0) {
        std::printf("host run of Hopper: all checks hold\n");
    }
    return failures == 0 ? 0 : 1;
}
