// Assignment with codebooks for which an implementation may filter codes before it scores them, on data that is hard on
// a filter: the codes are those of the definition, bit for bit.
#include "assignment.hpp"

namespace vq4j::testing {
namespace {

// How many calls give an implementation its filter: after 64 rows or, on AVX2, some pairs of a row and a code, where that does
// not take many.
int64_t calls_before_filter(const Implementation& on, int64_t rows, int64_t codes_count) {
#ifdef VQ4J_FILTER_EVERYTHING
    constexpr int64_t pairs = 1 << 13;
#else
    constexpr int64_t pairs = 1 << 22;
#endif
    constexpr int64_t most = 32;
    const int64_t of_pairs = pairs / (rows * codes_count) + 1;
    return on.name.rfind("cpu, avx2", 0) == 0 && of_pairs <= most ? of_pairs : 64 / rows + 1;
}

void check_canonical(Implementation& on, const Floats& rows, Shape shape, const Floats& codebook) {
    const int64_t codes_count = static_cast<int64_t>(codebook.size()) / shape.features;
    const std::vector<int32_t> expected = canonical_codes(rows, shape, codebook);
    const Array<float> z(on, rows);
    const Array<float> c(on, codebook);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(codes_count, shape.features));
    CHECK_OK(on->pack_codebook(c, codes_count, shape.features, packed));
    const Array<int32_t> codes(on, shape.rows());
    const auto assign = [&] {
        CHECK_OK(on->assign(z, shape.outer, shape.inner, shape.features, packed, codes_count, codes));
    };
    assign();
    CHECK(codes.read() == expected);
    for (int64_t call = calls_before_filter(on, shape.rows(), codes_count); call > 0; --call) {
        assign();
    }
    CHECK(codes.read() == expected);
}

// Rows around the codes, which are around a common mean.
Floats rows_around(const Floats& codebook, Shape shape, unsigned seed, float deviation) {
    const int64_t codes_count = static_cast<int64_t>(codebook.size()) / shape.features;
    Floats rows = random_floats(shape.size(), seed, 0.0f, deviation);
    for (int64_t n = 0; n < shape.rows(); ++n) {
        for (int64_t d = 0; d < shape.features; ++d) {
            rows[shape.at(n, d)] += codebook[static_cast<size_t>(n * 7919 % codes_count * shape.features + d)];
        }
    }
    return rows;
}

void random_rows_of_all_sizes(Implementation& on) {
    for (const Shape shape : {Shape{23, 1, 64}, Shape{24, 1, 64}, Shape{97, 1, 64}, Shape{300, 1, 33}, Shape{2, 101, 24},
             Shape{13, 7, 16}, Shape{5, 1, 32}, Shape{7, 1, 32}, Shape{8, 1, 32}, Shape{60, 1, 512}, Shape{60, 1, 513},
             Shape{50, 1, 1023}, Shape{50, 1, 1024}, Shape{50, 1, 1025}, Shape{200, 1, 3}, Shape{200, 1, 4}, Shape{200, 1, 5},
             Shape{3, 70, 6}, Shape{200, 1, 7}, Shape{200, 1, 8}}) {
        for (const int64_t codes_count : {63, 64, 255, 256, 257}) {
            check_canonical(on, random_floats(shape.size(), 1), shape, random_floats(codes_count * shape.features, 2));
        }
    }
}

void codebooks_of_several_pieces(Implementation& on) {
    const Shape shape{512, 1, 26};
    for (const int64_t codes_count : {1007, 1024, 1025, 2100}) {
        check_canonical(on, random_floats(shape.size(), 3), shape, random_floats(codes_count * shape.features, 4));
    }
}

void clustered_rows(Implementation& on) {
    const Shape shape{400, 1, 40};
    const Floats codebook = random_floats(300 * shape.features, 5);
    check_canonical(on, rows_around(codebook, shape, 6, 0.3f), shape, codebook);
    check_canonical(on, rows_around(codebook, shape, 7, 0.0f), shape, codebook);
}

void equal_codes_and_ties(Implementation& on) {
    const Shape shape{260, 1, 32};
    const Floats distinct = random_floats(64 * shape.features, 8);
    Floats codebook;
    for (int copy = 0; copy < 5; ++copy) {
        codebook.insert(codebook.end(), distinct.begin(), distinct.end());
    }
    check_canonical(on, random_floats(shape.size(), 9), shape, codebook);
    // Codes and rows on a coarse grid have many equal scores; more copies than a list of candidates holds.
    Floats grid = random_floats(shape.size(), 10);
    Floats grid_codes(static_cast<size_t>(320 * shape.features), 1.0f);
    for (float& value : grid) {
        value = std::round(value);
    }
    for (size_t i = 0; i < grid_codes.size(); i += 67) {
        grid_codes[i] = 0.0f;
    }
    check_canonical(on, grid, shape, grid_codes);
}

void codes_that_differ_by_rounding(Implementation& on) {
    const Shape shape{300, 1, 48};
    Floats codebook = random_floats(200 * shape.features, 11);
    for (size_t i = 100 * 48; i < codebook.size(); ++i) {
        codebook[i] = codebook[i - 100 * 48] * (1.0f + static_cast<float>(i % 3) * 1.2e-7f);
    }
    check_canonical(on, rows_around(codebook, shape, 12, 0.2f), shape, codebook);
}

void rows_far_from_the_origin(Implementation& on) {
    const Shape shape{300, 1, 32};
    Floats codebook = random_floats(256 * shape.features, 13, 1000.0f);
    check_canonical(on, rows_around(codebook, shape, 14, 0.3f), shape, codebook);
}

void rows_and_codes_with_a_feature_out_of_scale(Implementation& on) {
    // One large value takes the whole range of 8 bits: the others vanish.
    const Shape shape{300, 1, 32};
    Floats rows = random_floats(shape.size(), 15);
    Floats codebook = random_floats(256 * shape.features, 16);
    for (int64_t n = 0; n < shape.rows(); n += 3) {
        rows[shape.at(n, n % 32)] *= 1e5f;
    }
    check_canonical(on, rows, shape, codebook);
    for (size_t k = 0; k < 256; k += 5) {
        codebook[k * 32 + k % 32] *= 1e4f;
    }
    check_canonical(on, rows, shape, codebook);
}

void very_small_and_very_large_values(Implementation& on) {
    const Shape shape{256, 1, 32};
    for (const float scale : {1e-12f, 1e-20f, 1e-40f, 1e15f, 1e18f, 2e18f, 3e18f, 4e18f, 1e19f}) {
        Floats rows = random_floats(shape.size(), 17);
        Floats codebook = random_floats(256 * shape.features, 18);
        for (Floats* const values : {&rows, &codebook}) {
            for (float& value : *values) {
                value *= scale;
            }
        }
        check_canonical(on, rows, shape, codebook);
    }
    check_canonical(on, Floats(static_cast<size_t>(shape.size())), shape, Floats(256 * 32));
}

// Rows and codes of magnitudes that differ, each by itself and within one.
void magnitudes_far_apart(Implementation& on) {
    const Shape shape{256, 1, 32};
    const Floats rows = random_floats(shape.size(), 19);
    const Floats codebook = random_floats(256 * shape.features, 20);
    for (const auto& [of_rows, of_codes] :
        {std::pair{1e18f, 1e-38f}, {1e-38f, 1e18f}, {1e-20f, 1.0f}, {1.0f, 1e-20f}}) {
        Floats scaled_rows = rows;
        Floats scaled_codebook = codebook;
        for (size_t i = 0; i < rows.size(); ++i) {
            scaled_rows[i] *= i / 32 % 2 == 0 ? of_rows : 1.0f;
        }
        for (size_t i = 0; i < codebook.size(); ++i) {
            scaled_codebook[i] *= i / 32 % 3 == 0 ? 1.0f : of_codes;
        }
        check_canonical(on, scaled_rows, shape, scaled_codebook);
    }
}

// Rows and codes near a plane, up to `outside` of their length.
Floats near_a_plane(int64_t count, int64_t features, int64_t dimensions, unsigned seed, float outside) {
    const Floats basis = random_floats(dimensions * features, 300);
    const Floats inside = random_floats(count * dimensions, seed);
    Floats values = random_floats(count * features, seed + 1);
    for (int64_t n = 0; n < count; ++n) {
        for (int64_t d = 0; d < features; ++d) {
            float& value = values[static_cast<size_t>(n * features + d)];
            value *= outside;
            for (int64_t i = 0; i < dimensions; ++i) {
                value += inside[static_cast<size_t>(n * dimensions + i)] * basis[static_cast<size_t>(i * features + d)]
                    / static_cast<float>(1 + i);
            }
        }
    }
    return values;
}

// As codes of autoencoders do.
void rows_and_codes_near_a_plane(Implementation& on) {
    for (const int64_t features : {24, 31, 64}) {
        const Shape shape{512, 1, features};
        const int64_t codes_count = 300;
        for (const auto& [dimensions, outside] : {std::pair{1, 0.0f}, {8, 1e-3f}, {9, 0.0f}, {9, 0.1f}}) {
            const Floats codebook = near_a_plane(codes_count, features, dimensions, 310, outside);
            check_canonical(on, near_a_plane(shape.rows(), features, dimensions, 320, outside), shape, codebook);
            // Rows that leave the plane of the codes.
            check_canonical(on, rows_around(codebook, shape, 340, 2.0f), shape, codebook);
        }
    }
}

void codes_near_a_plane_of_other_magnitudes(Implementation& on) {
    const Shape shape{512, 1, 32};
    for (const float scale : {1e-17f, 1e-9f, 1e9f, 4e18f}) {
        Floats codebook = near_a_plane(300, 32, 3, 360, 0.01f), rows = near_a_plane(512, 32, 3, 370, 0.01f);
        for (Floats* const values : {&codebook, &rows}) {
            for (float& value : *values) {
                value *= scale;
            }
        }
        check_canonical(on, rows, shape, codebook);
        check_canonical(on, near_a_plane(512, 32, 3, 380, 1.0f), shape, codebook);
    }
}

// Families of six codes with the same place in the plane of the first eight features. The other features of the row are
// those of its code, but for 5 % of their length; the other codes of the family have just its length, in directions
// near it. So they have larger bounds and lower scores.
void what_is_off_the_plane_decides(Implementation& on) {
    constexpr size_t plane = 8, families = 50, codes_count = 6 * families;
    for (const size_t features : {24, 40}) {
        const Shape shape{families, 1, static_cast<int64_t>(features)};
        const Floats inside = random_floats(families * plane, 410, 0.0f, 6.0f);
        const Floats directions = random_floats(shape.size(), 420);
        const Floats turns = random_floats(codes_count * shape.features, 430, 0.0f, 0.1f);
        Floats codebook(turns.size()), rows(static_cast<size_t>(shape.size()));
        const auto fill = [&](float* values, size_t family, float turn, const float* turned, float length) {
            double squares = 0.0;
            for (size_t d = 0; d < features; ++d) {
                values[d] = d < plane ? inside[family * plane + d] : directions[family * features + d] + turn * turned[d];
                squares += d < plane ? 0.0 : static_cast<double>(values[d] * values[d]);
            }
            for (size_t d = plane; d < features; ++d) {
                values[d] *= length / static_cast<float>(std::sqrt(squares));
            }
        };
        for (size_t k = 0; k < codes_count; ++k) {
            const bool is_nearest = k / families == k % 6;
            fill(&codebook[k * features], k % families, is_nearest ? 0.0f : 1.0f, &turns[k * features],
                is_nearest ? 1.9f : 2.0f);
        }
        for (size_t n = 0; n < families; ++n) {
            fill(&rows[n * features], n, 0.0f, &turns[0], 2.0f);
        }
        check_canonical(on, rows, shape, codebook);
    }
}

// Of rows and codes in the plane, which the coordinates tell apart no better than scores are rounded.
void codes_of_a_plane_that_differ_by_rounding(Implementation& on) {
    for (const int64_t features : {16, 48, 100}) {
        const Shape shape{768, 1, features};
        const Floats distinct = near_a_plane(96, features, 6, 440, 0.0f);
        Floats codebook, rows;
        for (int copy = 0; copy < 8; ++copy) {
            for (size_t i = 0; i < distinct.size(); ++i) {
                codebook.push_back(distinct[i] * (1.0f + static_cast<float>((i + copy) % 3) * 1.2e-7f));
                rows.push_back(distinct[i] * (1.0f + 1e-4f * static_cast<float>(copy)));
            }
        }
        check_canonical(on, rows, shape, codebook);
    }
}

// The rows' bounds need not reach to the long codes, but to all that may be the nearest: here codes around zero that
// 8 bits have exactly, so that the rounding of the rows is all that the bound knows.
void a_few_codes_far_longer_than_the_rows(Implementation& on) {
    const Shape shape{512, 1, 32};
    Floats codebook = random_floats(900 * 32, 390);
    for (size_t i = 0; i < codebook.size(); i += 2 * 32) {
        for (size_t d = i; d < i + 32; ++d) {
            codebook[d] = std::copysign(i / 32 % 97 == 0 ? 60.0f : 1.0f, codebook[d]);
            codebook[d + 32] = -codebook[d];
        }
    }
    // As near to one code as to another, but for less than 8 bits of a row tell.
    Floats rows = random_floats(shape.size(), 400, 0.0f, 0.005f);
    for (size_t i = 0; i < rows.size(); ++i) {
        const size_t n = i / 32 * 2 + 2;
        rows[i] += codebook[n % 97 * 32 + i % 32] + codebook[(n % 89 + 100) * 32 + i % 32];
    }
    check_canonical(on, rows, shape, codebook);
}

// Codes on a grid of 8 bits, whose mean is 0, and rows that lose half a step of it: (1.49, 1.49, 1.49, 1.49) is nearer to
// (3, 3, 3, 2) than to 0, but rounded it is nearer to 0.
void rows_that_round_towards_another_code(Implementation& on) {
    constexpr int64_t features = 8;
    Floats codebook(static_cast<size_t>(128 * features));
    std::mt19937 generator(30);
    for (size_t k = 0; k < 64; ++k) {
        float* const code = &codebook[k * features];
        if (k % 21 == 0) {
            code[7] = 127.0f;
            for (size_t d = 0; d < 4 && k > 0; ++d) {
                code[d] = d == k / 21 ? 2.0f : 3.0f;
            }
        } else {
            code[6] = 127.0f;
            for (size_t d = 0; d < 6; ++d) {
                code[d] = static_cast<float>(generator() % 255) - 127.0f;
            }
        }
        for (size_t d = 0; d < features; ++d) {
            codebook[(k + 64) * features + d] = -code[d];
        }
    }
    const Shape shape{200, 1, features};
    Floats rows = random_floats(shape.size(), 31, 1.49f, 0.003f);
    for (size_t i = 0; i < rows.size(); ++i) {
        rows[i] = i % features < 4 ? std::min(rows[i], 1.499f) : i % features == 7 ? 127.0f : 0.0f;
    }
    check_canonical(on, rows, shape, codebook);
}

// Codes of the same numbers in other orders, which the whole numbers of a filter up to `largest` have exactly: only the
// roundings of canonical scores tell them apart.
void codes_whose_scores_differ_by_their_roundings(Implementation& on) {
    for (const auto& [features, largest] : {std::pair<int64_t, unsigned>{37, 127}, {256, 127}, {37, 65}, {256, 65}}) {
        Floats numbers(static_cast<size_t>(features));
        std::mt19937 generator(32);
        for (size_t d = 0; d < numbers.size(); ++d) {
            numbers[d] = 1.1f * static_cast<float>(d % 2 == 0 ? largest : generator() % (largest - 7) + 1);
        }
        Floats codebook(static_cast<size_t>(256 * features));
        for (size_t k = 0; k < 128; ++k) {
            for (size_t d = 0; d < numbers.size(); ++d) {
                std::swap(numbers[d], numbers[d + generator() % (numbers.size() - d)]);
            }
            for (size_t d = 0; d < numbers.size(); ++d) {
                codebook[k * numbers.size() + d] = numbers[d];
                codebook[(k + 128) * numbers.size() + d] = -numbers[d];
            }
        }
        const Shape shape{100, 1, features};
        Floats rows(static_cast<size_t>(shape.size()));
        for (size_t i = 0; i < rows.size(); ++i) {
            rows[i] = static_cast<float>(i / static_cast<size_t>(features) + 1) * 1.3f;
        }
        check_canonical(on, rows, shape, codebook);
    }
}

// What tests choose by hand, mixed: sizes, offsets, spreads, clusters, grids, copies, outliers.
void mixtures(Implementation& on) {
    std::mt19937 generator(21);
    const auto draw = [&](std::initializer_list<float> values) {
        return values.begin()[generator() % values.size()];
    };
    for (unsigned seed = 0; seed < 32; ++seed) {
        const auto features = static_cast<int64_t>(draw({4, 9, 24, 31, 32, 64}));
        const int64_t codes_count = 130 + static_cast<int64_t>(generator() % 200);
        const Shape shape{32, 16, features};
        Floats codebook = random_floats(codes_count * features, 100 + seed, draw({0.0f, 0.0f, 1.0f, 1000.0f}));
        Floats rows = generator() % 2 == 0 ? random_floats(shape.size(), 200 + seed, draw({0.0f, 1000.0f}))
                                           : rows_around(codebook, shape, 200 + seed, draw({0.0f, 1e-4f, 0.1f, 1.0f}));
        const float grid = draw({0.0f, 0.0f, 0.5f, 4.0f});
        const float outlier = draw({1.0f, 1.0f, 30.0f, 1e4f});
        const auto copied_codes = static_cast<size_t>(draw({0.0f, 0.0f, 40.0f, 60.0f}) * static_cast<float>(features));
        std::copy_n(codebook.begin(), copied_codes, codebook.end() - static_cast<int64_t>(copied_codes));
        for (Floats* const values : {&rows, &codebook}) {
            for (float& value : *values) {
                value = grid > 0.0f ? std::round(value / grid) * grid : value;
                value = generator() % 500 == 0 ? value * outlier : value;
            }
        }
        check_canonical(on, rows, shape, codebook);
    }
}

// With too many candidates in the first rows, an implementation may stop filtering, and start again.
void rows_that_a_filter_cannot_decide_and_rows_that_it_can(Implementation& on) {
    const Shape shape{2000, 1, 24};
    Floats codebook(512 * 24, 1.0f);
    const Floats distinct = random_floats(64 * 24, 22, 5.0f);
    std::copy(distinct.begin(), distinct.end(), codebook.end() - 64 * 24);
    Floats rows(static_cast<size_t>(shape.size()), 0.0f);
    const Floats decidable = random_floats(shape.size() / 2, 23, 5.0f);
    std::copy(decidable.begin(), decidable.end(), rows.end() - shape.size() / 2);
    check_canonical(on, rows, shape, codebook);
}

void directions(Implementation& on) {
    const Shape shape{512, 1, 48};
    const Array<float> z(on, random_floats(shape.size(), 24));
    const Array<float> codebook(on, random_floats(300 * shape.features, 25));
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(300, shape.features));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_directions(codebook, 300, shape.features, packed));
    CHECK_OK(on->assign(z, shape.outer, shape.inner, shape.features, packed, 300, codes));
    codes.read();  // the same on all implementations
}

