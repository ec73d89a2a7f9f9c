// Every operation against a plain reference in fp64 (assignment also against the canonical fp32 chain, bit for bit), on
// each implementation, the CPU with every instruction set of the machine and another number of threads each; then all
// outputs of the implementations against each other, bit for bit.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <set>

#include "assignment.hpp"

namespace vq4j::testing {
namespace {

// ---- data ------------------------------------------------------------------------------------------------------

std::vector<int32_t> random_codes(int64_t count, int64_t codes_count, unsigned seed) {
    std::mt19937 generator(seed);
    // Some codes are taken often, some never.
    std::geometric_distribution<int32_t> geometric(4.0 / static_cast<double>(codes_count + 4));
    std::vector<int32_t> codes(static_cast<size_t>(count));
    for (int32_t& code : codes) {
        code = static_cast<int32_t>(geometric(generator) % codes_count);
    }
    return codes;
}

const std::vector<Shape> shapes = {
    {1, 1, 1}, {1, 1, 37}, {7, 1, 3}, {129, 1, 8}, {257, 1, 32}, {2, 49, 5}, {3, 128, 16}, {600, 1, 17}, {5, 211, 33}};

// What the rows of the shape are, as a row-major N x D matrix.
Floats row_major(const Floats& values, Shape shape) {
    Floats rows(values.size());
    for (int64_t n = 0; n < shape.rows(); ++n) {
        for (int64_t d = 0; d < shape.features; ++d) {
            rows[static_cast<size_t>(n * shape.features + d)] = values[shape.at(n, d)];
        }
    }
    return rows;
}

// ---- assignment ------------------------------------------------------------------------------------------------

void assign_takes_the_canonical_code(Implementation& on) {
    for (const Shape shape : shapes) {
        for (const int64_t codes_count : {1, 2, 17, 128, 131, 300}) {
            const Floats rows = random_floats(shape.size(), 1);
            const Floats codebook = random_floats(codes_count * shape.features, 2);
            CHECK(assign(on, rows, shape, codebook) == canonical_codes(rows, shape, codebook));
        }
    }
}

void assign_is_nearest_in_fp64_far_from_the_origin(Implementation& on) {
    const Shape shape{300, 1, 8};
    const int64_t codes_count = 64;
    const Floats rows = random_floats(shape.size(), 3, 1000.0f);
    const Floats codebook = random_floats(codes_count * shape.features, 4, 1000.0f);
    const std::vector<int32_t> codes = assign(on, rows, shape, codebook);
    for (int64_t n = 0; n < shape.rows(); ++n) {
        Doubles distances(static_cast<size_t>(codes_count));
        for (int64_t k = 0; k < codes_count; ++k) {
            for (int64_t d = 0; d < shape.features; ++d) {
                const double difference = static_cast<double>(rows[shape.at(n, d)])
                    - static_cast<double>(codebook[static_cast<size_t>(k * shape.features + d)]);
                distances[static_cast<size_t>(k)] += difference * difference;
            }
        }
        const double least = *std::min_element(distances.begin(), distances.end());
        CHECK(distances[static_cast<size_t>(codes[static_cast<size_t>(n)])] <= least * (1.0 + 1e-5) + 1e-4);
    }
}

void assign_takes_the_lowest_of_equal_codes(Implementation& on) {
    const Shape shape{50, 1, 4};
    const Floats distinct = random_floats(20 * shape.features, 5);
    Floats codebook;
    for (int copy = 0; copy < 13; ++copy) {  // the copies of a code lie in different panels and lanes
        codebook.insert(codebook.end(), distinct.begin(), distinct.end());
    }
    for (const int32_t code : assign(on, random_floats(shape.size(), 6), shape, codebook)) {
        CHECK(code >= 0 && code < 20);
    }
}

void assign_reads_channels_first_rows_in_place(Implementation& on) {
    const Shape shape{3, 35, 9};
    const Floats rows = random_floats(shape.size(), 7);
    const Floats codebook = random_floats(40 * shape.features, 8);
    CHECK(assign(on, rows, shape, codebook) == assign(on, row_major(rows, shape), {105, 1, 9}, codebook));
}

void assign_does_not_depend_on_the_batch(Implementation& on) {
    const Shape shape{140, 1, 12};
    const Floats rows = random_floats(shape.size(), 9);
    const Floats codebook = random_floats(150 * shape.features, 10);
    const std::vector<int32_t> whole = assign(on, rows, shape, codebook);
    for (const int64_t n : {0, 1, 77, 139}) {
        const Floats row(rows.begin() + n * 12, rows.begin() + (n + 1) * 12);
        CHECK(assign(on, row, {1, 1, 12}, codebook)[0] == whole[static_cast<size_t>(n)]);
    }
}

void scores_that_overflow_never_win(Implementation& on) {
    // Row 0 overflows against code 1; row 1 against all codes and keeps the lowest.
    const Floats codebook = {0.0f, 1e30f, 3.0f};
    const std::vector<int32_t> codes = assign(on, {1.0f, 3.4e38f}, {2, 1, 1}, codebook);
    CHECK(codes[0] == canonical_codes({1.0f, 3.4e38f}, {2, 1, 1}, codebook)[0]);
    CHECK(codes[1] == canonical_codes({1.0f, 3.4e38f}, {2, 1, 1}, codebook)[1]);
}

void assign_names_the_first_bad_row(Implementation& on) {
    const Shape shape{3, 50, 6};
    Floats rows = random_floats(shape.size(), 11);
    rows[shape.at(141, 5)] = nan;
    rows[shape.at(77, 0)] = -infinity;
    const Array<float> z(on, rows);
    Floats codebook = random_floats(10 * shape.features, 12);
    const Array<float> c(on, codebook);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(10, shape.features));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_codebook(c, 10, shape.features, packed));
    CHECK_FAILS(on->assign(z, shape.outer, shape.inner, shape.features, packed, 10, codes), VQ4J_NOT_FINITE, "z",
        "row 77");
    codebook[7 * 6 + 2] = infinity;
    codebook[9 * 6] = nan;
    const Array<float> bad(on, codebook);
    CHECK_FAILS(on->pack_codebook(bad, 10, shape.features, packed), VQ4J_NOT_FINITE, "codebook", "row 7");
}

void packed_sizes_that_overflow_are_refused(Implementation& on) {
    CHECK(on->packed_codebook_bytes(int64_t{1} << 40, int64_t{1} << 30) == -1);
    CHECK(on->packed_codebook_bytes(0, 3) == -1);
    CHECK(on->packed_codebook_bytes(5, 3) > 0);
}

// ---- codes -----------------------------------------------------------------------------------------------------

void count_codes_counts(Implementation& on) {
    for (const int64_t rows_count : {1, 257, 5000}) {
        const std::vector<int32_t> values = random_codes(rows_count, 37, 13);
        const Array<int32_t> codes(on, values);
        const Array<int64_t> counts(on, 37);
        CHECK_OK(on->count_codes(codes, rows_count, 37, counts));
        std::vector<int64_t> expected(37);
        for (const int32_t code : values) {
            ++expected[static_cast<size_t>(code)];
        }
        CHECK(counts.read() == expected);
    }
    const Array<int32_t> codes(on, std::vector<int32_t>{4, 0, 5, -1});
    const Array<int64_t> counts(on, 5);
    CHECK_FAILS(on->count_codes(codes, 4, 5, counts), VQ4J_INVALID_ARGUMENT, "code 5", "row 2");
}

void lookup_copies_codes_bit_for_bit(Implementation& on) {
    for (const Shape shape : shapes) {
        const Floats codebook = random_floats(11 * shape.features, 14);
        const std::vector<int32_t> values = random_codes(shape.rows(), 11, 15);
        const Array<float> c(on, codebook);
        const Array<int32_t> codes(on, values);
        const Array<float> out(on, shape.size());
        CHECK_OK(on->lookup(c, 11, codes, shape.outer, shape.inner, shape.features, out));
        const Floats result = out.read();
        for (int64_t n = 0; n < shape.rows(); ++n) {
            for (int64_t d = 0; d < shape.features; ++d) {
                CHECK(result[shape.at(n, d)]
                    == codebook[static_cast<size_t>(values[static_cast<size_t>(n)] * shape.features + d)]);
            }
        }
    }
    const Array<float> c(on, Floats{1.0f, 2.0f});
    const Array<int32_t> codes(on, std::vector<int32_t>{1, -3});
    const Array<float> out(on, 2);
    CHECK_FAILS(on->lookup(c, 2, codes, 2, 1, 1, out), VQ4J_INVALID_ARGUMENT, "code -3", "row 1");
}

