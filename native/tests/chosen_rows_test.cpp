// Rows chosen by a value, what is taken out and put back by their numbers, and the means of their errors.
#include "checks.hpp"

namespace vq4j::testing {
namespace {

std::vector<int32_t> random_values(int64_t count, int32_t below, unsigned seed) {
    std::mt19937 generator(seed);
    std::vector<int32_t> values(static_cast<size_t>(count));
    for (int32_t& value : values) {
        value = static_cast<int32_t>(generator() % static_cast<unsigned>(below)) - 1;
    }
    return values;
}

std::vector<int64_t> numbers_above(const std::vector<int32_t>& values, int32_t bound) {
    std::vector<int64_t> numbers;
    for (size_t n = 0; n < values.size(); ++n) {
        if (values[n] > bound) {
            numbers.push_back(static_cast<int64_t>(n));
        }
    }
    return numbers;
}

void rows_above_numbers_the_rows_in_order(Implementation& on) {
    for (const int64_t rows_count : {1, 255, 256, 257, 70001}) {
        const std::vector<int32_t> values = random_values(rows_count, 4, 1);
        const Array<int32_t> on_device(on, values);
        for (const int32_t bound : {-2, -1, 0, 1, 2}) {
            const Array<int64_t> order(on, rows_count), count(on, 1);
            CHECK_OK(on->rows_above(on_device, rows_count, bound, order, count));
            const std::vector<int64_t> expected = numbers_above(values, bound);
            CHECK(count.read()[0] == static_cast<int64_t>(expected.size()));
            std::vector<int64_t> found = order.read();
            found.resize(expected.size());
            CHECK(found == expected);
        }
    }
}

void codes_are_taken_and_put_back_by_row(Implementation& on) {
    for (const Shape shape : {Shape{1, 1, 1}, Shape{70, 1, 3}, Shape{4, 33, 5}, Shape{2, 300, 1}}) {
        const std::vector<int32_t> values = random_values(shape.size(), 100, 2);
        std::vector<int64_t> numbers = numbers_above(random_values(shape.rows(), 3, 3), 0);
        numbers.push_back(shape.rows() - 1);
        numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
        const int64_t count = static_cast<int64_t>(numbers.size());
        const Array<int32_t> codes(on, values), part(on, count * shape.features), whole(on, shape.size());
        const Array<int64_t> order(on, numbers);
        CHECK_OK(on->take_codes_of_rows(codes, shape.outer, shape.inner, shape.features, order, count, part));
        CHECK_OK(on->fill_codes(-1, shape.size(), whole));
        CHECK_OK(on->put_codes_of_rows(part, order, count, shape.outer, shape.inner, shape.features, whole));
        std::vector<int32_t> expected(values.size(), -1), taken;
        for (const int64_t n : numbers) {
            for (int64_t i = 0; i < shape.features; ++i) {
                expected[shape.at(n, i)] = values[shape.at(n, i)];
                taken.push_back(values[shape.at(n, i)]);
            }
        }
        CHECK(part.read() == taken);
        CHECK(whole.read() == expected);
    }
}

void rows_that_do_not_exist_are_refused(Implementation& on) {
    const Array<int32_t> codes(on, 12), part(on, 6);
    const Array<int64_t> order(on, std::vector<int64_t>{0, 4, -1});
    CHECK_FAILS(on->take_codes_of_rows(codes, 4, 1, 3, order, 2, part), VQ4J_INVALID_ARGUMENT, "row number 4", "position 1");
    CHECK_FAILS(on->put_codes_of_rows(part, order, 3, 5, 1, 2, codes), VQ4J_INVALID_ARGUMENT, "row number -1", "position 2");
    CHECK_FAILS(on->take_codes_of_rows(codes, 4, 1, 3, order, 0, part), VQ4J_INVALID_ARGUMENT, "count");
    CHECK_FAILS(on->fill_codes(0, 0, codes), VQ4J_INVALID_ARGUMENT, "count");
}

void means_of_chosen_rows(Implementation& on) {
    const int64_t features = 6;
    for (const int64_t of_row : {1, 3}) {
        for (const int64_t samples : {1, 3, 7}) {
            const int64_t rows_count = samples * 301;
            std::vector<int32_t> chosen = random_values(rows_count, 3, 4);
            std::fill(chosen.begin(), chosen.begin() + (samples > 1 ? 301 : 0), 0);  // nothing of sample 0
            const std::vector<int64_t> numbers = numbers_above(chosen, 0);
            const int64_t count = static_cast<int64_t>(numbers.size());
            const Floats values = random_floats(count * of_row, 5, 1.0f);
            const Array<float> distances(on, values);
            const Array<int64_t> order(on, numbers);
            const Array<double> sample_means(on, samples), mean(on, 1);
            CHECK_OK(on->mean_distances(distances, order, count, of_row, rows_count, samples, features, sample_means, mean));
            Doubles sums(static_cast<size_t>(samples)), counts(sums.size());
            for (size_t i = 0; i < values.size(); ++i) {
                const auto sample = static_cast<size_t>(numbers[i / static_cast<size_t>(of_row)] / 301);
                sums[sample] += static_cast<double>(values[i]);
                counts[sample] += 1.0 / static_cast<double>(of_row);
            }
            Doubles expected;
            double all = 0.0;
            for (size_t sample = 0; sample < sums.size(); ++sample) {
                expected.push_back(counts[sample] > 0.0 ? sums[sample] / (counts[sample] * features) : 0.0);
                all += sums[sample];
            }
            CHECK_CLOSE(sample_means.read(), expected, 1e-12);
            CHECK_CLOSE(mean.read(), Doubles{all / static_cast<double>(count * features)}, 1e-12);
        }
    }
}

// All rows, with their numbers and without: the bits of commitment_loss.
void means_of_all_rows_are_the_commitment_loss(Implementation& on) {
    const Shape shape{4, 301, 5};
    const Array<float> rows(on, random_floats(shape.size(), 6)), codebook(on, random_floats(9 * 5, 7));
    std::vector<int32_t> values = random_values(shape.rows(), 9, 8);
    for (int32_t& value : values) {
        ++value;
    }
    const Array<int32_t> codes(on, values);
    const Array<float> distances(on, shape.rows());
    const Array<double> expected_samples(on, 4), expected(on, 1), sample_means(on, 4), mean(on, 1);
    CHECK_OK(on->commitment_loss(rows, 4, 301, 5, codebook, codes, 4, distances, expected_samples, expected, nullptr,
        nullptr));
    std::vector<int64_t> numbers = numbers_above(values, -1);
    const Array<int64_t> order(on, numbers);
    for (const int64_t* each : {static_cast<const int64_t*>(order), static_cast<const int64_t*>(nullptr)}) {
        CHECK_OK(on->mean_distances(distances, each, shape.rows(), 1, shape.rows(), 4, 5, sample_means, mean));
        CHECK(sample_means.read() == expected_samples.read());
        CHECK(mean.read() == expected.read());
    }
    CHECK_FAILS(on->mean_distances(distances, nullptr, 3, 1, shape.rows(), 4, 5, sample_means, mean),
        VQ4J_INVALID_ARGUMENT, "1204 rows", "3 without");
    CHECK_FAILS(on->mean_distances(distances, order, 3, 1, shape.rows(), 3, 5, sample_means, mean), VQ4J_INVALID_ARGUMENT,
        "samples", "3");
}

}  // namespace
}  // namespace vq4j::testing

int main() {
    using namespace vq4j::testing;
    return run({
        TEST(rows_above_numbers_the_rows_in_order),
        TEST(codes_are_taken_and_put_back_by_row),
        TEST(rows_that_do_not_exist_are_refused),
        TEST(means_of_chosen_rows),
        TEST(means_of_all_rows_are_the_commitment_loss),
    });
}