// Directions that are not of length 1: of a code of zeros. A row of zeros is as near to one as to another.
void a_direction_of_zeros(Implementation& on) {
    const Shape shape{200, 1, 300};
    Floats rows = random_floats(shape.size(), 28);
    Floats codebook = random_floats(130 * shape.features, 29);
    std::fill_n(rows.begin(), 3000, 0.0f);
    std::fill_n(codebook.begin() + 7 * 300, 300, 0.0f);
    for (size_t i = 3000; i < rows.size(); ++i) {
        rows[i] = i % 5 == 0 ? -codebook[i % 80] : rows[i];
    }
    const Array<float> z(on, rows);
    const Array<float> c(on, codebook);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(130, shape.features));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_directions(c, 130, shape.features, packed));
    CHECK_OK(on->assign(z, shape.outer, shape.inner, shape.features, packed, 130, codes));
    const std::vector<int32_t> chosen = codes.read();
    CHECK(std::all_of(chosen.begin(), chosen.begin() + 10, [](int32_t code) { return code == 0; }));
}

void the_first_bad_row_is_named(Implementation& on) {
    const Shape shape{12, 50, 32};
    Floats rows = random_floats(shape.size(), 26);
    rows[shape.at(241, 31)] = nan;
    rows[shape.at(201, 0)] = -infinity;
    const Array<float> z(on, rows);
    const Array<float> codebook(on, random_floats(256 * shape.features, 27));
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(256, shape.features));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_codebook(codebook, 256, shape.features, packed));
    CHECK_FAILS(on->assign(z, shape.outer, shape.inner, shape.features, packed, 256, codes), VQ4J_NOT_FINITE, "z",
        "row 201");
}