void lookup_of_groups_puts_the_codes_of_a_row_side_by_side(Implementation& on) {
    constexpr int64_t of_group = 5;
    for (const Shape shape : shapes) {
        for (const int64_t groups : {1, 3}) {
            const Shape each{shape.outer * groups, shape.inner, shape.features};
            const Floats codebooks = random_floats(groups * of_group * shape.features, 14);
            std::vector<int32_t> values = random_codes(each.rows(), of_group, 15);
            for (int64_t i = 0; i < each.rows(); ++i) {
                values[static_cast<size_t>(i)] += static_cast<int32_t>(i / shape.inner % groups * of_group);
            }
            const Array<float> c(on, codebooks), out(on, each.size());
            const Array<int32_t> codes(on, values);
            CHECK_OK(on->lookup_groups(c, of_group, codes, shape.outer, groups, shape.inner, shape.features, out));
            const Floats result = out.read();
            for (int64_t i = 0; i < each.rows(); ++i) {
                for (int64_t d = 0; d < shape.features; ++d) {
                    const int64_t k = values[static_cast<size_t>(i)];
                    CHECK(result[each.at(i, d)] == codebooks[static_cast<size_t>(k * shape.features + d)]);
                }
            }
        }
    }
    const Array<float> c(on, Floats{1.0f, 2.0f, 3.0f, 4.0f}), out(on, 4);
    const Array<int32_t> of_other_group(on, std::vector<int32_t>{1, 2, 1, 1});
    CHECK_FAILS(on->lookup_groups(c, 2, of_other_group, 2, 2, 1, 1, out), VQ4J_INVALID_ARGUMENT,
        "code 1 at position 3", "2 <= code < 4");
    const Array<int32_t> negative(on, std::vector<int32_t>{-1, 2});
    CHECK_FAILS(on->lookup_groups(c, 2, negative, 1, 2, 1, 1, out), VQ4J_INVALID_ARGUMENT, "code -1 at position 0");
    CHECK_FAILS(on->lookup_groups(c, 2, negative, 1, 0, 1, 1, out), VQ4J_INVALID_ARGUMENT, "groups", "0");
}

void stages_subtract_and_add_their_codes(Implementation& on) {
    for (const Shape shape : shapes) {
        const Floats rows = random_floats(shape.size(), 16);
        const Floats codebook = random_floats(7 * shape.features, 17);
        const std::vector<int32_t> values = random_codes(shape.rows(), 7, 18);
        const Array<float> z(on, rows), c(on, codebook), left(on, shape.size()), sum(on, rows);
        const Array<int32_t> codes(on, values);
        CHECK_OK(on->residual(z, shape.outer, shape.inner, shape.features, c, 7, codes, left));
        CHECK_OK(on->add_lookup(c, 7, codes, shape.outer, shape.inner, shape.features, sum));
        CHECK_OK(on->residual(z, shape.outer, shape.inner, shape.features, c, 7, codes, z));
        const Floats difference = left.read(), total = sum.read();
        CHECK(z.read() == difference);
        for (int64_t n = 0; n < shape.rows(); ++n) {
            for (int64_t d = 0; d < shape.features; ++d) {
                const size_t at = shape.at(n, d);
                const float e = codebook[static_cast<size_t>(values[static_cast<size_t>(n)] * shape.features + d)];
                CHECK(difference[at] == rows[at] - e);
                CHECK(total[at] == rows[at] + e);
            }
        }
    }
    const Array<float> x(on, Floats{1.0f, 2.0f});
    const Array<int32_t> codes(on, std::vector<int32_t>{0, 2});
    CHECK_FAILS(on->residual(x, 2, 1, 1, x, 2, codes, x), VQ4J_INVALID_ARGUMENT, "code 2", "row 1");
    CHECK_FAILS(on->add_lookup(x, 2, codes, 2, 1, 1, x), VQ4J_INVALID_ARGUMENT, "code 2", "row 1");
}

void a_code_of_minus_one_adds_nothing(Implementation& on) {
    for (const Shape shape : shapes) {
        const Floats rows = random_floats(shape.size(), 16);
        const Floats codebook = random_floats(7 * shape.features, 17);
        std::vector<int32_t> values = random_codes(shape.rows(), 7, 18);
        for (size_t n = 0; n < values.size(); ++n) {
            values[n] = n % 3 == 1 ? values[n] : -1;
        }
        const Array<float> c(on, codebook), sum(on, rows);
        const Array<int32_t> codes(on, values);
        CHECK_OK(on->add_lookup(c, 7, codes, shape.outer, shape.inner, shape.features, sum));
        const Floats total = sum.read();
        for (int64_t n = 0; n < shape.rows(); ++n) {
            const int32_t code = values[static_cast<size_t>(n)];
            for (int64_t d = 0; d < shape.features; ++d) {
                const size_t at = shape.at(n, d);
                const bool adds = code >= 0;
                CHECK(total[at] == (adds ? rows[at] + codebook[static_cast<size_t>(code * shape.features + d)] : rows[at]));
            }
        }
    }
    const Array<float> x(on, Floats{1.0f, 2.0f});
    const Array<int32_t> codes(on, std::vector<int32_t>{-1, -2});
    CHECK_FAILS(on->add_lookup(x, 2, codes, 2, 1, 1, x), VQ4J_INVALID_ARGUMENT, "code -2", "row 1");
    CHECK_FAILS(on->lookup(x, 2, codes, 2, 1, 1, x), VQ4J_INVALID_ARGUMENT, "code -1", "row 0");
}

// ---- parts of tensors ------------------------------------------------------------------------------------------

void parts_of_the_features_are_taken_and_put_back(Implementation& on) {
    for (const Shape shape : {Shape{1, 1, 1}, Shape{7, 1, 5}, Shape{3, 11, 6}, Shape{300, 1, 32}}) {
        const Floats rows = random_floats(shape.size(), 19);
        const int64_t first = shape.features / 3, count = std::max<int64_t>(1, shape.features / 2);
        const Array<float> z(on, rows), part(on, shape.rows() * count), whole(on, Floats(rows.size()));
        CHECK_OK(on->take_features(z, shape.outer, shape.inner, shape.features, first, count, part));
        CHECK_OK(on->put_features(part, shape.outer, shape.inner, shape.features, first, count, whole));
        const Floats taken = part.read(), put = whole.read();
        const Shape own{shape.outer, shape.inner, count};
        for (int64_t n = 0; n < shape.rows(); ++n) {
            for (int64_t d = 0; d < shape.features; ++d) {
                const bool inside = d >= first && d < first + count;
                const float expected = inside ? rows[shape.at(n, d)] : 0.0f;
                CHECK(put[shape.at(n, d)] == expected);
                CHECK(!inside || taken[own.at(n, d - first)] == expected);
            }
        }
        CHECK_FAILS(on->take_features(z, shape.outer, shape.inner, shape.features, shape.features, 1, part),
            VQ4J_INVALID_ARGUMENT, "features");
        CHECK_FAILS(on->put_features(part, shape.outer, shape.inner, shape.features, -1, 1, whole),
            VQ4J_INVALID_ARGUMENT, "from -1");
    }
}

void codes_of_a_stage_are_put_among_those_of_all_and_taken_back(Implementation& on) {
    const Array<int32_t> own(on, std::vector<int32_t>{4, -1, 6, 7, 8, 9});
    const Array<int32_t> all(on, std::vector<int32_t>(18));
    const Array<int32_t> back(on, 6);
    CHECK_OK(on->put_codes(own, 2, 3, 3, 1, 100, all));
    CHECK((all.read()
        == std::vector<int32_t>{0, 0, 0, 104, -1, 106, 0, 0, 0, 0, 0, 0, 107, 108, 109, 0, 0, 0}));
    CHECK_OK(on->take_codes(all, 2, 3, 3, 1, 100, 0, back));
    CHECK((back.read() == std::vector<int32_t>{4, -1, 6, 7, 8, 9}));
    CHECK_OK(on->take_codes(all, 2, 3, 3, 1, 100, 10, back));
    CHECK((back.read() == std::vector<int32_t>{4, -1, 6, 7, 8, 9}));
    CHECK_FAILS(on->take_codes(all, 2, 3, 3, 1, 100, 9, back), VQ4J_INVALID_ARGUMENT, "code 109 at position 14",
        "need 100 <= code < 109");
    CHECK_FAILS(on->take_codes(all, 2, 3, 3, 1, 105, 5, back), VQ4J_INVALID_ARGUMENT, "code 104 at position 3",
        "need 105 <= code < 110");
    CHECK_FAILS(on->put_codes(own, 2, 3, 3, 3, 0, all), VQ4J_INVALID_ARGUMENT, "stages = 3", "from 3");
}

