// Where the vectors of replaced codes come from: the farthest rows against a plain sort, placed codes against the affine
// in fp64, and all implementations against each other.
#include <numeric>

#include "checks.hpp"

namespace {

using namespace vq4j::testing;
using vq4j::testing::nan;  // not the function of <cmath>
using Marks = std::vector<int32_t>;

std::vector<int64_t> farthest(Implementation& on, const Floats& distances, int64_t count) {
    const Array<float> d(on, distances);
    const Array<int64_t> order(on, count);
    CHECK_OK(on->farthest_rows(d, static_cast<int64_t>(distances.size()), count, nullptr, order));
    return order.read();
}

void the_farthest_rows_come_first_and_of_equal_ones_the_lowest(Implementation& on) {
    for (const int64_t rows_count : {1, 2, 7, 256, 257, 2049, 9000}) {
        Floats distances = random_floats(rows_count, 1, 3.0f);
        for (float& distance : distances) {
            distance = std::fabs(std::round(4.0f * distance));  // many are equal
        }
        std::vector<int64_t> sorted(distances.size());
        std::iota(sorted.begin(), sorted.end(), 0);
        std::stable_sort(sorted.begin(), sorted.end(), [&](int64_t a, int64_t b) {
            return distances[static_cast<size_t>(a)] > distances[static_cast<size_t>(b)];
        });
        for (const int64_t count : {int64_t{1}, (rows_count + 1) / 2, rows_count}) {
            CHECK(farthest(on, distances, count)
                == std::vector<int64_t>(sorted.begin(), sorted.begin() + count));
        }
    }
}

void distances_without_an_order_have_one(Implementation& on) {
    CHECK((farthest(on, {0.0f, -0.0f, 1e-45f, infinity, nan, 1.0f}, 6) == std::vector<int64_t>{4, 3, 5, 2, 0, 1}));
}

std::vector<int64_t> busiest(Implementation& on, const std::vector<int64_t>& counts, int64_t wanted) {
    const auto codes_count = static_cast<int64_t>(counts.size());
    const Array<int64_t> c(on, counts), w(on, std::vector<int64_t>{wanted}), order(on, codes_count);
    CHECK_OK(on->busiest_codes(c, codes_count, w, order));
    return order.read();
}

void the_busiest_codes_come_first_and_then_anew(Implementation& on) {
    CHECK((busiest(on, {0, 3, 7, 0, 3, 1, 0}, 2) == std::vector<int64_t>{2, 1, 4, 5, 2, 1, 4}));
    CHECK((busiest(on, {4}, 1) == std::vector<int64_t>{0}));
    for (const int64_t codes_count : {5, 2048, 2051, 5000}) {
        std::vector<int64_t> counts;
        for (int64_t k = 0; k < codes_count; ++k) {
            counts.push_back(k * 7919 % 13);
        }
        std::vector<int64_t> sorted;
        for (int64_t k = 0; k < codes_count; ++k) {
            if (counts[static_cast<size_t>(k)] > 0) {
                sorted.push_back(k);
            }
        }
        std::stable_sort(sorted.begin(), sorted.end(), [&](int64_t a, int64_t b) {
            return counts[static_cast<size_t>(a)] > counts[static_cast<size_t>(b)];
        });
        const size_t used = sorted.size();
        for (size_t i = used; i < counts.size(); ++i) {
            sorted.push_back(sorted[i % used]);
        }
        CHECK(busiest(on, counts, 1) == sorted);
    }
}

void an_order_that_nobody_wants_is_all_zero(Implementation& on) {
    CHECK((busiest(on, {0, 3, 7}, 0) == std::vector<int64_t>{0, 0, 0}));
    const Array<float> distances(on, Floats{1.0f, 2.0f, 3.0f});
    const Array<int64_t> none(on, std::vector<int64_t>{0}), order(on, 2);
    CHECK_OK(on->farthest_rows(distances, 3, 2, none, order));
    CHECK((order.read() == std::vector<int64_t>{0, 0}));
}

void marked_codes_take_the_vectors_in_turn(Implementation& on) {
    const int64_t codes_count = 12, features = 3, groups = 2;
    const Floats codebook = random_floats(codes_count * features, 2);
    const Floats vectors = random_floats(2 * features, 3);
    const Floats scale = random_floats(groups * features, 4, 2.0f, 0.1f), shift = random_floats(groups * features, 5);
    const Marks marks = {0, 1, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1};
    const Array<float> v(on, vectors), s(on, scale), b(on, shift);
    const Array<int32_t> mask(on, marks);
    float* const none = nullptr;
    for (const bool with_affine : {true, false}) {
        const Array<float> c(on, codebook);
        CHECK_OK(on->place_codes(v, 2, mask, codes_count, features, with_affine ? s : none, with_affine ? b : none,
            groups, codes_count, 0.01f, 9, 1, c));
        const Floats placed = c.read();
        Doubles effective, expected;
        int64_t number = 0;
        for (int64_t k = 0; k < codes_count; ++k) {
            for (int64_t d = 0; d < features; ++d) {
                const auto at = static_cast<size_t>(k * features + d);
                const auto coefficient = static_cast<size_t>(k / (codes_count / groups) * features + d);
                const bool mapped = with_affine && marks[static_cast<size_t>(k)] != 0;
                const double value = static_cast<double>(placed[at]);
                effective.push_back(mapped ? static_cast<double>(scale[coefficient]) * value
                                + static_cast<double>(shift[coefficient])
                                           : value);
                expected.push_back(static_cast<double>(marks[static_cast<size_t>(k)] != 0
                        ? vectors[static_cast<size_t>(number % 2 * features + d)]
                        : codebook[at]));
            }
            number += marks[static_cast<size_t>(k)];
        }
        CHECK_CLOSE(effective, expected, with_affine ? 1e-6 : 0.0);
    }
}

// Code 0 takes its vector as it is, the others with noise of a hundredth of its length, each noise of its own.
void codes_beyond_the_exact_ones_have_noise(Implementation& on) {
    const int64_t codes_count = 400, features = 16;
    const Floats vector = random_floats(features, 6);
    const Array<float> v(on, vector), c(on, Floats(static_cast<size_t>(codes_count * features)));
    const Array<int32_t> mask(on, Marks(static_cast<size_t>(codes_count), 1));
    const auto place = [&](uint64_t step) {
        CHECK_OK(on->place_codes(v, 1, mask, codes_count, features, nullptr, nullptr, 1, 1, 0.01f, 9, step, c));
        return c.read();
    };
    const Floats placed = place(1);
    CHECK(std::equal(vector.begin(), vector.end(), placed.begin()));
    double squared = 0.0, noise = 0.0;
    for (size_t i = 0; i < vector.size(); ++i) {
        squared += static_cast<double>(vector[i]) * static_cast<double>(vector[i]);
    }
    for (size_t i = vector.size(); i < placed.size(); ++i) {
        const double difference = static_cast<double>(placed[i]) - static_cast<double>(vector[i % vector.size()]);
        noise += difference * difference / static_cast<double>(placed.size() - vector.size());
    }
    CHECK(std::fabs(std::sqrt(noise / squared) / 0.01 - 1.0) < 0.05);
    CHECK(!std::equal(placed.begin() + 16, placed.begin() + 32, placed.begin() + 32));
    CHECK(place(1) == placed);
    CHECK(place(2) != placed);
}

void a_vector_whose_squared_length_overflows_has_no_noise(Implementation& on) {
    const Floats vector{3e19f, -2e19f, 1.0f};
    const Array<float> v(on, vector), placed(on, Floats(6)), replaced(on, Floats(6));
    const Array<int32_t> mask(on, Marks(2, 1));
    CHECK_OK(on->place_codes(v, 1, mask, 2, 3, nullptr, nullptr, 1, 0, 0.01f, 9, 1, placed));
    CHECK_OK(on->replace_codes(v, 1, 1, 3, mask, 2, nullptr, nullptr, 1, 0.01f, 9, 1, replaced));
    const Floats twice{3e19f, -2e19f, 1.0f, 3e19f, -2e19f, 1.0f};
    CHECK(placed.read() == twice);
    CHECK(replaced.read() == twice);
}

void bad_arguments_are_named(Implementation& on) {
    const Array<float> x(on, Floats(4));
    const Array<int64_t> order(on, 4);
    const Array<int32_t> mask(on, Marks(4));
    CHECK_FAILS(on->farthest_rows(x, 4, 5, nullptr, order), VQ4J_INVALID_ARGUMENT, "count = 5", "rows_count = 4");
    CHECK_FAILS(on->farthest_rows(x, int64_t{1} << 32, 5, nullptr, order), VQ4J_INVALID_ARGUMENT, "2^32", "4294967296");
    CHECK_FAILS(on->farthest_rows(x, 4, 0, nullptr, order), VQ4J_INVALID_ARGUMENT, "count", "0");
    const Array<int64_t> counts(on, 4);
    CHECK_FAILS(on->busiest_codes(counts, 0, nullptr, order), VQ4J_INVALID_ARGUMENT, "0");
    CHECK_FAILS(on->busiest_codes(counts, int64_t{1} << 32, nullptr, order), VQ4J_INVALID_ARGUMENT, "2^32", "4294967296");
    CHECK_FAILS(on->place_codes(x, 0, mask, 4, 1, nullptr, nullptr, 1, 0, 0.0f, 1, 1, x), VQ4J_INVALID_ARGUMENT, "0");
    CHECK_FAILS(on->place_codes(x, 1, mask, 4, 1, nullptr, nullptr, 3, 0, 0.0f, 1, 1, x), VQ4J_INVALID_ARGUMENT,
        "groups", "3");
    CHECK_FAILS(on->place_codes(x, 1, mask, 4, 1, x, nullptr, 1, 0, 0.0f, 1, 1, x), VQ4J_INVALID_ARGUMENT, "scale");
}

}  // namespace

int main() {
    return run({
        TEST(the_farthest_rows_come_first_and_of_equal_ones_the_lowest),
        TEST(distances_without_an_order_have_one),
        TEST(the_busiest_codes_come_first_and_then_anew),
        TEST(an_order_that_nobody_wants_is_all_zero),
        TEST(marked_codes_take_the_vectors_in_turn),
        TEST(codes_beyond_the_exact_ones_have_noise),
        TEST(a_vector_whose_squared_length_overflows_has_no_noise),
        TEST(bad_arguments_are_named),
    });
}
