// Assignment at sizes for which an implementation may filter codes before it scores them, on data that is hard on a
// filter: the codes are those of the definition, bit for bit.
#include "assignment.hpp"

namespace vq4j::testing {
namespace {

void check_canonical(Implementation& on, const Floats& rows, Shape shape, const Floats& codebook) {
    CHECK(assign(on, rows, shape, codebook) == canonical_codes(rows, shape, codebook));
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
    for (const Shape shape : {Shape{23, 1, 64}, Shape{24, 1, 64}, Shape{97, 1, 64}, Shape{300, 1, 33},
             Shape{2, 101, 16}, Shape{60, 1, 511}, Shape{60, 1, 512}, Shape{60, 1, 513}}) {
        for (const int64_t codes_count : {128, 513}) {
            check_canonical(on, random_floats(shape.size(), 1), shape, random_floats(codes_count * shape.features, 2));
        }
    }
}

void codebooks_of_several_pieces(Implementation& on) {
    const Shape shape{70, 1, 18};
    for (const int64_t codes_count : {1023, 1024, 1025, 2500}) {
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
    const Shape shape{200, 1, 32};
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
    const Shape shape{120, 1, 32};
    for (const float scale : {1e-12f, 1e-20f, 1e-40f, 1e15f, 1e18f, 1e19f}) {
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

void the_first_bad_row_is_named(Implementation& on) {
    const Shape shape{3, 50, 32};
    Floats rows = random_floats(shape.size(), 19);
    rows[shape.at(141, 31)] = nan;
    rows[shape.at(101, 0)] = -infinity;
    const Array<float> z(on, rows);
    const Array<float> codebook(on, random_floats(256 * shape.features, 20));
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(256, shape.features));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_codebook(codebook, 256, shape.features, packed));
    CHECK_FAILS(on->assign(z, shape.outer, shape.inner, shape.features, packed, 256, codes), VQ4J_NOT_FINITE, "z",
        "row 101");
}

const std::vector<Test> tests = {
    TEST(random_rows_of_all_sizes),
    TEST(codebooks_of_several_pieces),
    TEST(clustered_rows),
    TEST(equal_codes_and_ties),
    TEST(codes_that_differ_by_rounding),
    TEST(rows_far_from_the_origin),
    TEST(rows_and_codes_with_a_feature_out_of_scale),
    TEST(very_small_and_very_large_values),
    TEST(the_first_bad_row_is_named),
};

}  // namespace
}  // namespace vq4j::testing

int main() {
    return vq4j::testing::run(vq4j::testing::tests);
}