void rows_are_taken_in_order_and_put_back(Implementation& on) {
    const Shape shape{3, 4, 5};
    const Floats rows = random_floats(shape.size(), 20);
    const std::vector<int64_t> numbers = {11, 0, 7, 3};
    const Array<float> z(on, rows), part(on, 4 * 5), whole(on, Floats(rows.size()));
    const Array<int64_t> order(on, numbers);
    CHECK_OK(on->take_rows(z, 3, 4, 5, order, 4, part));
    CHECK_OK(on->put_rows(part, order, 4, 3, 4, 5, whole));
    const Floats taken = part.read(), put = whole.read();
    for (int64_t n = 0; n < shape.rows(); ++n) {
        const auto found = std::find(numbers.begin(), numbers.end(), n);
        for (int64_t d = 0; d < 5; ++d) {
            const float expected = found != numbers.end() ? rows[shape.at(n, d)] : 0.0f;
            CHECK(put[shape.at(n, d)] == expected);
            CHECK(found == numbers.end() || taken[static_cast<size_t>((found - numbers.begin()) * 5 + d)] == expected);
        }
    }
    const Array<int64_t> beyond(on, std::vector<int64_t>{0, 12});
    CHECK_FAILS(on->take_rows(z, 3, 4, 5, beyond, 2, part), VQ4J_INVALID_ARGUMENT, "12", "position 1");
    CHECK_FAILS(on->put_rows(part, beyond, 2, 3, 4, 5, whole), VQ4J_INVALID_ARGUMENT, "12", "position 1");
}

void weighted_sum_is_one_fused_multiply_add(Implementation& on) {
    const Floats x = random_floats(1037, 21), y = random_floats(1037, 22);
    const Array<float> left(on, x), right(on, y), out(on, 1037);
    CHECK_OK(on->weighted_sum(0.3f, left, -1.7f, right, 1037, out));
    CHECK_OK(on->weighted_sum(0.3f, left, -1.7f, right, 1037, left));
    const Floats sum = out.read();
    for (size_t i = 0; i < x.size(); ++i) {
        CHECK(sum[i] == std::fma(0.3f, x[i], -1.7f * y[i]));
    }
    CHECK(left.read() == sum);
}

void the_first_batch_starts_a_running_average(Implementation& on) {
    const Floats values = random_floats(1037, 21);
    const Array<float> batch(on, values), out(on, 1037), never_read(on, Floats(1037, NAN));
    const Array<int32_t> not_yet(on, std::vector<int32_t>{0});
    CHECK_OK(on->running_average(0.1f, batch, not_yet, never_read, 1037, out));
    CHECK(out.read() == values);
}

void further_batches_move_a_running_average(Implementation& on) {
    const Floats values = random_floats(1037, 21), before = random_floats(1037, 22);
    const Array<float> batch(on, values), running(on, before), out(on, 1037);
    const Array<int32_t> started(on, std::vector<int32_t>{1});
    CHECK_OK(on->running_average(0.1f, batch, started, running, 1037, out));
    CHECK_OK(on->running_average(0.1f, batch, started, running, 1037, running));
    const Floats after = out.read();
    for (size_t i = 0; i < values.size(); ++i) {
        CHECK(after[i] == std::fma(0.1f, values[i], (1.0f - 0.1f) * before[i]));
    }
    CHECK(running.read() == after);
}

// More rows than the sort has tiles that every block adds up, and more codes than one pass of it has digits.
void sums_by_code_of_many_rows_and_codes(Implementation& on) {
    const int64_t rows_count = 70001;
    const Floats rows = random_floats(rows_count * 2, 61);
    const Array<float> z(on, rows);
    for (const int64_t codes_count : {int64_t{3}, int64_t{1024}, int64_t{1025}}) {
        const std::vector<int32_t> values = random_codes(rows_count, codes_count, 62);
        const Array<int32_t> codes(on, values);
        const Array<float> sums(on, codes_count * 2);
        CHECK_OK(on->scatter(z, rows_count, 1, 2, codes, codes_count, sums));
        Doubles expected(static_cast<size_t>(codes_count * 2));
        for (size_t i = 0; i < rows.size(); ++i) {
            expected[static_cast<size_t>(values[i / 2]) * 2 + i % 2] += static_cast<double>(rows[i]);
        }
        CHECK_CLOSE(sums.read(), expected, 1e-4);
    }
}

// Where few rows share the panels of the codebook between blocks, too, and where zeros have signs.
void the_lowest_of_equal_codes_wins_in_any_panel(Implementation& on) {
    const int64_t features = 3, half = 200;
    Floats codebook = random_floats(half * features, 63);
    codebook.insert(codebook.end(), codebook.begin(), codebook.end());
    const Shape shape{150, 1, features};
    const Floats rows = random_floats(shape.size(), 64);
    const Array<float> z(on, rows), c(on, codebook);
    const Array<float> nothing(on, Floats(static_cast<size_t>(shape.size()), -0.0f));
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(2 * half, features));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_codebook(c, 2 * half, features, packed));
    CHECK_OK(on->assign(z, shape.outer, 1, features, packed, 2 * half, codes));
    for (const int32_t code : codes.read()) {
        CHECK(code >= 0 && code < half);
    }
    const Array<float> zeros(on, Floats(codebook.size()));
    CHECK_OK(on->pack_codebook(zeros, 2 * half, features, packed));
    CHECK_OK(on->assign(nothing, shape.outer, 1, features, packed, 2 * half, codes));
    CHECK(codes.read() == std::vector<int32_t>(static_cast<size_t>(shape.rows())));
}

// ---- loss and gradients ----------------------------------------------------------------------------------------

void commitment_loss_is_the_mean_squared_error(Implementation& on) {
    for (const Shape shape : shapes) {
        const Floats rows = random_floats(shape.size(), 16, 0.5f);
        const Floats codebook = random_floats(9 * shape.features, 17);
        const std::vector<int32_t> values = random_codes(shape.rows(), 9, 18);
        const int64_t samples = shape.outer;
        const Array<float> z(on, rows);
        const Array<float> c(on, codebook);
        const Array<int32_t> codes(on, values);
        const Array<float> distances(on, shape.rows());
        const Array<double> sample_means(on, samples);
        const Array<double> mean(on, 1);
        CHECK_OK(on->commitment_loss(z, shape.outer, shape.inner, shape.features, c, codes, samples, distances,
            sample_means, mean, nullptr, nullptr));
        Doubles expected(static_cast<size_t>(shape.rows()));
        Doubles expected_means(static_cast<size_t>(samples));
        for (int64_t n = 0; n < shape.rows(); ++n) {
            for (int64_t d = 0; d < shape.features; ++d) {
                const double difference = static_cast<double>(rows[shape.at(n, d)])
                    - static_cast<double>(codebook[static_cast<size_t>(values[static_cast<size_t>(n)] * shape.features + d)]);
                expected[static_cast<size_t>(n)] += difference * difference;
            }
            expected_means[static_cast<size_t>(n * samples / shape.rows())] +=
                expected[static_cast<size_t>(n)] * static_cast<double>(samples) / static_cast<double>(shape.size());
        }
        const double total = std::accumulate(expected.begin(), expected.end(), 0.0);
        CHECK_CLOSE(distances.read(), expected, 1e-6);
        CHECK_CLOSE(sample_means.read(), expected_means, 1e-6);
        CHECK_CLOSE(mean.read(), Doubles{total / static_cast<double>(shape.size())}, 1e-6);
    }
    const Array<float> z(on, Floats(6));
    const Array<int32_t> codes(on, std::vector<int32_t>(6));
    const Array<double> means(on, 4);
    CHECK_FAILS(on->commitment_loss(z, 6, 1, 1, z, codes, 4, z, means, means, nullptr, nullptr), VQ4J_INVALID_ARGUMENT,
        "samples", "6", "4");
}

void commitment_loss_gives_codes_and_what_they_leave(Implementation& on) {
    for (const Shape shape : shapes) {
        const Array<float> z(on, random_floats(shape.size(), 16)), c(on, random_floats(9 * shape.features, 17));
        const Array<int32_t> codes(on, random_codes(shape.rows(), 9, 18));
        const Array<float> expected_codes(on, shape.size()), expected_left(on, shape.size());
        CHECK_OK(on->lookup(c, 9, codes, shape.outer, shape.inner, shape.features, expected_codes));
        CHECK_OK(on->residual(z, shape.outer, shape.inner, shape.features, c, 9, codes, expected_left));
        const Array<float> distances(on, shape.rows()), out(on, shape.size()), left(on, shape.size());
        const Array<double> means(on, shape.outer), mean(on, 1);
        const auto measure = [&](float* e, float* rest) {
            CHECK_OK(on->commitment_loss(z, shape.outer, shape.inner, shape.features, c, codes, shape.outer, distances,
                means, mean, e, rest));
            return distances.read();
        };
        const Floats alone = measure(nullptr, nullptr);
        CHECK(measure(out, nullptr) == alone);
        CHECK(out.read() == expected_codes.read());
        CHECK(measure(nullptr, left) == alone);
        CHECK(left.read() == expected_left.read());
        const Array<float> out_of_both(on, shape.size()), left_of_both(on, shape.size());
        CHECK(measure(out_of_both, left_of_both) == alone);
        CHECK(out_of_both.read() == expected_codes.read());
        CHECK(left_of_both.read() == expected_left.read());
    }
}

