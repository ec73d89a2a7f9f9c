// The filter of the tensor cores by itself: its bounds against canonical scores, by a search for pairs of a row and a code
// that break them; and its kernel on the host run, whose tensor cores err as much as they may: which rows it decides, that
// it decides them right, and which it leaves open.
#include "assignment.hpp"
#include "core/tensor_filter.hpp"
#include "cuda/tensor_assign.cuh"
#include "vq4j/cuda.h"

namespace vq4j::testing {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool is_short_run = true;
#else
constexpr bool is_short_run = false;
#endif

std::mt19937 generator(1);

float draw(std::initializer_list<float> values) {
    return values.begin()[generator() % values.size()];
}

bool coin() {
    return generator() % 2 == 0;
}

// ---- bounds ----------------------------------------------------------------------------------------------------

float length_of(const Floats& vector) {
    float squares = 0.0f;
    for (const float value : vector) {
        squares = std::fmaf(value, value, squares);
    }
    return distance_from_above(squares, score_slack(static_cast<int64_t>(vector.size())));
}

struct RoundedVector {
    Doubles halves;  // scaled
    float residual_squares;
};

RoundedVector rounded(const Floats& vector, HalfScale scale) {
    RoundedVector result = {{}, 0.0f};
    for (const float value : vector) {
        const uint16_t half = filter_half(value, scale);
        const float residual = filter_residual(value, half, scale);
        result.halves.push_back(static_cast<double>(float_of_float16(half)));
        result.residual_squares = std::fmaf(residual, residual, result.residual_squares);
    }
    return result;
}

// The largest error of a filter's score of a row and a code, both centred, as a part of its bound; 0 without a bound.
// Tensor cores err upwards or downwards in every step by what is assumed of them.
double used_part_of_bound(const Floats& row, const Floats& code, float radius_factor) {
    const auto features = static_cast<int64_t>(row.size());
    const float code_length = length_of(code);
    const float radius = code_length * radius_factor;
    const HalfScale row_scale = half_scale(length_of(row));
    const HalfScale code_scale = half_scale(radius);
    const RoundedVector a = rounded(row, row_scale);
    const RoundedVector b = rounded(code, code_scale);
    const RowTerms of_row = row_terms(length_of(row), a.residual_squares, row_scale, code_scale, radius, features);
    if (of_row.up == 0.0f) {
        return 0.0;
    }
    float squared = 0.0f;
    for (const float value : code) {
        squared = std::fmaf(value, value, squared);
    }
    const float h = 0.5f * squared;
    float score = -h;
    for (size_t d = 0; d < row.size(); ++d) {
        score = std::fmaf(row[d], code[d], score);
    }
    const double canonical = static_cast<double>(score) * static_cast<double>(of_row.up);
    const double doubt = static_cast<double>(
        filter_doubt(of_row, code_terms(code_length, b.residual_squares, features), h, filter_slack(features)));

    double largest = 0.0;
    for (const double direction : {-1.0, 1.0}) {
        double sum = static_cast<double>(-h * of_row.up);
        for (size_t first = 0; first < static_cast<size_t>(filter_width(features)); first += 16) {
            double magnitudes = std::fabs(sum);
            for (size_t d = first; d < std::min(first + 16, row.size()); ++d) {
                const double product = a.halves[d] * b.halves[d];
                sum += product;
                magnitudes += std::fabs(product);
            }
            sum += direction * tensor_core_error(16) * magnitudes;
        }
        largest = std::max(largest, std::fabs(sum - canonical) / doubt);
    }
    return largest;
}

// A number whose rounding to fp16 loses as much as one can, or a plain one.
float hard_number(float magnitude) {
    const float sign = coin() ? 1.0f : -1.0f;
    switch (generator() % 4) {
        case 0: return sign * magnitude * (1.0f + 0x1p-11f);          // halfway, rounded down
        case 1: return sign * magnitude * (1.0f + 3 * 0x1p-11f);      // halfway, rounded up
        case 2: return sign * magnitude * (1.0f + 0x1p-11f - 0x1p-23f);
        default: return magnitude * std::normal_distribution<float>()(generator);
    }
}

Floats hard_vector(int64_t features, float magnitude) {
    Floats vector(static_cast<size_t>(features));
    const float spread = draw({1.0f, 1.0f, 0.125f, 0x1p-14f, 0x1p-30f});
    for (float& value : vector) {
        value = hard_number(magnitude * (coin() ? 1.0f : spread));
    }
    return vector;
}

void no_pair_breaks_its_bound() {
    context = "no pair breaks its bound";
    double largest = 0.0;
    double largest_of_offset = 0.0;
    for (int round = 0; round < (is_short_run ? 40 : 400); ++round) {
        const auto features = static_cast<int64_t>(draw({1, 2, 3, 8, 16, 17, 32, 33, 64, 100, 256, 1000}));
        Floats row = hard_vector(features, draw({1.0f, 1.0f, 100.0f, 1e-8f, 1e-20f, 1e10f, 3e17f}));
        Floats code = hard_vector(features, draw({1.0f, 1.0f, 100.0f, 1e-8f, 1e-20f, 1e10f, 3e17f}));
        const float radius_factor = draw({1.0f, 1.0f, 1.5f, 64.0f, 1e6f, 1e9f});
        // Climbs: a change of some numbers stays where it brings the error nearer to its bound.
        double used = used_part_of_bound(row, code, radius_factor);
        for (int step = 0; step < 40; ++step) {
            Floats& vector = coin() ? row : code;
            const Floats before = vector;
            const float magnitude = std::fabs(vector[generator() % vector.size()]);
            const size_t changed = 1 + generator() % vector.size();
            for (size_t i = 0; i < changed; ++i) {
                float& value = vector[generator() % vector.size()];
                value = coin() ? -value : hard_number(magnitude);
            }
            const double after = used_part_of_bound(row, code, radius_factor);
            if (after >= used) {
                used = after;
            } else {
                vector = before;
            }
        }
        largest = std::max(largest, used);
        if (!(used <= 1.0)) {
            std::printf("bound broken: %.4f of it with %lld features, |row| %g, |code| %g, radius %g\n", used,
                static_cast<long long>(features), static_cast<double>(length_of(row)),
                static_cast<double>(length_of(code)), static_cast<double>(radius_factor));
        }
        // A row far from its code in length: rounding of the sums counts for more.
        const Floats scaled = hard_vector(features, 1e5f);
        largest_of_offset = std::max(largest_of_offset, used_part_of_bound(scaled, code, radius_factor));
    }
    std::printf("the largest error found is %.3f of its bound, %.3f with rows out of scale\n", largest, largest_of_offset);
    CHECK(largest <= 1.0 && largest_of_offset <= 1.0);
    CHECK(largest > 0.9 || is_short_run);  // the search is worth something: a bound less by a tenth would be broken
}

// All numbers are halfway between two of fp16 and err in the same direction.
void the_largest_rounding_of_rows_and_codes_is_within_the_bound() {
    context = "the largest rounding";
    for (const int64_t features : {1, 31, 32, 200, 4096}) {
        const Floats halfway(static_cast<size_t>(features), 1.0f + 0x1p-11f);
        const double used = used_part_of_bound(halfway, halfway, 1.0f);
        CHECK(used <= 1.0);
        CHECK(used > (features < 1000 ? 0.85 : 0.3));  // sums of many products are allowed to err more than they do
    }
}

void scales_keep_numbers_in_the_range_of_fp16() {
    context = "scales";
    for (int exponent = -100; exponent < 127; ++exponent) {
        for (const float mantissa : {1.0f, 1.5f, 2.0f - 0x1p-23f}) {
            const float largest = std::ldexp(mantissa, exponent);
            const HalfScale scale = half_scale(largest);
            const float half = float_of_float16(filter_half(largest, scale));
            CHECK(half >= 16384.0f && half <= 32768.0f);
            CHECK(scale.up * scale.down == 1.0f);
            CHECK(std::fabs(filter_residual(largest, filter_half(largest, scale), scale)) <= largest * 0x1p-11f);
        }
    }
    CHECK(half_scale(0x1p-101f).up == 0.0f && half_scale(infinity).up == 0.0f && half_scale(nan).up == 0.0f);
    CHECK(filter_half(0x1p-15f, {1.0f, 1.0f}) == 0);  // would be subnormal
}

// ---- the kernel --------------------------------------------------------------------------------------------------

struct Filtered {
    std::vector<int32_t> codes;
    std::vector<int64_t> open;  // ascending
};

Filtered filter(const Floats& rows, Shape shape, const Floats& codebook, TensorCores by, int64_t rows_at_once) {
    const int64_t codes_count = static_cast<int64_t>(codebook.size()) / shape.features;
    void* packed = nullptr;
    const int64_t bytes = vq4j_cuda_packed_codebook_bytes(codes_count, shape.features);
    CHECK(posix_memalign(&packed, 64, static_cast<size_t>(bytes)) == 0);
    CHECK(vq4j_cuda_pack_codebook(nullptr, codebook.data(), codes_count, shape.features, packed) == VQ4J_OK);
    Filtered result = {std::vector<int32_t>(static_cast<size_t>(shape.rows()), -1),
        std::vector<int64_t>(static_cast<size_t>(shape.rows()))};
    unsigned long long open_count = 12345;
    const DeviceFirstBad bad(nullptr);
    assign_by_tensor_cores(vq4j::Floats{rows.data()}, {shape.outer, shape.inner, shape.features},
        packed_view(static_cast<const float*>(packed), codes_count, shape.features), codes_count, by, rows_at_once,
        result.codes.data(), bad.rows(), {result.open.data(), &open_count}, nullptr);
    result.open.resize(open_count);
    std::sort(result.open.begin(), result.open.end());
    std::free(packed);
    return result;
}

// Filters by both instructions with all the roundings that tensor cores may have, and checks every row that is decided. The
// largest number of open rows.
size_t check_filter(const char* what, const Floats& rows, Shape shape, const Floats& codebook,
    int64_t rows_at_once = 0) {
    context = what;
    const std::vector<int32_t> expected = canonical_codes(rows, shape, codebook);
    size_t most_open = 0;
    const std::vector<const char*> short_run = {"bound:1"};
    const std::vector<const char*> full_run = {"bound:1", "bound:2", "truncated"};
    std::vector<std::pair<TensorCores, const char*>> runs;
    for (const char* const rounding : is_short_run ? short_run : full_run) {
        runs.push_back({TensorCores::mma, rounding});
        runs.push_back({TensorCores::wgmma, rounding});
    }
    for (const auto& [by, rounding] : runs) {
        host_run::set_tensor_cores(rounding);
        const Filtered filtered = filter(rows, shape, codebook, by, rows_at_once);
        size_t next_open = 0;
        bool right = true;
        for (int64_t n = 0; n < shape.rows(); ++n) {
            const bool is_open = next_open < filtered.open.size() && filtered.open[next_open] == n;
            next_open += is_open ? 1 : 0;
            const auto i = static_cast<size_t>(n);
            right = right && filtered.codes[i] == (is_open ? -1 : expected[i]);
        }
        CHECK(right);
        CHECK(next_open == filtered.open.size());  // each once, and none beyond the last row
        most_open = std::max(most_open, filtered.open.size());
    }
    return most_open;
}

Floats rows_near_codes(const Floats& codebook, Shape shape, unsigned seed, float deviation) {
    const int64_t codes_count = static_cast<int64_t>(codebook.size()) / shape.features;
    Floats rows = random_floats(shape.size(), seed, 0.0f, deviation);
    for (int64_t n = 0; n < shape.rows(); ++n) {
        for (int64_t d = 0; d < shape.features; ++d) {
            rows[shape.at(n, d)] += codebook[static_cast<size_t>(n * 7919 % codes_count * shape.features + d)];
        }
    }
    return rows;
}

void normal_rows_are_decided() {
    for (const auto& [shape, codes_count] : {std::pair{Shape{200, 1, 32}, 300}, {Shape{3, 50, 33}, 129},
             {Shape{130, 1, 5}, 128}, {Shape{1, 1, 1}, 1}, {Shape{90, 1, 130}, 257}, {Shape{70, 1, 270}, 129}}) {
        const Floats codebook = random_floats(codes_count * shape.features, 2);
        CHECK(check_filter("normal rows", random_floats(shape.size(), 3), shape, codebook) * 50
            <= static_cast<size_t>(shape.rows()));
    }
}

void clustered_and_far_rows_are_decided() {
    const Shape shape{300, 1, 24};
    for (const float offset : {0.0f, 1000.0f}) {
        const Floats codebook = random_floats(256 * shape.features, 4, offset);
        for (const float deviation : {0.0f, 0.3f}) {
            CHECK(check_filter("clustered rows", rows_near_codes(codebook, shape, 5, deviation), shape, codebook) <= 6);
        }
    }
}

void rows_equal_to_the_centre_are_decided() {
    const Shape shape{130, 1, 16};
    Floats codebook = random_floats(100 * shape.features, 6);
    for (size_t i = 0; i < codebook.size() / 2; ++i) {
        codebook[codebook.size() / 2 + i] = -codebook[i];  // the centre is zero
    }
    codebook.resize(codebook.size() + 16, 0.0f);
    CHECK(check_filter("rows at the centre", Floats(static_cast<size_t>(shape.size()), 0.0f), shape, codebook) == 0);
}

void tied_codes_are_decided_for_the_lowest_or_left_open() {
    const Shape shape{140, 1, 32};
    const Floats distinct = random_floats(64 * shape.features, 7);
    Floats twice = distinct;
    twice.insert(twice.end(), distinct.begin(), distinct.end());
    CHECK(check_filter("two of each code", random_floats(shape.size(), 8), shape, twice) <= 3);
    // All copies of a code are 8 apart, in one lane, and more than it keeps.
    Floats many;
    for (int copy = 0; copy < 40; ++copy) {
        many.insert(many.end(), distinct.begin(), distinct.begin() + 8 * shape.features);
    }
    CHECK(check_filter("forty of each code", random_floats(shape.size(), 9), shape, many)
        == static_cast<size_t>(shape.rows()));
}

void rows_without_a_bound_are_left_open() {
    const Shape shape{150, 1, 32};
    Floats rows = random_floats(shape.size(), 10);
    rows[shape.at(7, 3)] = 3e38f;
    rows[shape.at(8, 0)] = 1e20f;
    rows[shape.at(149, 31)] = nan;
    const Floats codebook = random_floats(200 * shape.features, 11);
    host_run::set_tensor_cores("bound:3");
    context = "rows without a bound";
    for (const TensorCores by : {TensorCores::mma, TensorCores::wgmma}) {
        CHECK((filter(rows, shape, codebook, by, 0).open == std::vector<int64_t>{7, 8, 149}));
    }
    Floats huge = codebook;
    huge[5] = 1e30f;
    CHECK(check_filter("a code without a bound", random_floats(shape.size(), 12), shape, huge) == 150);
}

void rows_come_in_parts() {
    const Shape shape{3, 71, 20};
    const Floats codebook = random_floats(150 * shape.features, 13);
    for (const int64_t rows_at_once : {1, 129, 5000}) {
        CHECK(check_filter("parts", random_floats(shape.size(), 14), shape, codebook, rows_at_once) <= 5);
    }
}

void heavy_tails_and_outliers_are_decided() {
    const Shape shape{200, 1, 32};
    Floats rows = random_floats(shape.size(), 15);
    Floats codebook = random_floats(256 * shape.features, 16);
    for (Floats* const values : {&rows, &codebook}) {
        for (float& value : *values) {
            value = value * value * value;
        }
    }
    CHECK(check_filter("heavy tails", rows, shape, codebook) <= 10);
    codebook[0] = 1e5f;  // the others are small against these two
    codebook[32] = -1e5f;
    CHECK(check_filter("outliers", rows, shape, codebook) <= 20);
    for (float& value : rows) {
        value *= 1e-12f;
    }
    for (float& value : codebook) {
        value *= 1e-12f;
    }
    CHECK(check_filter("small numbers", rows, shape, codebook) <= 20);
}

}  // namespace
}  // namespace vq4j::testing

int main() {
    using namespace vq4j::testing;
    scales_keep_numbers_in_the_range_of_fp16();
    the_largest_rounding_of_rows_and_codes_is_within_the_bound();
    no_pair_breaks_its_bound();
    normal_rows_are_decided();
    clustered_and_far_rows_are_decided();
    rows_equal_to_the_centre_are_decided();
    tied_codes_are_decided_for_the_lowest_or_left_open();
    rows_without_a_bound_are_left_open();
    rows_come_in_parts();
    heavy_tails_and_outliers_are_decided();
    std::printf("tensor filter: %d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
