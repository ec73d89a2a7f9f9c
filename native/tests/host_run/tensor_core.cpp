// Tensor cores on the host. The order and the rounding of their sums are not specified: the emulation computes exactly and
// then errs, as set_tensor_cores says.
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <stdexcept>

#include "core/tensor_filter.hpp"
#include "cuda_runtime.h"
#include "tensor_core.hpp"

namespace host_run {
namespace {

constexpr int rows = 16;
constexpr int columns = 8;
constexpr int lanes = 32;

TensorCores tensor_cores;
bool is_set;
std::mutex setting;

void parse(const std::string& text) {
    const std::string bound = "bound:";
    if (text == "nearest") {
        tensor_cores = {Rounding::nearest, 0};
    } else if (text == "truncated") {
        tensor_cores = {Rounding::truncated, 0};
    } else if (text.compare(0, bound.size(), bound) == 0 && text.size() > bound.size()
               && text.find_first_not_of("0123456789", bound.size()) == std::string::npos) {
        tensor_cores = {Rounding::bound, std::stoull(text.substr(bound.size()))};
    } else {
        throw std::invalid_argument("need a rounding of nearest, truncated or bound:SEED, got " + text);
    }
    is_set = true;
}

uint64_t mixed(uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

// c + the products, off by as much as is assumed possible. `place` decides upwards or downwards, so that all products of one
// score err alike.
float off_by_the_bound(double c, const double* products, int count, uint64_t place) {
    double sum = c;
    double magnitudes = std::fabs(c);
    for (int i = 0; i < count; ++i) {
        sum += products[i];
        magnitudes += std::fabs(products[i]);
    }
    const double most = vq4j::tensor_core_error(count) * magnitudes;
    const double target = (mixed(place) & 1u) != 0 ? sum + most : sum - most;
    float result = static_cast<float>(target);
    while (std::fabs(static_cast<double>(result) - sum) > most) {
        result = std::nextafter(result, static_cast<float>(sum));
    }
    return result;
}

// Four products at a time and the sum are cut to 24 bits of the largest of them, and so is what they sum up to.
float truncated(double c, const double* products, int count) {
    const auto cut = [](double value, int exponent) { return std::ldexp(std::trunc(std::ldexp(value, 23 - exponent)), exponent - 23); };
    for (int first = 0; first < count; first += 4) {
        double largest = std::fabs(c);
        for (int i = first; i < first + 4; ++i) {
            largest = std::fmax(largest, std::fabs(products[i]));
        }
        if (largest == 0.0) {
            continue;
        }
        double sum = cut(c, std::ilogb(largest));
        for (int i = first; i < first + 4; ++i) {
            sum += cut(products[i], std::ilogb(largest));
        }
        c = sum == 0.0 ? 0.0 : cut(sum, std::ilogb(sum));
    }
    return static_cast<float>(c);
}

}  // namespace

TensorCores in_use() {
    const std::lock_guard<std::mutex> lock(setting);
    if (!is_set) {
        const char* text = std::getenv("VQ4J_HOST_RUN_TENSOR_CORES");
        parse(text != nullptr ? text : "bound:1");
    }
    return tensor_cores;
}

float sum_of_products(TensorCores cores, float c, const double* products, int count, uint64_t place) {
    const double start = static_cast<double>(c);
    switch (cores.rounding) {
        case Rounding::truncated: return truncated(start, products, count);
        case Rounding::bound: return off_by_the_bound(start, products, count, cores.seed << 44 ^ place);
        case Rounding::nearest: break;
    }
    return static_cast<float>(std::accumulate(products, products + count, start));
}

namespace {

struct Operands {
    int k;
    float* sums;
    const uint32_t* a;
    const uint32_t* b;
};

double half_of(const uint32_t* registers, int half) {
    const uint32_t both = registers[half / 2];
    return static_cast<double>(vq4j::float_of_float16(static_cast<uint16_t>(half % 2 == 0 ? both : both >> 16)));
}

void multiply(void* const* of_lanes) {
    const TensorCores cores = in_use();
    const auto lane = [&](int i) -> const Operands& { return *static_cast<const Operands*>(of_lanes[i]); };
    const int k = lane(0).k;
    double a[rows][16];
    double b[16][columns];
    for (int i = 0; i < lanes; ++i) {
        // A register holds two neighbours along k. a: rows i / 4 and 8 below it, then the next 8 along k. b: the same, of
        // one column.
        for (int half = 0; half < k / 2; ++half) {
            const int along = i % 4 * 2 + half % 2 + half / 4 * 8;
            a[i / 4 + half / 2 % 2 * 8][along] = half_of(lane(i).a, half);
        }
        for (int half = 0; half < k / 4; ++half) {
            b[i % 4 * 2 + half % 2 + half / 2 * 8][i / 4] = half_of(lane(i).b, half);
        }
    }
    for (int i = 0; i < lanes; ++i) {
        for (int place = 0; place < 4; ++place) {
            const int row = i / 4 + place / 2 * 8;
            const int column = i % 4 * 2 + place % 2;
            double products[16];
            for (int d = 0; d < k; ++d) {
                products[d] = a[row][d] * b[d][column];
            }
            float& sum = lane(i).sums[place];
            // A thread's sums have the same places in its stack in every block.
            const uint64_t in_stack = reinterpret_cast<uintptr_t>(&sum) & 0xfffu;
            sum = sum_of_products(cores, sum, products, k,
                uint64_t{blockIdx.x} << 20 ^ in_stack << 8 ^ static_cast<uint64_t>(i));
        }
    }
}

struct Matrices {
    const uint16_t* row;
    uint32_t* registers;
};

void load(void* const* of_lanes) {
    const auto lane = [&](int i) -> const Matrices& { return *static_cast<const Matrices*>(of_lanes[i]); };
    for (int i = 0; i < lanes; ++i) {
        for (int matrix = 0; matrix < 4; ++matrix) {
            std::memcpy(&lane(i).registers[matrix], lane(matrix * 8 + i / 4).row + i % 4 * 2, 4);
        }
    }
}

constexpr unsigned whole_warp = 0xffffffffu;

}  // namespace

void set_tensor_cores(const std::string& text) {
    const std::lock_guard<std::mutex> lock(setting);
    parse(text);
}

void load_matrices(Place place, const void* row, uint32_t (&registers)[4]) {
    require_aligned(place, row);
    Matrices mine = {static_cast<const uint16_t*>(row), registers};
    warp_collective(place, whole_warp, {reinterpret_cast<uint64_t>(&mine), -1, load});
}

void multiply_accumulate(Place place, int k, float (&sums)[4], const uint32_t* a, const uint32_t* b) {
    Operands mine = {k, sums, a, b};
    warp_collective(place, whole_warp, {reinterpret_cast<uint64_t>(&mine), -1, multiply});
}

}  // namespace host_run