void input_gradient_is_straight_through_plus_commitment(Implementation& on) {
    for (const Shape shape : shapes) {
        for (const bool with_grad : {true, false}) {
            const Floats rows = random_floats(shape.size(), 19);
            const Floats upstream = random_floats(shape.size(), 20);
            const Floats codebook = random_floats(9 * shape.features, 21);
            const std::vector<int32_t> values = random_codes(shape.rows(), 9, 22);
            const Array<float> z(on, rows);
            const Array<float> grad(on, upstream);
            const Array<float> c(on, codebook);
            const Array<int32_t> codes(on, values);
            const Array<float> out(on, shape.size());
            float* const none = nullptr;
            CHECK_OK(on->input_gradient(z, with_grad ? grad : none, shape.outer, shape.inner, shape.features, c, codes, 0.3f,
                out));
            Doubles expected(static_cast<size_t>(shape.size()));
            for (int64_t n = 0; n < shape.rows(); ++n) {
                for (int64_t d = 0; d < shape.features; ++d) {
                    const size_t i = shape.at(n, d);
                    const float e = codebook[static_cast<size_t>(values[static_cast<size_t>(n)] * shape.features + d)];
                    expected[i] = (with_grad ? static_cast<double>(upstream[i]) : 0.0)
                        + static_cast<double>(0.3f) * (static_cast<double>(rows[i]) - static_cast<double>(e));
                }
            }
            CHECK_CLOSE(out.read(), expected, 1e-6);
        }
    }
}

// The sum over the rows of each code of term(n, d).
Doubles sum_by_code(Shape shape, const std::vector<int32_t>& codes, int64_t codes_count,
    const std::function<double(int64_t, int64_t)>& term) {
    Doubles sums(static_cast<size_t>(codes_count * shape.features));
    for (int64_t n = 0; n < shape.rows(); ++n) {
        for (int64_t d = 0; d < shape.features; ++d) {
            sums[static_cast<size_t>(codes[static_cast<size_t>(n)] * shape.features + d)] += term(n, d);
        }
    }
    return sums;
}

void check_unused_codes_are_zero(const Floats& result, const std::vector<int32_t>& codes, int64_t features) {
    std::set<int64_t> used(codes.begin(), codes.end());
    for (size_t i = 0; i < result.size(); ++i) {
        if (used.count(static_cast<int64_t>(i) / features) == 0) {
            uint32_t bits;
            std::memcpy(&bits, &result[i], sizeof bits);
            CHECK(bits == 0);
        }
    }
}

void scatter_and_codebook_gradient_sum_by_code(Implementation& on) {
    for (const Shape shape : {Shape{1, 1, 1}, Shape{7, 1, 3}, Shape{2050, 1, 5}, Shape{5, 211, 33}, Shape{4100, 1, 2}}) {
        for (const int64_t codes_count : {1, 5, 16, 17, 300, 5000}) {
            const Floats rows = random_floats(shape.size(), 23);
            const Floats upstream = random_floats(shape.size(), 24);
            const Floats codebook = random_floats(codes_count * shape.features, 25);
            const std::vector<int32_t> values = random_codes(shape.rows(), codes_count, 26);
            const Array<float> z(on, rows);
            const Array<float> grad(on, upstream);
            const Array<float> c(on, codebook);
            const Array<int32_t> codes(on, values);
            const Array<float> out(on, codes_count * shape.features);

            CHECK_OK(on->scatter(z, shape.outer, shape.inner, shape.features, codes, codes_count, out));
            Floats result = out.read();
            CHECK_CLOSE(result, sum_by_code(shape, values, codes_count, [&](int64_t n, int64_t d) {
                return static_cast<double>(rows[shape.at(n, d)]);
            }), 2e-5);
            check_unused_codes_are_zero(result, values, shape.features);

            for (const bool with_grad : {true, false}) {
                float* const none = nullptr;
                CHECK_OK(on->codebook_gradient(z, with_grad ? grad : none, shape.outer, shape.inner, shape.features, c, codes,
                    codes_count, 0.25f, 2.0f, out));
                result = out.read();
                CHECK_CLOSE(result, sum_by_code(shape, values, codes_count, [&](int64_t n, int64_t d) {
                    const size_t i = shape.at(n, d);
                    const float e = codebook[static_cast<size_t>(values[static_cast<size_t>(n)] * shape.features + d)];
                    return (with_grad ? 2.0 * static_cast<double>(upstream[i]) : 0.0)
                        + 0.25 * (static_cast<double>(e) - static_cast<double>(rows[i]));
                }), 5e-5);
                check_unused_codes_are_zero(result, values, shape.features);
            }
        }
    }
}

// Read at once or twice: the same bits. Without nu the codes do not depend on the task's gradient.
void both_gradients_together_are_as_one_by_one(Implementation& on) {
    for (const Shape shape : {Shape{1, 1, 1}, Shape{7, 1, 3}, Shape{2050, 1, 5}, Shape{700, 1, 70}, Shape{5, 211, 33}}) {
        for (const int64_t codes_count : {1, 17, 3000}) {
            const Array<float> z(on, random_floats(shape.size(), 23)), grad(on, random_floats(shape.size(), 24));
            const Array<float> c(on, random_floats(codes_count * shape.features, 25));
            const Array<int32_t> codes(on, random_codes(shape.rows(), codes_count, 26));
            const Array<float> of_rows(on, shape.size()), together_of_rows(on, shape.size());
            const Array<float> of_codes(on, codes_count * shape.features), together_of_codes(on, codes_count * shape.features);
            float* const none = nullptr;
            for (const float nu : {0.0f, 2.0f}) {
                for (float* const g : {static_cast<float*>(grad), none}) {
                    CHECK_OK(on->input_gradient(z, g, shape.outer, shape.inner, shape.features, c, codes, 0.3f, of_rows));
                    CHECK_OK(on->codebook_gradient(z, nu == 0.0f ? none : g, shape.outer, shape.inner, shape.features, c,
                        codes, codes_count, 0.25f, nu, of_codes));
                    CHECK_OK(on->gradients(z, g, shape.outer, shape.inner, shape.features, c, codes, codes_count, 0.3f, 0.25f,
                        nu, together_of_rows, together_of_codes));
                    CHECK(together_of_rows.read() == of_rows.read());
                    CHECK(together_of_codes.read() == of_codes.read());
                }
            }
        }
    }
}

void gradients_name_the_first_bad_row(Implementation& on) {
    const Shape shape{2, 30, 4};
    const Array<float> z(on, random_floats(shape.size(), 27));
    Floats upstream = random_floats(shape.size(), 28);
    upstream[shape.at(41, 3)] = infinity;
    upstream[shape.at(44, 0)] = nan;
    const Array<float> grad(on, upstream);
    const Array<float> c(on, random_floats(3 * 4, 29));
    const Array<int32_t> codes(on, random_codes(60, 3, 30));
    const Array<float> out(on, shape.size());
    const Array<float> of_codes(on, 3 * 4);
    for (const int64_t inner : {1, 30}) {
        const char* const row = inner == 1 ? "row 33" : "row 41";  // where the first bad element lies
        CHECK_FAILS(on->gradients(z, grad, 60 / inner, inner, 4, c, codes, 3, 1.0f, 1.0f, 0.0f, out, of_codes),
            VQ4J_NOT_FINITE, "gradient", row);
    }
    CHECK_FAILS(on->input_gradient(z, grad, 2, 30, 4, c, codes, 1.0f, out), VQ4J_NOT_FINITE, "gradient", "row 41");
    CHECK_FAILS(on->codebook_gradient(z, grad, 2, 30, 4, c, codes, 3, 1.0f, 1.0f, out), VQ4J_NOT_FINITE, "gradient",
        "row 41");
    const Array<float> mean(on, Floats(4));
    const Array<float> variance(on, Floats(4, 1.0f));
    CHECK_FAILS(on->normalize_gradient(z, grad, 2, 30, 4, 1, 4, mean, variance, 0.0f, nullptr, 0, out, nullptr, nullptr),
        VQ4J_NOT_FINITE, "gradient", "row 41");
}

// ---- norms -----------------------------------------------------------------------------------------------------

struct Grouping {
    int64_t samples;
    int64_t groups;
};

std::vector<Grouping> groupings(Shape shape) {
    std::vector<Grouping> all = {{1, shape.features}, {1, 1}};
    if (shape.inner > 1) {
        all.push_back({shape.outer, shape.features});
    }
    if (shape.features == 16) {
        all.push_back({shape.outer, 4});
    }
    return all;
}

