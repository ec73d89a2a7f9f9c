// sample_codes against its definition in fp64, with the C library's logarithm, and against the probabilities that it
// promises.
#include "checks.hpp"
#include "core/random.hpp"

namespace vq4j::testing {
namespace {

// One row, one code, primes, several blocks and panels, the feature axis in the middle.
struct Case {
    Shape shape;
    int64_t codes_count;
};

const std::vector<Case> cases = {
    {{1, 1, 1}, 1}, {{5, 1, 3}, 2}, {{101, 1, 7}, 13}, {{2, 97, 5}, 131}, {{3, 64, 33}, 64}, {{200, 1, 4}, 1000}};

constexpr uint64_t seed = 0x123456789abcdefull;

std::vector<int32_t> sample(Implementation& on, const Floats& rows, Shape shape, const Floats& codebook,
    double temperature, uint64_t step) {
    const int64_t count = static_cast<int64_t>(codebook.size()) / shape.features;
    const Array<float> z(on, rows), c(on, codebook);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(count, shape.features));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_codebook(c, count, shape.features, packed));
    CHECK_OK(on->sample_codes(
        z, shape.outer, shape.inner, shape.features, packed, count, temperature, seed, step, codes));
    return codes.read();
}

double squared_distance_in_fp64(const Floats& rows, Shape shape, int64_t n, const Floats& codebook, int64_t k) {
    double sum = 0.0;
    for (int64_t d = 0; d < shape.features; ++d) {
        const double difference = static_cast<double>(rows[shape.at(n, d)])
            - static_cast<double>(codebook[static_cast<size_t>(k * shape.features + d)]);
        sum += difference * difference;
    }
    return sum;
}

double gumbel_noise(int64_t n, int64_t k, int64_t codes_count, uint64_t step) {
    const auto index = static_cast<uint64_t>(n * ((codes_count + 3) / 4) + k / 4);
    const RandomBits bits = philox(seed, index, purpose::sampled_code + step, 0);
    return -std::log(-std::log((static_cast<double>(bits.word[k % 4]) + 0.5) / 4294967296.0));
}

void codes_have_the_largest_noisy_score(Implementation& on) {
    for (const auto& [shape, codes_count] : cases) {
        for (const double temperature : {0.3, 5.0}) {
            const Floats rows = random_floats(shape.size(), 1), codebook = random_floats(codes_count * shape.features, 2);
            const std::vector<int32_t> codes = sample(on, rows, shape, codebook, temperature, 7);
            for (int64_t n = 0; n < shape.rows(); ++n) {
                Doubles scores;
                for (int64_t k = 0; k < codes_count; ++k) {
                    scores.push_back(gumbel_noise(n, k, codes_count, 7)
                        - squared_distance_in_fp64(rows, shape, n, codebook, k) / temperature);
                }
                const int32_t code = codes[static_cast<size_t>(n)];
                CHECK(code >= 0 && code < codes_count);
                const double tolerance = 1e-5 * static_cast<double>(shape.features) / temperature;
                CHECK(scores[static_cast<size_t>(code)] >= *std::max_element(scores.begin(), scores.end()) - tolerance);
            }
        }
    }
}

// The shares of 40,000 rows that are all the same lie within five standard deviations.
void codes_occur_as_often_as_their_probabilities_say(Implementation& on) {
    const Shape shape{40000, 1, 2};
    const Floats codebook = {0.0f, 0.0f, 1.0f, 0.5f, -1.0f, 1.0f, 2.0f, 2.0f, 0.2f, -0.1f};
    Floats rows;
    for (int64_t n = 0; n < shape.rows(); ++n) {
        rows.insert(rows.end(), {0.4f, 0.3f});
    }
    const std::vector<int32_t> codes = sample(on, rows, shape, codebook, 1.5, 0);
    Doubles weights;
    double total = 0.0;
    for (int64_t k = 0; k < 5; ++k) {
        weights.push_back(std::exp(-squared_distance_in_fp64(rows, shape, 0, codebook, k) / 1.5));
        total += weights.back();
    }
    for (int32_t k = 0; k < 5; ++k) {
        const double p = weights[static_cast<size_t>(k)] / total;
        const auto rows_count = static_cast<double>(shape.rows());
        const auto seen = static_cast<double>(std::count(codes.begin(), codes.end(), k));
        CHECK(std::fabs(seen - rows_count * p) < 5.0 * std::sqrt(rows_count * p * (1.0 - p)));
    }
}

void a_low_temperature_leaves_the_nearest_codes(Implementation& on) {
    const Shape shape{150, 1, 6};
    const Floats rows = random_floats(shape.size(), 3), codebook = random_floats(40 * shape.features, 4);
    const Array<float> z(on, rows), c(on, codebook);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(40, shape.features));
    const Array<int32_t> nearest(on, shape.rows());
    CHECK_OK(on->pack_codebook(c, 40, shape.features, packed));
    CHECK_OK(on->assign(z, shape.outer, shape.inner, shape.features, packed, 40, nearest));
    CHECK(sample(on, rows, shape, codebook, 1e-9, 5) == nearest.read());
}

void steps_have_noise_of_their_own_and_layouts_the_same(Implementation& on) {
    const Shape shape{2, 90, 5}, matrix{180, 1, 5};
    const Floats rows = random_floats(shape.size(), 5), codebook = random_floats(30 * shape.features, 6);
    Floats row_major(rows.size());
    for (int64_t n = 0; n < shape.rows(); ++n) {
        for (int64_t d = 0; d < shape.features; ++d) {
            row_major[matrix.at(n, d)] = rows[shape.at(n, d)];
        }
    }
    const std::vector<int32_t> codes = sample(on, rows, shape, codebook, 3.0, 1);
    CHECK(sample(on, row_major, matrix, codebook, 3.0, 1) == codes);
    CHECK(sample(on, rows, shape, codebook, 3.0, 2) != codes);
}

void bad_rows_and_temperatures_are_refused(Implementation& on) {
    const Shape shape{2, 70, 3};
    Floats rows = random_floats(shape.size(), 7);
    rows[shape.at(121, 2)] = nan;
    rows[shape.at(99, 0)] = infinity;
    const Array<float> z(on, rows), c(on, random_floats(4 * 3, 8));
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(4, 3));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_codebook(c, 4, 3, packed));
    CHECK_FAILS(on->sample_codes(z, 2, 70, 3, packed, 4, 1.0, 0, 0, codes), VQ4J_NOT_FINITE, "z", "row 99");
    for (const double temperature : {0.0, -1.0, static_cast<double>(nan), static_cast<double>(infinity)}) {
        CHECK_FAILS(on->sample_codes(z, 2, 70, 3, packed, 4, temperature, 0, 0, codes), VQ4J_INVALID_ARGUMENT,
            "temperature");
    }
    CHECK_FAILS(on->sample_codes(z, 2, 70, 3, nullptr, 4, 1.0, 0, 0, codes), VQ4J_INVALID_ARGUMENT, "null");
}

}  // namespace
}  // namespace vq4j::testing

int main() {
    using namespace vq4j::testing;
    return run({
        TEST(codes_have_the_largest_noisy_score),
        TEST(codes_occur_as_often_as_their_probabilities_say),
        TEST(a_low_temperature_leaves_the_nearest_codes),
        TEST(steps_have_noise_of_their_own_and_layouts_the_same),
        TEST(bad_rows_and_temperatures_are_refused),
    });
}
