// k-means: Lloyd's moves against the plain operations in a loop, bit for bit, on data that is hard on bounds; k-means++
// against its definition; mini-batches against Sculley's steps in fp64.
#include "checks.hpp"

namespace vq4j::testing {
namespace {

using Codes = std::vector<int32_t>;

struct Fit {
    Floats codebook;
    Codes codes;
    double objective;
    int64_t iterations;

    bool operator==(const Fit& other) const {
        return codebook == other.codebook && codes == other.codes && objective == other.objective
            && iterations == other.iterations;
    }
};

Fit lloyd(Implementation& on, const Floats& rows, Shape shape, const Floats& start, int64_t most, double tolerance) {
    const int64_t codes_count = static_cast<int64_t>(start.size()) / shape.features;
    const Array<float> z(on, rows);
    const Array<float> codebook(on, start);
    const Array<int32_t> codes(on, shape.rows());
    const Array<double> objective(on, 1);
    const Array<int64_t> iterations(on, 1);
    CHECK_OK(on->lloyd(z, shape.outer, shape.inner, shape.features, codes_count, most, tolerance, codebook, codes,
        objective, iterations));
    return {codebook.read(), codes.read(), objective.read()[0], iterations.read()[0]};
}

// The definition.
Fit plain_lloyd(Implementation& on, const Floats& rows, Shape shape, const Floats& start, int64_t most,
    double tolerance) {
    const int64_t features = shape.features;
    const int64_t codes_count = static_cast<int64_t>(start.size()) / features;
    const Array<float> z(on, rows);
    const Array<float> codebook(on, start);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(codes_count, features));
    const Array<int32_t> codes(on, shape.rows());
    const Array<float> distances(on, shape.rows());
    const Array<double> mean_of_sample(on, 1);
    const Array<double> mean(on, 1);
    const Array<float> sums(on, codes_count * features);
    const Array<int64_t> counts(on, codes_count);
    double previous = 0.0;
    for (int64_t iteration = 0;; ++iteration) {
        CHECK_OK(on->pack_codebook(codebook, codes_count, features, packed));
        CHECK_OK(on->assign(z, shape.outer, shape.inner, features, packed, codes_count, codes));
        CHECK_OK(on->commitment_loss(z, shape.outer, shape.inner, features, codebook, codes, 1, distances,
            mean_of_sample, mean, nullptr, nullptr));
        const double objective = mean.read()[0];
        if (iteration == most || (iteration > 0 && previous - objective <= tolerance * previous)) {
            return {codebook.read(), codes.read(), objective, iteration};
        }
        previous = objective;
        CHECK_OK(on->scatter(z, shape.outer, shape.inner, features, codes, codes_count, sums));
        CHECK_OK(on->count_codes(codes, shape.rows(), codes_count, counts));
        CHECK_OK(on->update_centroids(sums, counts, codes_count, features, codebook));
    }
}

// Every second or so row is a code at the start.
Floats first_rows(const Floats& rows, Shape shape, int64_t codes_count) {
    Floats codebook;
    for (int64_t k = 0; k < codes_count; ++k) {
        const int64_t n = k * (shape.rows() / codes_count);
        for (int64_t d = 0; d < shape.features; ++d) {
            codebook.push_back(rows[shape.at(n, d)]);
        }
    }
    return codebook;
}

void check_equals_plain(Implementation& on, const Floats& rows, Shape shape, int64_t codes_count) {
    const Floats start = first_rows(rows, shape, codes_count);
    const Fit expected = plain_lloyd(on, rows, shape, start, 30, 0.0);
    CHECK(expected.iterations > 0);
    CHECK(lloyd(on, rows, shape, start, 30, 0.0) == expected);
}

// Rows around `clusters` centres with deviation 0.2, the centres with deviation 1.
Floats clustered(Shape shape, int64_t clusters, unsigned seed) {
    const Floats centres = random_floats(clusters * shape.features, seed);
    Floats rows = random_floats(shape.size(), seed + 1, 0.0f, 0.2f);
    for (int64_t n = 0; n < shape.rows(); ++n) {
        for (int64_t d = 0; d < shape.features; ++d) {
            rows[shape.at(n, d)] += centres[static_cast<size_t>(n * 7919 % clusters * shape.features + d)];
        }
    }
    return rows;
}

void lloyd_is_the_plain_operations_in_a_loop(Implementation& on) {
    check_equals_plain(on, random_floats(1300 * 5, 1), {1300, 1, 5}, 70);
    check_equals_plain(on, random_floats(2 * 400 * 17, 2), {2, 400, 17}, 131);
    check_equals_plain(on, clustered({1500, 1, 8}, 60, 3), {1500, 1, 8}, 97);
    check_equals_plain(on, clustered({700, 1, 33}, 64, 4), {700, 1, 33}, 64);
}

void lloyd_with_more_panels_than_groups_is_the_same(Implementation& on) {
    check_equals_plain(on, clustered({2500, 1, 3}, 900, 5), {2500, 1, 3}, 1100);
}

void lloyd_copes_with_edge_sizes(Implementation& on) {
    for (const Shape shape : {Shape{2, 1, 1}, Shape{7, 1, 3}, Shape{1, 257, 2}}) {
        for (const int64_t codes_count : {1, 2}) {
            const Floats rows = random_floats(shape.size(), 6);
            const Floats start = first_rows(rows, shape, codes_count);
            CHECK(lloyd(on, rows, shape, start, 10, 0.0) == plain_lloyd(on, rows, shape, start, 10, 0.0));
        }
    }
}

void lloyd_breaks_ties_like_the_plain_operations(Implementation& on) {
    // Few distinct rows, each many times, and codes that are equal or at equal distances: bounds decide nothing here.
    const Shape shape{900, 1, 4};
    Floats rows = random_floats(shape.size(), 7, 0.0f, 1.5f);
    for (float& value : rows) {
        value = std::round(value);
    }
    check_equals_plain(on, rows, shape, 80);
    Floats start = first_rows(rows, shape, 40);
    start.insert(start.end(), start.begin(), start.end());
    CHECK(lloyd(on, rows, shape, start, 30, 0.0) == plain_lloyd(on, rows, shape, start, 30, 0.0));
}

void lloyd_is_exact_far_from_the_origin(Implementation& on) {
    const Shape shape{1200, 1, 8};
    Floats rows = clustered(shape, 50, 8);
    for (float& value : rows) {
        value += 1000.0f;
    }
    check_equals_plain(on, rows, shape, 80);
    // So far that rows differ by a few units of their last place.
    for (float& value : rows) {
        value += 1e6f;
    }
    check_equals_plain(on, rows, shape, 80);
}

void lloyd_is_exact_where_squares_underflow_or_overflow(Implementation& on) {
    const Shape shape{600, 1, 6};
    for (const float scale : {1e-12f, 1e-18f, 1e-22f, 1e-40f, 1e15f, 1e19f}) {
        Floats rows = clustered(shape, 40, 9);
        for (float& value : rows) {
            value *= scale;
        }
        const Floats start = first_rows(rows, shape, 70);
        CHECK(lloyd(on, rows, shape, start, 8, 0.0) == plain_lloyd(on, rows, shape, start, 8, 0.0));
    }
}

void lloyd_is_exact_where_products_alone_overflow(Implementation& on) {
    // Of rows and codes that are far apart, while the squares of their lengths and R^2 times the slack are still finite.
    for (unsigned seed = 1; seed < 6; ++seed) {
        const Shape shape{300, 1, 8};
        const Floats rows = random_floats(shape.size(), seed, 0.0f, 5e18f);
        for (const int64_t codes_count : {2, 40}) {
            const Floats start = first_rows(rows, shape, codes_count);
            for (const int64_t moves : {1, 2, 4}) {
                CHECK(lloyd(on, rows, shape, start, moves, 0.0) == plain_lloyd(on, rows, shape, start, moves, 0.0));
            }
        }
    }
}

void lloyd_is_exact_with_one_code_far_away(Implementation& on) {
    // The radius of the codebook, and with it the rounding of all scores, is a million times the rows' distances.
    const Shape shape{1000, 1, 7};
    Floats rows = clustered(shape, 30, 10);
    for (int64_t d = 0; d < shape.features; ++d) {
        rows[shape.at(0, d)] = 1e6f;
    }
    check_equals_plain(on, rows, shape, 66);
}

void lloyd_stops_as_its_options_say(Implementation& on) {
    const Shape shape{400, 1, 3};
    const Floats rows = random_floats(shape.size(), 11);
    const Floats start = first_rows(rows, shape, 20);
    const Fit none = lloyd(on, rows, shape, start, 0, 0.0);
    CHECK(none.iterations == 0 && none.codebook == start);
    CHECK(lloyd(on, rows, shape, start, 3, 0.0).iterations == 3);
    CHECK(lloyd(on, rows, shape, start, 100, 1.0).iterations == 1);
    CHECK(lloyd(on, rows, shape, start, 100, 1e-3) == plain_lloyd(on, rows, shape, start, 100, 1e-3));
}

void lloyd_names_bad_input_and_leaves_the_codebook(Implementation& on) {
    const Shape shape{500, 1, 3};
    Floats rows = random_floats(shape.size(), 12);
    const Floats start = first_rows(rows, shape, 10);
    rows[shape.at(301, 1)] = nan;
    rows[shape.at(490, 2)] = infinity;
    const Array<float> z(on, rows);
    const Array<float> codebook(on, start);
    const Array<int32_t> codes(on, shape.rows());
    const Array<double> objective(on, 1);
    const Array<int64_t> iterations(on, 1);
    CHECK_FAILS(on->lloyd(z, 500, 1, 3, 10, 5, 0.0, codebook, codes, objective, iterations), VQ4J_NOT_FINITE, "z",
        "row 301");
    CHECK(codebook.read() == start);
    CHECK_FAILS(on->lloyd(z, 500, 1, 3, 10, -1, 0.0, codebook, codes, objective, iterations), VQ4J_INVALID_ARGUMENT,
        "max_iterations", "-1");
    CHECK_FAILS(on->lloyd(z, 500, 1, 3, 10, 5, -0.5, codebook, codes, objective, iterations), VQ4J_INVALID_ARGUMENT,
        "tolerance", "-0.5");
}

// ---- k-means++ -------------------------------------------------------------------------------------------------

// Every code is a row whose distance to the codes before it was not zero. That the draws follow the weights, bit for
// bit, shows in the comparison with CUDA, which measures every row after every draw.
void check_seeds(Implementation& on, const Floats& rows, Shape shape, int64_t codes_count) {
    const Array<float> z(on, rows);
    const Array<float> codebook(on, codes_count * shape.features);
    CHECK_OK(on->seed_codebook(z, shape.outer, shape.inner, shape.features, codes_count, 3, codebook));
    const Floats codes = codebook.read();
    Doubles nearest(static_cast<size_t>(shape.rows()), std::numeric_limits<double>::infinity());
    for (int64_t k = 0; k < codes_count; ++k) {
        // The code is a row that still had a weight.
        bool found = false;
        for (int64_t n = 0; n < shape.rows(); ++n) {
            double squared = 0.0;
            for (int64_t d = 0; d < shape.features; ++d) {
                const double difference = static_cast<double>(rows[shape.at(n, d)])
                    - static_cast<double>(codes[static_cast<size_t>(k * shape.features + d)]);
                squared += difference * difference;
            }
            double& weight = nearest[static_cast<size_t>(n)];
            found |= squared == 0.0 && weight > 0.0;
            weight = std::min(weight, squared);
        }
        CHECK(found);
    }
}

void seeds_are_rows_not_drawn_before(Implementation& on) {
    check_seeds(on, random_floats(600 * 7, 20), {600, 1, 7}, 90);
    check_seeds(on, clustered({800, 1, 20}, 40, 21), {800, 1, 20}, 120);
    check_seeds(on, clustered({3, 270, 9}, 40, 22), {3, 270, 9}, 60);
    Floats far = clustered({700, 1, 5}, 30, 23);
    for (float& value : far) {
        value += 1000.0f;
    }
    check_seeds(on, far, {700, 1, 5}, 50);
}

// ---- mini-batches ----------------------------------------------------------------------------------------------

void sampled_rows_are_rows_drawn_evenly(Implementation& on) {
    const Shape shape{4, 5, 3};
    Floats rows(static_cast<size_t>(shape.size()));
    for (int64_t n = 0; n < shape.rows(); ++n) {
        for (int64_t d = 0; d < 3; ++d) {
            rows[shape.at(n, d)] = static_cast<float>(10 * n + d);
        }
    }
    const Array<float> z(on, rows);
    const Array<float> out(on, 2000 * 3);
    const auto sample = [&](uint64_t seed, uint64_t batch) {
        CHECK_OK(on->sample_rows(z, 4, 5, 3, 2000, seed, batch, out));
        return out.read();
    };
    const Floats batch = sample(1, 0);
    std::vector<int> counts(20);
    for (size_t i = 0; i < 2000; ++i) {
        const auto n = static_cast<size_t>(batch[3 * i] / 10.0f);
        CHECK(batch[3 * i] == static_cast<float>(10 * n) && batch[3 * i + 1] == batch[3 * i] + 1.0f
            && batch[3 * i + 2] == batch[3 * i] + 2.0f);
        ++counts[n];
    }
    for (const int count : counts) {
        CHECK(count > 60 && count < 140);  // 100 expected, deviation below 10
    }
    CHECK(sample(1, 0) == batch);
    CHECK(sample(1, 1) != batch);
    CHECK(sample(2, 0) != batch);
    CHECK_FAILS(on->sample_rows(z, 4, 5, 3, 0, 1, 1, out), VQ4J_INVALID_ARGUMENT, "count", "0");
}

void mini_batches_take_steps_of_one_over_their_rows(Implementation& on) {
    const int64_t codes_count = 5;
    const int64_t features = 3;
    const Floats start = random_floats(codes_count * features, 30);
    const Array<float> codebook(on, start);
    const Array<int64_t> totals(on, std::vector<int64_t>{0, 2, 0, 7, 1000000});
    std::vector<int64_t> steps = {0, 2, 0, 7, 1000000};
    Doubles expected(start.begin(), start.end());
    for (const unsigned seed : {31u, 32u}) {
        const int64_t batch = 40;
        const Floats rows = random_floats(batch * features, seed, 1.0f);
        Codes of_rows;
        for (int64_t n = 0; n < batch; ++n) {
            of_rows.push_back(static_cast<int32_t>(n * n % 4 == 1 ? 4 : n % 3));  // code 3 gets none
        }
        // Sculley's algorithm: a step for each row, its rate one over the rows of its code so far.
        for (int64_t n = 0; n < batch; ++n) {
            const auto k = static_cast<size_t>(of_rows[static_cast<size_t>(n)]);
            const double rate = 1.0 / static_cast<double>(++steps[k]);
            for (size_t d = 0; d < 3; ++d) {
                double& element = expected[3 * k + d];
                element = (1.0 - rate) * element + rate * static_cast<double>(rows[static_cast<size_t>(n) * 3 + d]);
            }
        }
        const Array<float> z(on, rows);
        const Array<int32_t> codes(on, of_rows);
        const Array<float> sums(on, codes_count * features);
        const Array<int64_t> counts(on, codes_count);
        CHECK_OK(on->scatter(z, batch, 1, features, codes, codes_count, sums));
        CHECK_OK(on->count_codes(codes, batch, codes_count, counts));
        CHECK_OK(on->mini_batch_update(sums, counts, codes_count, features, totals, codebook));
        const Floats moved = codebook.read();
        CHECK_CLOSE(moved, expected, 1e-6);
        CHECK(std::equal(moved.begin() + 9, moved.begin() + 12, start.begin() + 9));
        CHECK(totals.read() == steps);
    }
}

const std::vector<Test> tests = {
    TEST(lloyd_is_the_plain_operations_in_a_loop),
    TEST(lloyd_with_more_panels_than_groups_is_the_same),
    TEST(lloyd_copes_with_edge_sizes),
    TEST(lloyd_breaks_ties_like_the_plain_operations),
    TEST(lloyd_is_exact_far_from_the_origin),
    TEST(lloyd_is_exact_where_squares_underflow_or_overflow),
    TEST(lloyd_is_exact_where_products_alone_overflow),
    TEST(lloyd_is_exact_with_one_code_far_away),
    TEST(lloyd_stops_as_its_options_say),
    TEST(lloyd_names_bad_input_and_leaves_the_codebook),
    TEST(seeds_are_rows_not_drawn_before),
    TEST(sampled_rows_are_rows_drawn_evenly),
    TEST(mini_batches_take_steps_of_one_over_their_rows),
};

}  // namespace
}  // namespace vq4j::testing

int main() {
    return vq4j::testing::run(vq4j::testing::tests);
}