size_t group_of(Shape shape, Grouping grouping, int64_t n, int64_t d) {
    return static_cast<size_t>(n * grouping.samples / shape.rows() * grouping.groups
        + d * grouping.groups / shape.features);
}

struct GroupMoments {
    Doubles mean;
    Doubles variance;
};

GroupMoments moments_in_fp64(const Floats& rows, Shape shape, Grouping grouping) {
    const auto groups = static_cast<size_t>(grouping.samples * grouping.groups);
    const double elements = static_cast<double>(shape.size()) / static_cast<double>(groups);
    GroupMoments moments{Doubles(groups), Doubles(groups)};
    for (Doubles* sums : {&moments.mean, &moments.variance}) {
        for (int64_t n = 0; n < shape.rows(); ++n) {
            for (int64_t d = 0; d < shape.features; ++d) {
                const size_t group = group_of(shape, grouping, n, d);
                const double value = static_cast<double>(rows[shape.at(n, d)]);
                const double difference = value - moments.mean[group];
                (*sums)[group] += (sums == &moments.mean ? value : difference * difference);
            }
        }
        for (double& sum : *sums) {
            sum /= elements;
        }
    }
    return moments;
}

void moments_keep_five_digits_far_from_zero(Implementation& on) {
    for (const Shape shape : shapes) {
        for (const Grouping grouping : groupings(shape)) {
            for (const float centre : {0.0f, 1e4f}) {
                const Floats rows = random_floats(shape.size(), 31, centre);
                const Array<float> z(on, rows);
                const Array<float> mean(on, grouping.samples * grouping.groups);
                const Array<float> variance(on, grouping.samples * grouping.groups);
                CHECK_OK(on->moments(z, shape.outer, shape.inner, shape.features, grouping.samples, grouping.groups, mean,
                    variance));
                const GroupMoments expected = moments_in_fp64(rows, shape, grouping);
                CHECK_CLOSE(mean.read(), expected.mean, 1e-6);
                CHECK_CLOSE(variance.read(), expected.variance, 1e-5);
            }
        }
    }
    const Array<float> z(on, Floats{1.0f, 2.0f, nan, 3.0f});
    const Array<float> out(on, 2);
    CHECK_FAILS(on->moments(z, 2, 1, 2, 1, 2, out, out), VQ4J_NOT_FINITE, "z", "row 1");
    CHECK_FAILS(on->moments(z, 1, 1, 4, 1, 3, out, out), VQ4J_INVALID_ARGUMENT, "groups", "features = 4", "3");
    const Array<float> large(on, Floats{1.0f, 2.0f, 1e22f, -1e22f, 3e38f, -3e38f});
    const Array<float> three(on, 3);
    CHECK_FAILS(on->moments(large, 6, 1, 1, 3, 1, three, three), VQ4J_NOT_FINITE, "the variance of z", "row 1");
    CHECK_FAILS(on->moments(large, 2, 1, 3, 1, 3, three, three), VQ4J_NOT_FINITE, "the variance of z", "row 0");
}

// More than one span of 64 chunks of 256 rows, the last of them not full; the last shape is larger than caches.
void moments_of_many_rows_are_those_of_fp64(Implementation& on) {
    for (const Shape shape : {Shape{40001, 1, 3}, Shape{3, 16640, 2}, Shape{60001, 1, 71}}) {
        for (const int64_t samples : {int64_t{1}, shape.outer == 3 ? shape.outer : int64_t{1}}) {
            for (const int64_t groups : {int64_t{1}, shape.features}) {
                const Grouping grouping{samples, groups};
                const Floats rows = random_floats(shape.size(), 32, 50.0f);
                const Array<float> z(on, rows);
                const Array<float> mean(on, samples * groups), variance(on, samples * groups);
                CHECK_OK(on->moments(z, shape.outer, shape.inner, shape.features, samples, groups, mean, variance));
                const GroupMoments expected = moments_in_fp64(rows, shape, grouping);
                CHECK_CLOSE(mean.read(), expected.mean, 1e-6);
                CHECK_CLOSE(variance.read(), expected.variance, 1e-5);
            }
        }
    }
}

void normalize_and_its_gradient_follow_their_formulas(Implementation& on) {
    const float epsilon = 1e-5f;
    for (const Shape shape : shapes) {
        if (shape.rows() == 1) {
            continue;  // variance 0: its gradient is all rounding
        }
        for (const Grouping grouping : groupings(shape)) {
            for (const bool with_parameters : {true, false}) {
                const Floats rows = random_floats(shape.size(), 32, 0.5f, 2.0f);
                const Floats upstream = random_floats(shape.size(), 33);
                const Floats scale = with_parameters ? random_floats(shape.features, 34) : Floats(
                    static_cast<size_t>(shape.features), 1.0f);
                const Floats shift = with_parameters ? random_floats(shape.features, 35) : Floats(
                    static_cast<size_t>(shape.features), 0.0f);
                const GroupMoments exact = moments_in_fp64(rows, shape, grouping);
                const Floats means(exact.mean.begin(), exact.mean.end());
                const Floats variances(exact.variance.begin(), exact.variance.end());

                Doubles hat(rows.size()), expected(rows.size()), grad_scale(scale.size()), grad_shift(scale.size());
                Doubles sum(means.size()), product(means.size());
                for (int64_t n = 0; n < shape.rows(); ++n) {
                    for (int64_t d = 0; d < shape.features; ++d) {
                        const size_t i = shape.at(n, d);
                        const auto f = static_cast<size_t>(d);
                        const size_t group = group_of(shape, grouping, n, d);
                        hat[i] = (static_cast<double>(rows[i]) - static_cast<double>(means[group]))
                            / std::sqrt(static_cast<double>(variances[group]) + static_cast<double>(epsilon));
                        expected[i] = hat[i] * static_cast<double>(scale[f]) + static_cast<double>(shift[f]);
                        grad_scale[f] += static_cast<double>(upstream[i]) * hat[i];
                        grad_shift[f] += static_cast<double>(upstream[i]);
                        sum[group] += static_cast<double>(upstream[i]) * static_cast<double>(scale[f]);
                        product[group] += static_cast<double>(upstream[i]) * static_cast<double>(scale[f]) * hat[i];
                    }
                }

                float* const none = nullptr;
                const Array<float> z(on, rows);
                const Array<float> grad(on, upstream);
                const Array<float> mean(on, means);
                const Array<float> variance(on, variances);
                const Array<float> scales(on, scale);
                const Array<float> shifts(on, shift);
                const Array<float> out(on, shape.size());
                CHECK_OK(on->normalize(z, shape.outer, shape.inner, shape.features, grouping.samples, grouping.groups, mean,
                    variance, epsilon, with_parameters ? scales : none, with_parameters ? shifts : none, out));
                CHECK_CLOSE(out.read(), expected, 2e-6);

                for (const bool batch_statistics : {true, false}) {
                    const double elements = static_cast<double>(rows.size()) / static_cast<double>(means.size());
                    for (int64_t n = 0; n < shape.rows(); ++n) {
                        for (int64_t d = 0; d < shape.features; ++d) {
                            const size_t i = shape.at(n, d);
                            const size_t group = group_of(shape, grouping, n, d);
                            const double g =
                                static_cast<double>(upstream[i]) * static_cast<double>(scale[static_cast<size_t>(d)]);
                            const double through_moments =
                                batch_statistics ? (sum[group] + hat[i] * product[group]) / elements : 0.0;
                            expected[i] = (g - through_moments)
                                / std::sqrt(static_cast<double>(variances[group]) + static_cast<double>(epsilon));
                        }
                    }
                    const Array<float> of_scale(on, shape.features);
                    const Array<float> of_shift(on, shape.features);
                    CHECK_OK(on->normalize_gradient(z, grad, shape.outer, shape.inner, shape.features, grouping.samples,
                        grouping.groups, mean, variance, epsilon, with_parameters ? scales : none, batch_statistics, out,
                        with_parameters ? of_scale : none, with_parameters ? of_shift : none));
                    CHECK_CLOSE(out.read(), expected, 5e-6);
                    if (with_parameters) {
                        CHECK_CLOSE(of_scale.read(), grad_scale, 2e-5);
                        CHECK_CLOSE(of_shift.read(), grad_shift, 2e-5);
                    }
                }
            }
        }
    }
}