#ifdef VQ4J_TEST_CPU
// A filter is written behind the panels of the packed codebook.
void filters_may_be_forbidden(Implementation& on) {
    const bool on_cpu = on.name.rfind("cpu", 0) == 0;
    const Shape shape{600, 1, 64};
    const Floats rows = random_floats(shape.size(), 30);
    const Floats codebook = random_floats(256 * shape.features, 31);
    const Array<float> z(on, rows);
    const Array<float> c(on, codebook);
    const int64_t bytes = on->packed_codebook_bytes(256, shape.features);
    const Array<unsigned char> packed(on, bytes);
    CHECK_OK(on->pack_codebook(c, 256, shape.features, packed));
    const Array<int32_t> codes(on, shape.rows());
    const auto assign = [&] { CHECK_OK(on->assign(z, 600, 1, shape.features, packed, 256, codes)); };
    const auto what_is_packed = [&] { return std::vector<unsigned char>(packed + 0, packed + (on_cpu ? bytes : 0)); };
    const std::vector<unsigned char> without_filter = what_is_packed();
    CHECK_OK(vq4j_cpu_set_filters(0));
    assign();
    assign();
    CHECK(what_is_packed() == without_filter);
    CHECK(codes.read() == canonical_codes(rows, shape, codebook));
    CHECK_OK(vq4j_cpu_set_filters(1));
    assign();
    const bool has_filters = on.name.rfind("cpu, avx2", 0) == 0 || on.name.rfind("cpu, avx512_vnni", 0) == 0;
    CHECK((what_is_packed() != without_filter) == has_filters);
    if (on_cpu) {
        CHECK_FAILS(vq4j_cpu_set_filters(2), VQ4J_INVALID_ARGUMENT, "filters", "2");
    }
}
#endif

