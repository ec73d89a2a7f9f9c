// The sums that several workers add up: exact whatever the order, and the candidates for replaced codes.
#include <algorithm>
#include <set>

#include "checks.hpp"

namespace vq4j::testing {
namespace {

int64_t rounded(double x) {
    return static_cast<int64_t>(std::nearbyint(x));
}

void the_largest_magnitude_is_found_whatever_its_sign(Implementation& on) {
    for (const Shape shape : {Shape{1, 1, 1}, Shape{40, 13, 7}, Shape{9000, 1, 5}}) {
        Floats rows = random_floats(shape.size(), 1);
        rows[rows.size() / 2] = -77.5f;
        const Array<float> z(on, rows), largest(on, 1);
        CHECK_OK(on->largest_magnitude(z, shape.outer, shape.inner, shape.features, largest));
        CHECK(largest.read()[0] == 77.5f);
    }
    const Array<float> zeros(on, Floats(6)), bad(on, Floats{1, 2, 3, infinity}), largest(on, 1);
    CHECK_OK(on->largest_magnitude(zeros, 3, 1, 2, largest));
    CHECK(largest.read()[0] == 0.0f);
    CHECK_FAILS(on->largest_magnitude(bad, 2, 1, 2, largest), VQ4J_NOT_FINITE, "row 1");
    const Shape channels_first{30, 300, 5};
    Floats late(channels_first.size());
    late[channels_first.at(8765, 3)] = -infinity;
    const Array<float> bad_late(on, late);
    CHECK_FAILS(on->largest_magnitude(bad_late, 30, 300, 5, largest), VQ4J_NOT_FINITE, "row 8765");
}

void fixed_point_sums_are_exact(Implementation& on) {
    const int64_t codes_count = 5;
    for (const Shape shape : {Shape{1, 1, 1}, Shape{3, 101, 6}, Shape{70000, 1, 3}}) {
        const Floats rows = random_floats(shape.size(), 2, 3.0f, 2.0f);
        const Floats shift = random_floats(shape.features, 3);
        std::vector<int32_t> values(static_cast<size_t>(shape.rows()));
        for (size_t n = 0; n < values.size(); ++n) {
            values[n] = static_cast<int32_t>(n * n % 4);  // code 4 is never taken
        }
        const Array<float> z(on, rows), s(on, shift), back(on, codes_count * shape.features);
        const Array<int32_t> codes(on, values);
        const Array<int64_t> sums(on, codes_count * shape.features);
        for (const int32_t power : {1, 2}) {
            CHECK_OK(on->fixed_point_scatter(z, shape.outer, shape.inner, shape.features, codes, codes_count, s, power, 30,
                sums));
            std::vector<int64_t> expected(static_cast<size_t>(codes_count * shape.features));
            for (int64_t n = 0; n < shape.rows(); ++n) {
                for (int64_t d = 0; d < shape.features; ++d) {
                    const float x = rows[shape.at(n, d)] - shift[static_cast<size_t>(d)];
                    const float summand = power == 2 ? x * x : x;
                    expected[static_cast<size_t>(values[static_cast<size_t>(n)] * shape.features + d)] +=
                        rounded(std::ldexp(static_cast<double>(summand), 30));
                }
            }
            CHECK(sums.read() == expected);
            CHECK_OK(on->from_fixed_point(sums, codes_count * shape.features, 30, 7.0, back));
            const Floats values_back = back.read();
            for (size_t i = 0; i < expected.size(); ++i) {
                CHECK(values_back[i] == static_cast<float>(std::ldexp(static_cast<double>(expected[i]), -30) / 7.0));
            }
        }
    }
}

void parts_of_the_rows_add_up_to_the_whole(Implementation& on) {
    const int64_t rows_count = 1000, features = 4;
    const Floats rows = random_floats(rows_count * features, 4);
    const Array<float> z(on, rows);
    const auto sums_of = [&](int64_t begin, int64_t end) {
        const Array<int64_t> sums(on, features);
        CHECK_OK(on->fixed_point_scatter(z + begin * features, end - begin, 1, features, nullptr, 1, nullptr, 1, 38, sums));
        return sums.read();
    };
    const std::vector<int64_t> whole = sums_of(0, rows_count);
    for (const std::vector<int64_t>& cuts : {std::vector<int64_t>{0, 500, 1000}, {0, 1, 333, 999, 1000}}) {
        std::vector<int64_t> total(features);
        for (size_t part = 1; part < cuts.size(); ++part) {
            const std::vector<int64_t> sums = sums_of(cuts[part - 1], cuts[part]);
            for (size_t d = 0; d < total.size(); ++d) {
                total[d] += sums[d];
            }
        }
        CHECK(total == whole);
    }
}

void rows_without_codes_are_those_of_one_code(Implementation& on) {
    for (const Shape shape : {Shape{1, 1, 1}, Shape{3, 301, 6}, Shape{700, 1, 3}}) {
        const Array<float> z(on, random_floats(shape.size(), 7, 3.0f, 2.0f)), shift(on, random_floats(shape.features, 8));
        const Array<int32_t> zeros(on, std::vector<int32_t>(static_cast<size_t>(shape.rows())));
        const Array<int64_t> sums(on, shape.features), of_one_code(on, shape.features);
        for (const int32_t power : {1, 2}) {
            CHECK_OK(on->fixed_point_scatter(z, shape.outer, shape.inner, shape.features, nullptr, 1, shift, power, 30, sums));
            CHECK_OK(on->fixed_point_scatter(z, shape.outer, shape.inner, shape.features, zeros, 1, shift, power, 30,
                of_one_code));
            CHECK(sums.read() == of_one_code.read());
        }
    }
}

void of_rows_with_equal_tickets_the_first_is_drawn(Implementation& on) {
    const int64_t rows_count = 1200, period = 400, features = 2, codes_count = 6;
    const Floats some = random_floats(period * features, 10);
    Floats rows;
    for (int64_t n = 0; n < rows_count; n += period) {
        rows.insert(rows.end(), some.begin(), some.end());
    }
    const Array<float> z(on, rows);
    const Array<int32_t> mask(on, std::vector<int32_t>(codes_count, 1));
    const Array<int64_t> tickets(on, codes_count), chosen(on, codes_count), tickets_of_some(on, codes_count),
        chosen_of_some(on, codes_count);
    CHECK_OK(on->draw_rows(z, rows_count, 1, features, mask, codes_count, 9, 1, tickets, chosen));
    CHECK_OK(on->draw_rows(z, period, 1, features, mask, codes_count, 9, 1, tickets_of_some, chosen_of_some));
    CHECK(tickets.read() == tickets_of_some.read());
    CHECK(chosen.read() == chosen_of_some.read());
}

void candidates_depend_on_the_rows_bits_alone(Implementation& on) {
    const int64_t rows_count = 50, features = 3, codes_count = 8;
    const Floats rows = random_floats(rows_count * features, 5);
    Floats reversed;
    for (int64_t n = rows_count - 1; n >= 0; --n) {
        reversed.insert(reversed.end(), rows.begin() + n * features, rows.begin() + (n + 1) * features);
    }
    const Array<int32_t> mask(on, std::vector<int32_t>{1, 0, 1, 1, 1, 1, 0, 1});
    const auto draw = [&](const Floats& from, uint64_t step) {
        const Array<float> z(on, from);
        const Array<int64_t> tickets(on, codes_count), chosen(on, codes_count);
        CHECK_OK(on->draw_rows(z, rows_count, 1, features, mask, codes_count, 9, step, tickets, chosen));
        return std::make_pair(tickets.read(), chosen.read());
    };
    const auto [tickets, chosen] = draw(rows, 1);
    const auto [other_tickets, other_chosen] = draw(reversed, 1);
    CHECK(tickets == other_tickets);
    std::vector<int64_t> different;
    for (size_t k = 0; k < tickets.size(); ++k) {
        const bool marked = k != 1 && k != 6;
        CHECK((tickets[k] >= 0) == marked);
        CHECK(marked ? chosen[k] == rows_count - 1 - other_chosen[k] : chosen[k] == -1);
        if (marked && std::find(different.begin(), different.end(), chosen[k]) == different.end()) {
            different.push_back(chosen[k]);
        }
    }
    CHECK(different.size() > 3);
    CHECK(draw(rows, 2).second != chosen);
}

void tickets_are_those_by_which_rows_are_drawn(Implementation& on) {
    for (const Shape shape : {Shape{1, 1, 1}, Shape{7, 11, 3}, Shape{5000, 1, 4}}) {
        const Floats rows = random_floats(shape.size(), 6);
        const Array<float> z(on, rows);
        const Array<int32_t> mask(on, std::vector<int32_t>{1});
        const Array<int64_t> tickets(on, shape.rows()), largest(on, 1), chosen(on, 1);
        CHECK_OK(on->row_tickets(z, shape.outer, shape.inner, shape.features, 9, tickets));
        CHECK_OK(on->draw_rows(z, shape.outer, shape.inner, shape.features, mask, 1, 9, 0, largest, chosen));
        const std::vector<int64_t> all = tickets.read();
        CHECK(*std::max_element(all.begin(), all.end()) == largest.read()[0]);
        CHECK(all[static_cast<size_t>(chosen.read()[0])] == largest.read()[0]);
        const int64_t distinct = static_cast<int64_t>(std::set<int64_t>(all.begin(), all.end()).size());
        CHECK(distinct == shape.rows());
        CHECK_OK(on->row_tickets(z, shape.outer, shape.inner, shape.features, 10, tickets));
        CHECK(tickets.read() != all);
    }
}

void bad_arguments_of_sums_are_named(Implementation& on) {
    const Array<float> z(on, Floats(4));
    const Array<int64_t> sums(on, 4);
    CHECK_FAILS(on->fixed_point_scatter(z, 2, 1, 2, nullptr, 1, nullptr, 3, 0, sums), VQ4J_INVALID_ARGUMENT, "power", "3");
    CHECK_FAILS(on->fixed_point_scatter(z, 2, 1, 2, nullptr, 1, nullptr, 1, 300, sums), VQ4J_INVALID_ARGUMENT, "exponent",
        "300");
    CHECK_FAILS(on->from_fixed_point(sums, 0, 0, 1.0, z), VQ4J_INVALID_ARGUMENT, "count");
    CHECK_FAILS(on->row_tickets(z, 0, 1, 2, 1, sums), VQ4J_INVALID_ARGUMENT, "outer");
}

const std::vector<Test> tests = {
    TEST(the_largest_magnitude_is_found_whatever_its_sign),
    TEST(fixed_point_sums_are_exact),
    TEST(parts_of_the_rows_add_up_to_the_whole),
    TEST(rows_without_codes_are_those_of_one_code),
    TEST(of_rows_with_equal_tickets_the_first_is_drawn),
    TEST(candidates_depend_on_the_rows_bits_alone),
    TEST(tickets_are_those_by_which_rows_are_drawn),
    TEST(bad_arguments_of_sums_are_named),
};

}  // namespace
}  // namespace vq4j::testing

int main() {
    return vq4j::testing::run(vq4j::testing::tests);
}