void row_norms_and_their_gradients_follow_their_formulas(Implementation& on) {
    for (const Shape shape : shapes) {
        for (const int32_t kind : {VQ4J_UNIT, VQ4J_MAX_NORM}) {
            // With this deviation some rows of most shapes are longer than 10 and some are not.
            const Floats rows = random_floats(shape.size(), 36, 0.0f, 10.0f / std::sqrt(static_cast<float>(shape.features)));
            const Floats upstream = random_floats(shape.size(), 37);
            Doubles expected(rows.size()), expected_grad(rows.size());
            for (int64_t n = 0; n < shape.rows(); ++n) {
                double squared = 0.0, dot = 0.0;
                for (int64_t d = 0; d < shape.features; ++d) {
                    const size_t i = shape.at(n, d);
                    squared += static_cast<double>(rows[i]) * static_cast<double>(rows[i]);
                    dot += static_cast<double>(rows[i]) * static_cast<double>(upstream[i]);
                }
                const double length = std::sqrt(squared);
                const bool scaled = kind == VQ4J_UNIT || length > 10.0;
                const double factor = !scaled ? 1.0 : (kind == VQ4J_UNIT ? 1.0 : 10.0) / length;
                for (int64_t d = 0; d < shape.features; ++d) {
                    const size_t i = shape.at(n, d);
                    expected[i] = factor * static_cast<double>(rows[i]);
                    expected_grad[i] = factor
                        * (static_cast<double>(upstream[i]) - (scaled ? dot / squared * static_cast<double>(rows[i]) : 0.0));
                }
            }
            const Array<float> z(on, rows);
            const Array<float> grad(on, upstream);
            const Array<float> out(on, shape.size());
            CHECK_OK(on->row_norm(z, shape.outer, shape.inner, shape.features, kind, out));
            CHECK_CLOSE(out.read(), expected, 1e-6);
            CHECK_OK(on->row_norm_gradient(z, grad, shape.outer, shape.inner, shape.features, kind, out));
            CHECK_CLOSE(out.read(), expected_grad, 5e-6);
            CHECK_OK(on->row_norm_gradient(z, grad, shape.outer, shape.inner, shape.features, kind, grad));
            CHECK_CLOSE(grad.read(), expected_grad, 5e-6);
            CHECK_OK(on->row_norm(z, shape.outer, shape.inner, shape.features, kind, z));
            CHECK_CLOSE(z.read(), expected, 1e-6);
        }
    }
    const Array<float> zeros(on, Floats(3));
    const Array<float> out(on, 3);
    CHECK_OK(on->row_norm(zeros, 1, 1, 3, VQ4J_UNIT, out));
    CHECK(out.read() == Floats(3));
    const Array<float> bad(on, Floats{1.0f, infinity});
    CHECK_FAILS(on->row_norm(bad, 2, 1, 1, VQ4J_UNIT, out), VQ4J_NOT_FINITE, "z", "row 1");
    CHECK_FAILS(on->row_norm(zeros, 1, 1, 3, 2, out), VQ4J_INVALID_ARGUMENT, "kind", "2");
}

// ---- affine ----------------------------------------------------------------------------------------------------

void affine_and_its_gradient_follow_their_formulas(Implementation& on) {
    struct Size {
        int64_t codes_count;
        int64_t features;
        int64_t groups;
    };
    for (const Size size : {Size{1, 1, 1}, Size{6, 5, 3}, Size{600, 7, 1}, Size{600, 7, 2}, Size{31, 33, 31}}) {
        const int64_t count = size.codes_count * size.features;
        const int64_t parameters = size.groups * size.features;
        const Floats codebook = random_floats(count, 38);
        const Floats upstream = random_floats(count, 39);
        const Floats a = random_floats(parameters, 40);
        const Floats o = random_floats(parameters, 41);
        const Array<float> c(on, codebook);
        const Array<float> grad(on, upstream);
        const Array<float> scale_parameter(on, a);
        const Array<float> bias_parameter(on, o);
        const Array<float> scale(on, parameters);
        const Array<float> shift(on, parameters);
        CHECK_OK(on->affine_learned(scale_parameter, bias_parameter, parameters, 0.5f, scale, shift));
        Doubles scales, shifts;
        for (size_t i = 0; i < a.size(); ++i) {
            scales.push_back(1.0 + 0.5 * static_cast<double>(a[i]));
            shifts.push_back(0.5 * static_cast<double>(o[i]));
        }
        CHECK_CLOSE(scale.read(), scales, 1e-6);
        CHECK_CLOSE(shift.read(), shifts, 1e-6);

        const Array<float> out(on, count);
        CHECK_OK(on->affine(c, size.codes_count, size.features, size.groups, scale, shift, out));
        Doubles expected, expected_grad;
        Doubles grad_a(a.size()), grad_o(a.size());
        for (int64_t i = 0; i < count; ++i) {
            const int64_t group = i / size.features / (size.codes_count / size.groups);
            const auto p = static_cast<size_t>(group * size.features + i % size.features);
            const double code = static_cast<double>(codebook[static_cast<size_t>(i)]);
            const double g = static_cast<double>(upstream[static_cast<size_t>(i)]);
            expected.push_back(scales[p] * code + shifts[p]);
            expected_grad.push_back(scales[p] * g);
            grad_a[p] += 0.5 * g * code;
            grad_o[p] += 0.5 * g;
        }
        CHECK_CLOSE(out.read(), expected, 1e-6);

        const Array<float> of_scale(on, parameters);
        const Array<float> of_bias(on, parameters);
        CHECK_OK(on->affine_gradient(grad, c, size.codes_count, size.features, size.groups, scale, 0.5f, out, of_scale,
            of_bias));
        CHECK_CLOSE(out.read(), expected_grad, 1e-6);
        CHECK_CLOSE(of_scale.read(), grad_a, 1e-5);
        CHECK_CLOSE(of_bias.read(), grad_o, 1e-5);
        CHECK_OK(on->affine_gradient(grad, c, size.codes_count, size.features, size.groups, scale, 0.5f, grad, nullptr,
            nullptr));
        CHECK_CLOSE(grad.read(), expected_grad, 1e-6);
    }
    const Array<float> c(on, Floats(10));
    CHECK_FAILS(on->affine(c, 10, 1, 3, c, c, c), VQ4J_INVALID_ARGUMENT, "groups", "codes_count = 10", "3");
}

void statistics_affine_matches_moments(Implementation& on) {
    const Floats mean_z = random_floats(5, 42), mean_c = random_floats(10, 43);
    Floats var_z = random_floats(5, 44), var_c = random_floats(10, 45);
    for (Floats* variances : {&var_z, &var_c}) {
        for (float& value : *variances) {
            value = value * value;
        }
    }
    var_c[3] = 0.0f;
    const Array<float> mz(on, mean_z), vz(on, var_z), mc(on, mean_c), vc(on, var_c);
    const Array<float> scale(on, 10), shift(on, 10);
    CHECK_OK(on->affine_statistics(mz, vz, mc, vc, 2, 5, scale, shift));
    Doubles scales, shifts;
    for (size_t i = 0; i < 10; ++i) {
        scales.push_back(std::sqrt(static_cast<double>(var_z[i % 5]) / (static_cast<double>(var_c[i]) + 1e-8)));
        shifts.push_back(static_cast<double>(mean_z[i % 5]) - scales[i] * static_cast<double>(mean_c[i]));
    }
    CHECK_CLOSE(scale.read(), scales, 1e-6);
    CHECK_CLOSE(shift.read(), shifts, 1e-6);
}

// ---- optimisers ------------------------------------------------------------------------------------------------

void sgd_follows_its_recurrence(Implementation& on) {
    for (const double momentum : {0.0, 0.9}) {
        Floats initial = random_floats(301, 48);
        Doubles p(initial.begin(), initial.end()), v(301);
        const Array<float> parameter(on, initial);
        const Array<float> velocity(on, Floats(301));
        const Array<int64_t> steps(on, std::vector<int64_t>(2));
        for (unsigned step = 0; step < 4; ++step) {
            const Floats gradient = random_floats(301, 49 + step);
            const Array<float> g(on, gradient);
            float* const tensor[] = {parameter, g, momentum != 0.0 ? static_cast<float*>(velocity) : nullptr};
            const int64_t count = 301;
            int64_t* const counter = steps;
            CHECK_OK(on->sgd_step(tensor, &count, &counter, 1, nullptr, 0, 0.05, momentum, 0.01));
            for (size_t i = 0; i < 301; ++i) {
                v[i] = momentum * v[i] + static_cast<double>(gradient[i]) + 0.01 * p[i];
                p[i] -= 0.05 * v[i];
            }
            CHECK_CLOSE(parameter.read(), p, 2e-6);
            CHECK(steps.read()[0] == step + 1);
        }
    }
    const Array<float> parameter(on, Floats{1.0f});
    const Array<int64_t> steps(on, std::vector<int64_t>(2));
    float* const tensor[] = {parameter, parameter, nullptr};
    int64_t count = 1;
    int64_t* const counter = steps;
    CHECK_FAILS(on->sgd_step(tensor, &count, &counter, 1, nullptr, 0, 0.1, 0.9, 0.0), VQ4J_INVALID_ARGUMENT, "null");
    CHECK_FAILS(on->sgd_step(tensor, &count, &counter, 0, nullptr, 0, 0.1, 0.0, 0.0), VQ4J_INVALID_ARGUMENT,
        "tensors_count", "0");
    count = 0;
    CHECK_FAILS(on->sgd_step(tensor, &count, &counter, 1, nullptr, 0, 0.1, 0.0, 0.0), VQ4J_INVALID_ARGUMENT, "counts", "0");
}