const std::vector<Test> tests = {
    TEST(random_rows_of_all_sizes),
    TEST(codebooks_of_several_pieces),
    TEST(clustered_rows),
    TEST(equal_codes_and_ties),
    TEST(codes_that_differ_by_rounding),
    TEST(rows_far_from_the_origin),
    TEST(rows_and_codes_with_a_feature_out_of_scale),
    TEST(very_small_and_very_large_values),
    TEST(magnitudes_far_apart),
    TEST(rows_and_codes_near_a_plane),
    TEST(codes_near_a_plane_of_other_magnitudes),
    TEST(what_is_off_the_plane_decides),
    TEST(codes_of_a_plane_that_differ_by_rounding),
    TEST(a_few_codes_far_longer_than_the_rows),
    TEST(rows_that_round_towards_another_code),
    TEST(codes_whose_scores_differ_by_their_roundings),
    TEST(mixtures),
    TEST(rows_that_a_filter_cannot_decide_and_rows_that_it_can),
    TEST(directions),
    TEST(a_direction_of_zeros),
    TEST(the_first_bad_row_is_named),
#ifdef VQ4J_TEST_CPU
    TEST(filters_may_be_forbidden),
#endif
};

}  // namespace
}  // namespace vq4j::testing

int main() {
    return vq4j::testing::run(vq4j::testing::tests);
}