void adam_follows_its_recurrence(Implementation& on) {
    for (const bool decoupled : {false, true}) {
        Floats initial = random_floats(301, 53);
        Doubles p(initial.begin(), initial.end()), m(301), v(301);
        const Array<float> parameter(on, initial), first(on, Floats(301)), second(on, Floats(301));
        const Array<int64_t> steps(on, std::vector<int64_t>(2));
        for (int step = 1; step <= 5; ++step) {
            const Floats gradient = random_floats(301, 54 + static_cast<unsigned>(step));
            const Array<float> g(on, gradient);
            float* const tensor[] = {parameter, g, first, second};
            const int64_t count = 301;
            int64_t* const counter = steps;
            CHECK_OK(on->adam_step(tensor, &count, &counter, 1, nullptr, 0, 1e-2, 0.9, 0.999, 1e-8, 0.1, decoupled));
            for (size_t i = 0; i < 301; ++i) {
                const double grad = static_cast<double>(gradient[i]) + (decoupled ? 0.0 : 0.1 * p[i]);
                p[i] -= decoupled ? 1e-2 * 0.1 * p[i] : 0.0;
                m[i] = 0.9 * m[i] + 0.1 * grad;
                v[i] = 0.999 * v[i] + 0.001 * grad * grad;
                p[i] -= 1e-2 * (m[i] / (1.0 - std::pow(0.9, step)))
                    / (std::sqrt(v[i] / (1.0 - std::pow(0.999, step))) + 1e-8);
            }
            CHECK_CLOSE(parameter.read(), p, 5e-6);
            CHECK_CLOSE(first.read(), m, 2e-6);
            CHECK_CLOSE(second.read(), v, 2e-6);
            CHECK(steps.read()[0] == step);
        }
    }
}

// Tensors of all sizes about those of a block, more of them than a kernel takes, each with a count of steps of its own.
void tensors_that_are_stepped_together_are_as_those_stepped_alone(Implementation& on) {
    constexpr int64_t tensors_count = 70;
    std::vector<int64_t> counts(tensors_count);
    for (int64_t i = 0; i < tensors_count; ++i) {
        counts[static_cast<size_t>(i)] = i % 5 == 0 ? 1024 * (1 + i % 3) + i % 2 : i + 1;
    }
    std::vector<Floats> expected;
    for (const bool together : {false, true}) {
        std::vector<std::unique_ptr<Array<float>>> memory;
        std::vector<std::unique_ptr<Array<int64_t>>> steps;
        std::vector<float*> of_adam, of_sgd;
        std::vector<int64_t*> adam_counters, sgd_counters;
        for (int64_t i = 0; i < tensors_count; ++i) {
            const auto number = static_cast<unsigned>(i);
            const int64_t count = counts[static_cast<size_t>(i)];
            for (int part = 0; part < 4; ++part) {
                memory.push_back(std::make_unique<Array<float>>(on,
                    part < 2 ? random_floats(count, 200 + 2 * number + static_cast<unsigned>(part))
                             : Floats(static_cast<size_t>(count))));
                of_adam.push_back(*memory.back());
            }
            memory.push_back(std::make_unique<Array<float>>(on, random_floats(count, 700 + number)));
            of_sgd.insert(of_sgd.end(), {*memory.back(), of_adam[of_adam.size() - 3], nullptr});
            for (std::vector<int64_t*>* const counters : {&adam_counters, &sgd_counters}) {
                steps.push_back(std::make_unique<Array<int64_t>>(on, std::vector<int64_t>{i % 4, 0}));
                counters->push_back(*steps.back());
            }
        }
        const int64_t at_once = together ? tensors_count : 1;
        for (int step = 0; step < 2; ++step) {
            for (int64_t i = 0; i < tensors_count; i += at_once) {
                CHECK_OK(on->adam_step(&of_adam[static_cast<size_t>(i) * 4], &counts[static_cast<size_t>(i)],
                    &adam_counters[static_cast<size_t>(i)], at_once, nullptr, 0, 1e-2, 0.9, 0.999, 1e-8, 0.1, 1));
                CHECK_OK(on->sgd_step(&of_sgd[static_cast<size_t>(i) * 3], &counts[static_cast<size_t>(i)],
                    &sgd_counters[static_cast<size_t>(i)], at_once, nullptr, 0, 1e-2, 0.0, 0.1));
            }
        }
        std::vector<Floats> results;
        for (const auto& each : memory) {
            results.push_back(each->read());
        }
        for (int64_t i = 0; i < 2 * tensors_count; ++i) {
            CHECK(steps[static_cast<size_t>(i)]->read()[0] == i / 2 % 4 + 2);
        }
        CHECK(!together || results == expected);
        expected = results;
    }
}

void clear_rows_clears_marked_rows_only(Implementation& on) {
    const Array<float> values(on, Floats{1, 2, 3, 4, 5, 6});
    const Array<int32_t> mask(on, std::vector<int32_t>{0, 1, 0});
    CHECK_OK(on->clear_rows(values, 3, 2, mask));
    CHECK((values.read() == Floats{1, 2, 0, 0, 5, 6}));
}

// ---- initialisation and replacement ----------------------------------------------------------------------------

void fill_normal_has_the_moments_of_a_normal(Implementation& on) {
    const int64_t count = 100000;
    const Array<float> out(on, count);
    CHECK_OK(on->fill_normal(7, 3, count, out));
    const Floats values = out.read();
    Doubles moments(5);
    for (const float value : values) {
        for (int power = 1; power <= 4; ++power) {
            moments[static_cast<size_t>(power)] += std::pow(static_cast<double>(value), power) / static_cast<double>(count);
        }
    }
    CHECK(std::fabs(moments[1]) < 0.015 && std::fabs(moments[2] - 1.0) < 0.02);
    CHECK(std::fabs(moments[3]) < 0.05 && std::fabs(moments[4] - 3.0) < 0.15);

    const Array<float> start(on, 100);
    CHECK_OK(on->fill_normal(7, 3, 100, start));
    CHECK(start.read() == Floats(values.begin(), values.begin() + 100));
    CHECK_OK(on->fill_normal(8, 3, 100, start));
    CHECK(start.read() != Floats(values.begin(), values.begin() + 100));
    CHECK_OK(on->fill_normal(7, 4, 100, start));
    CHECK(start.read() != Floats(values.begin(), values.begin() + 100));
}

void seeding_draws_rows_far_from_each_other(Implementation& on) {
    // 12 clusters far apart: k-means++ with 12 draws finds each one.
    const Shape shape{40, 15, 3};
    Floats rows = random_floats(shape.size(), 60, 0.0f, 1e-3f);
    for (int64_t n = 0; n < shape.rows(); ++n) {
        rows[shape.at(n, n % 3)] += static_cast<float>(n % 12) * 10.0f + 5.0f;
    }
    const Array<float> z(on, rows);
    const Array<float> codebook(on, 12 * 3);
    CHECK_OK(on->seed_codebook(z, shape.outer, shape.inner, 3, 12, 5, codebook));
    const Floats codes = codebook.read();
    std::set<int64_t> clusters;
    for (size_t k = 0; k < 12; ++k) {
        bool is_row = false;
        for (int64_t n = 0; n < shape.rows() && !is_row; ++n) {
            is_row = codes[3 * k] == rows[shape.at(n, 0)] && codes[3 * k + 1] == rows[shape.at(n, 1)]
                && codes[3 * k + 2] == rows[shape.at(n, 2)];
            if (is_row) {
                clusters.insert(n % 12);
            }
        }
        CHECK(is_row);
    }
    CHECK(clusters.size() == 12);

    CHECK_OK(on->seed_codebook(z, shape.outer, shape.inner, 3, 12, 5, codebook));
    CHECK(codebook.read() == codes);
    CHECK_OK(on->seed_codebook(z, shape.outer, shape.inner, 3, 12, 6, codebook));
    CHECK(codebook.read() != codes);
}

void seeding_copes_with_equal_rows(Implementation& on) {
    const Array<float> z(on, Floats(40, 2.5f));
    const Array<float> codebook(on, 20);
    CHECK_OK(on->seed_codebook(z, 20, 1, 2, 10, 1, codebook));
    CHECK(codebook.read() == Floats(20, 2.5f));
    CHECK_FAILS(on->seed_codebook(z, 20, 1, 2, 21, 1, codebook), VQ4J_INVALID_ARGUMENT, "20", "21");
    const Array<float> bad(on, Floats{1.0f, 2.0f, 3.0f, nan});
    CHECK_FAILS(on->seed_codebook(bad, 4, 1, 1, 2, 1, codebook), VQ4J_NOT_FINITE, "z", "row 3");
}

void repeat_rows_adds_noise_of_the_size_asked_for(Implementation& on) {
    const Shape shape{3, 5, 7};
    const Floats rows = random_floats(shape.size(), 61);
    const Array<float> z(on, rows);
    const Array<float> out(on, 4 * shape.size());
    CHECK_OK(on->repeat_rows(z, shape.outer, shape.inner, shape.features, 4, 0.0f, 9, out));
    Floats repeated;
    for (int copy = 0; copy < 4; ++copy) {
        const Floats matrix = row_major(rows, shape);
        repeated.insert(repeated.end(), matrix.begin(), matrix.end());
    }
    CHECK(out.read() == repeated);
    CHECK_OK(on->repeat_rows(z, shape.outer, shape.inner, shape.features, 4, 0.5f, 9, out));
    const Floats noisy = out.read();
    double squares = 0.0;
    for (size_t i = 0; i < noisy.size(); ++i) {
        squares += std::pow(static_cast<double>(noisy[i] - repeated[i]), 2) / static_cast<double>(noisy.size());
    }
    CHECK(std::fabs(std::sqrt(squares) - 0.5) < 0.06);
}

void update_centroids_divides_and_keeps_unused_codes(Implementation& on) {
    const Array<float> sums(on, Floats{6, 9, 1, 1, 5, 7});
    const Array<int64_t> counts(on, std::vector<int64_t>{3, 0, 2});
    const Array<float> codebook(on, Floats{0, 0, 8, 9, 0, 0});
    CHECK_OK(on->update_centroids(sums, counts, 3, 2, codebook));
    CHECK((codebook.read() == Floats{2, 3, 8, 9, 2.5f, 3.5f}));
}

void count_down_marks_codes_unused_for_their_lifetime(Implementation& on) {
    const Array<int64_t> counts(on, std::vector<int64_t>{5, 0, 0, 1});
    const Array<int32_t> counters(on, std::vector<int32_t>{1, 1, 3, 2});
    const Array<int32_t> mask(on, 4);
    const Array<int64_t> replaced(on, 1);
    CHECK_OK(on->count_down(counts, 4, 3, counters, mask, replaced));
    CHECK((counters.read() == std::vector<int32_t>{3, 3, 2, 3}));
    CHECK((mask.read() == std::vector<int32_t>{0, 1, 0, 0}));
    CHECK(replaced.read()[0] == 1);
    CHECK_FAILS(on->count_down(counts, 4, 0, counters, mask, replaced), VQ4J_INVALID_ARGUMENT, "lifetime", "0");
}

void replaced_codes_land_on_random_rows(Implementation& on) {
    const Shape shape{4, 6, 5};
    const int64_t codes_count = 30;
    const Floats rows = random_floats(shape.size(), 62);
    const Floats codebook = random_floats(codes_count * 5, 63);
    const Floats scale = random_floats(2 * 5, 64, 2.0f, 0.1f), shift = random_floats(2 * 5, 65);
    std::vector<int32_t> marks(30);
    for (size_t k = 0; k < 30; k += 3) {
        marks[k] = 1;
    }
    const Array<float> z(on, rows), scales(on, scale), shifts(on, shift);
    const Array<int32_t> mask(on, marks);
    for (const bool with_affine : {true, false}) {
        float* const none = nullptr;
        const auto replace = [&](uint64_t step, float noise) {
            const Array<float> c(on, codebook);
            CHECK_OK(on->replace_codes(z, shape.outer, shape.inner, 5, mask, codes_count, with_affine ? scales : none,
                with_affine ? shifts : none, 2, noise, 11, step, c));
            return c.read();
        };
        const Floats result = replace(1, 0.0f);
        std::set<int64_t> chosen;
        for (int64_t k = 0; k < codes_count; ++k) {
            if (marks[static_cast<size_t>(k)] == 0) {
                CHECK(std::equal(result.begin() + k * 5, result.begin() + (k + 1) * 5, codebook.begin() + k * 5));
                continue;
            }
            double least = 1e9;
            int64_t nearest = 0;
            for (int64_t n = 0; n < shape.rows(); ++n) {
                double worst = 0.0;
                for (int64_t d = 0; d < 5; ++d) {
                    const auto p = static_cast<size_t>(k / 15 * 5 + d);
                    const double code = static_cast<double>(result[static_cast<size_t>(k * 5 + d)]);
                    const double effective =
                        with_affine ? static_cast<double>(scale[p]) * code + static_cast<double>(shift[p]) : code;
                    worst = std::max(worst, std::fabs(effective - static_cast<double>(rows[shape.at(n, d)])));
                }
                nearest = worst < least ? n : nearest;
                least = std::min(least, worst);
            }
            CHECK(least < 1e-6);
            chosen.insert(nearest);
        }
        CHECK(chosen.size() > 3);
        CHECK(replace(1, 0.0f) == result);
        CHECK(replace(2, 0.0f) != result);
        CHECK(replace(1, 0.01f) != result);
    }
}

// ---- arguments -------------------------------------------------------------------------------------------------

void bad_arguments_are_named(Implementation& on) {
    const Array<float> x(on, Floats(4));
    const Array<int32_t> codes(on, std::vector<int32_t>(4));
    CHECK_FAILS(on->scatter(x, 0, 1, 1, codes, 1, x), VQ4J_INVALID_ARGUMENT, "outer", "0");
    CHECK_FAILS(on->scatter(x, 1, 1, -2, codes, 1, x), VQ4J_INVALID_ARGUMENT, "features", "-2");
    CHECK_FAILS(on->scatter(x, int64_t{1} << 40, 1, int64_t{1} << 40, codes, 1, x), VQ4J_INVALID_ARGUMENT, "overflow");
    CHECK_FAILS(on->scatter(nullptr, 1, 1, 1, codes, 1, x), VQ4J_INVALID_ARGUMENT, "null");
}

const std::vector<Test> tests = {
    TEST(assign_takes_the_canonical_code),
    TEST(assign_is_nearest_in_fp64_far_from_the_origin),
    TEST(assign_takes_the_lowest_of_equal_codes),
    TEST(assign_reads_channels_first_rows_in_place),
    TEST(assign_does_not_depend_on_the_batch),
    TEST(scores_that_overflow_never_win),
    TEST(assign_names_the_first_bad_row),
    TEST(packed_sizes_that_overflow_are_refused),
    TEST(count_codes_counts),
    TEST(lookup_copies_codes_bit_for_bit),
    TEST(lookup_of_groups_puts_the_codes_of_a_row_side_by_side),
    TEST(stages_subtract_and_add_their_codes),
    TEST(a_code_of_minus_one_adds_nothing),
    TEST(parts_of_the_features_are_taken_and_put_back),
    TEST(codes_of_a_stage_are_put_among_those_of_all_and_taken_back),
    TEST(rows_are_taken_in_order_and_put_back),
    TEST(weighted_sum_is_one_fused_multiply_add),
    TEST(the_first_batch_starts_a_running_average),
    TEST(further_batches_move_a_running_average),
    TEST(sums_by_code_of_many_rows_and_codes),
    TEST(the_lowest_of_equal_codes_wins_in_any_panel),
    TEST(commitment_loss_is_the_mean_squared_error),
    TEST(commitment_loss_gives_codes_and_what_they_leave),
    TEST(input_gradient_is_straight_through_plus_commitment),
    TEST(scatter_and_codebook_gradient_sum_by_code),
    TEST(both_gradients_together_are_as_one_by_one),
    TEST(gradients_name_the_first_bad_row),
    TEST(moments_keep_five_digits_far_from_zero),
    TEST(moments_of_many_rows_are_those_of_fp64),
    TEST(normalize_and_its_gradient_follow_their_formulas),
    TEST(row_norms_and_their_gradients_follow_their_formulas),
    TEST(affine_and_its_gradient_follow_their_formulas),
    TEST(statistics_affine_matches_moments),
    TEST(sgd_follows_its_recurrence),
    TEST(adam_follows_its_recurrence),
    TEST(tensors_that_are_stepped_together_are_as_those_stepped_alone),
    TEST(clear_rows_clears_marked_rows_only),
    TEST(fill_normal_has_the_moments_of_a_normal),
    TEST(seeding_draws_rows_far_from_each_other),
    TEST(seeding_copes_with_equal_rows),
    TEST(repeat_rows_adds_noise_of_the_size_asked_for),
    TEST(update_centroids_divides_and_keeps_unused_codes),
    TEST(count_down_marks_codes_unused_for_their_lifetime),
    TEST(replaced_codes_land_on_random_rows),
    TEST(bad_arguments_are_named),
};

}  // namespace
}  // namespace vq4j::testing

int main() {
    return vq4j::testing::run(vq4j::testing::tests);
}
