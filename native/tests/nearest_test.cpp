// The k nearest codes and their distances: against the canonical scores sorted plainly, bit for bit, against fp64, and all
// implementations against each other.
#include <numeric>

#include "checks.hpp"

namespace {

using namespace vq4j::testing;
using vq4j::testing::nan;  // not the function of <cmath>
using Codes = std::vector<int32_t>;

const std::vector<Shape> shapes = {{1, 1, 1}, {1, 1, 37}, {7, 1, 3}, {101, 1, 8}, {2, 49, 5}, {3, 64, 16}, {193, 1, 17}};

enum class Packing { codebook, directions };

struct Size {
    int64_t codes_count;
    int64_t k;
};

// K below a panel, k = K, primes, several panels.
const std::vector<Size> sizes = {{1, 1}, {2, 2}, {5, 3}, {17, 17}, {131, 1}, {131, 7}, {300, 13}, {257, 257}};

Codes nearest(Implementation& on, Packing packing, const Floats& rows, Shape shape, const Floats& codebook, int64_t k) {
    const int64_t codes_count = static_cast<int64_t>(codebook.size()) / shape.features;
    const Array<float> z(on, rows);
    const Array<float> c(on, codebook);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(codes_count, shape.features));
    const Array<int32_t> codes(on, shape.rows() * k);
    CHECK_OK((packing == Packing::codebook ? on->pack_codebook : on->pack_directions)(c, codes_count, shape.features,
        packed));
    CHECK_OK(on->assign_top_k(z, shape.outer, shape.inner, shape.features, packed, codes_count, k, codes));
    return codes.read();
}

Codes assigned(Implementation& on, Packing packing, const Floats& rows, Shape shape, const Floats& codebook) {
    const int64_t codes_count = static_cast<int64_t>(codebook.size()) / shape.features;
    const Array<float> z(on, rows);
    const Array<float> c(on, codebook);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(codes_count, shape.features));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK((packing == Packing::codebook ? on->pack_codebook : on->pack_directions)(c, codes_count, shape.features,
        packed));
    CHECK_OK(on->assign(z, shape.outer, shape.inner, shape.features, packed, codes_count, codes));
    return codes.read();
}

float element(const Floats& codebook, int64_t k, int64_t d, int64_t features) {
    return codebook[static_cast<size_t>(k * features + d)];
}

// The definition: all canonical scores of a row, sorted; the lower code first where they are equal, NaN as -infinity.
Codes canonical_order(const Floats& rows, Shape shape, int64_t n, const Floats& codebook) {
    const int64_t codes_count = static_cast<int64_t>(codebook.size()) / shape.features;
    Floats centre;
    for (int64_t d = 0; d < shape.features; ++d) {
        double sum = 0.0;
        for (int64_t begin = 0; begin < codes_count; begin += 256) {
            double chunk = 0.0;
            for (int64_t k = begin; k < std::min(begin + 256, codes_count); ++k) {
                chunk += static_cast<double>(element(codebook, k, d, shape.features));
            }
            sum += chunk;
        }
        centre.push_back(static_cast<float>(sum / static_cast<double>(codes_count)));
    }
    Floats scores;
    for (int64_t k = 0; k < codes_count; ++k) {
        float squared = 0.0f;
        for (int64_t d = 0; d < shape.features; ++d) {
            const float code = element(codebook, k, d, shape.features) - centre[static_cast<size_t>(d)];
            squared = std::fmaf(code, code, squared);
        }
        float score = -(0.5f * squared);
        for (int64_t d = 0; d < shape.features; ++d) {
            const float m = centre[static_cast<size_t>(d)];
            score = std::fmaf(rows[shape.at(n, d)] - m, element(codebook, k, d, shape.features) - m, score);
        }
        scores.push_back(std::isnan(score) ? -infinity : score);
    }
    Codes order(static_cast<size_t>(codes_count));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
        return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
    });
    return order;
}

void check_canonical(const Codes& codes, const Floats& rows, Shape shape, const Floats& codebook, int64_t k) {
    for (int64_t n = 0; n < shape.rows(); ++n) {
        const Codes order = canonical_order(rows, shape, n, codebook);
        CHECK(std::equal(order.begin(), order.begin() + k, codes.begin() + n * k));
    }
}

void top_k_is_the_start_of_the_sorted_scores(Implementation& on) {
    for (const Shape shape : shapes) {
        for (const Size size : sizes) {
            const Floats rows = random_floats(shape.size(), 1);
            const Floats codebook = random_floats(size.codes_count * shape.features, 2);
            check_canonical(nearest(on, Packing::codebook, rows, shape, codebook, size.k), rows, shape, codebook, size.k);
        }
    }
}

void the_first_of_the_top_k_is_the_code_of_assign(Implementation& on) {
    const Shape shape{3, 101, 9};
    const Floats rows = random_floats(shape.size(), 3);
    const Floats codebook = random_floats(223 * shape.features, 4);
    for (const Packing packing : {Packing::codebook, Packing::directions}) {
        const Codes one = nearest(on, packing, rows, shape, codebook, 1);
        const Codes many = nearest(on, packing, rows, shape, codebook, 11);
        CHECK(one == assigned(on, packing, rows, shape, codebook));
        for (size_t n = 0; n < one.size(); ++n) {
            CHECK(many[n * 11] == one[n]);
        }
    }
}

void equal_codes_come_in_ascending_order(Implementation& on) {
    const Shape shape{29, 1, 4};
    const Floats distinct = random_floats(20 * shape.features, 5);
    Floats codebook;
    for (int copy = 0; copy < 13; ++copy) {  // the copies of a code lie in different panels and lanes
        codebook.insert(codebook.end(), distinct.begin(), distinct.end());
    }
    const Floats rows = random_floats(shape.size(), 6);
    const Codes codes = nearest(on, Packing::codebook, rows, shape, codebook, 30);
    check_canonical(codes, rows, shape, codebook, 30);
    for (int64_t n = 0; n < shape.rows(); ++n) {
        for (int64_t i = 0; i < 30; ++i) {
            const auto at = static_cast<size_t>(n * 30 + i);
            CHECK(codes[at] % 20 == codes[static_cast<size_t>(n * 30 + i / 13 * 13)] % 20);
            CHECK(codes[at] / 20 == i % 13);
        }
    }
}

void codes_whose_scores_overflow_come_last(Implementation& on) {
    // Row 0 overflows against the codes 1 and 3, row 1 against all.
    const Shape shape{2, 1, 1};
    const Floats codebook = {0.0f, 1e30f, 3.0f, -1e30f, 2.0f};
    const Floats rows = {1.0f, 3.4e38f};
    const Codes codes = nearest(on, Packing::codebook, rows, shape, codebook, 5);
    check_canonical(codes, rows, shape, codebook, 5);
}

void strided_rows_have_the_codes_of_row_major_ones(Implementation& on) {
    const Shape shape{3, 35, 9};
    const Floats rows = random_floats(shape.size(), 7);
    Floats matrix(rows.size());
    for (int64_t n = 0; n < shape.rows(); ++n) {
        for (int64_t d = 0; d < shape.features; ++d) {
            matrix[static_cast<size_t>(n * shape.features + d)] = rows[shape.at(n, d)];
        }
    }
    const Floats codebook = random_floats(40 * shape.features, 8);
    CHECK(nearest(on, Packing::codebook, rows, shape, codebook, 4)
        == nearest(on, Packing::codebook, matrix, {105, 1, 9}, codebook, 4));
}

double cosine(const Floats& rows, Shape shape, int64_t n, const Floats& codebook, int64_t k) {
    double dot = 0.0, z_squared = 0.0, c_squared = 0.0;
    for (int64_t d = 0; d < shape.features; ++d) {
        const double z = static_cast<double>(rows[shape.at(n, d)]);
        const double c = static_cast<double>(element(codebook, k, d, shape.features));
        dot += z * c;
        z_squared += z * z;
        c_squared += c * c;
    }
    return z_squared == 0.0 || c_squared == 0.0 ? 0.0 : dot / std::sqrt(z_squared) / std::sqrt(c_squared);
}

void directions_are_ordered_by_cosine(Implementation& on) {
    for (const Shape shape : {Shape{1, 1, 37}, Shape{101, 1, 8}, Shape{2, 49, 5}, Shape{67, 1, 17}}) {
        for (const Size size : sizes) {
            // Lengths differ by 1e20: they must not matter, and their squares leave the range of fp32.
            Floats rows = random_floats(shape.size(), 9);
            Floats codebook = random_floats(size.codes_count * shape.features, 10);
            for (int64_t n = 0; n < shape.rows(); ++n) {
                for (int64_t d = 0; d < shape.features; ++d) {
                    rows[shape.at(n, d)] *= n % 3 == 0 ? 1e-25f : n % 3 == 1 ? 1e20f : 1.0f;
                }
            }
            for (size_t i = 0; i < codebook.size(); ++i) {
                codebook[i] *= i / static_cast<size_t>(shape.features) % 2 == 0 ? 1e-20f : 1e20f;
            }
            const Codes codes = nearest(on, Packing::directions, rows, shape, codebook, size.k);
            for (int64_t n = 0; n < shape.rows(); ++n) {
                std::vector<bool> chosen(static_cast<size_t>(size.codes_count));
                double last = 1.0;
                for (int64_t i = 0; i < size.k; ++i) {
                    const int32_t code = codes[static_cast<size_t>(n * size.k + i)];
                    CHECK(code >= 0 && code < size.codes_count && !chosen[static_cast<size_t>(code)]);
                    chosen[static_cast<size_t>(code)] = true;
                    const double each = cosine(rows, shape, n, codebook, code);
                    CHECK(each <= last + 1e-6);
                    last = each;
                }
                for (int64_t k = 0; k < size.codes_count; ++k) {
                    CHECK(chosen[static_cast<size_t>(k)] || cosine(rows, shape, n, codebook, k) <= last + 1e-6);
                }
            }
        }
    }
}

void zero_vectors_are_at_a_right_angle_to_all(Implementation& on) {
    const Shape shape{2, 1, 2};
    const Floats rows = {3.0f, 4.0f, 0.0f, 0.0f};
    const Floats codebook = {-1.0f, 0.0f, 0.0f, 0.0f, 1.0f, 0.0f};
    const Codes codes = nearest(on, Packing::directions, rows, shape, codebook, 3);
    CHECK((codes == Codes{2, 1, 0, 0, 1, 2}));
    const Array<float> z(on, rows);
    const Array<float> c(on, codebook);
    const Array<int32_t> q(on, codes);
    const Array<float> distances(on, 6);
    CHECK_OK(on->code_distances(z, 2, 1, 2, c, q, 3, VQ4J_COSINE, distances));
    CHECK_CLOSE(distances.read(), (Doubles{0.4, 1.0, 1.6, 1.0, 1.0, 1.0}), 1e-7);
}

void distances_follow_their_formulas(Implementation& on) {
    for (const Shape shape : shapes) {
        const int64_t k = 3;
        const Floats rows = random_floats(shape.size(), 11);
        const Floats codebook = random_floats(5 * shape.features, 12);
        const Codes codes = nearest(on, Packing::codebook, rows, shape, codebook, k);
        Doubles squared, roots, angles;
        for (int64_t n = 0; n < shape.rows(); ++n) {
            for (int64_t i = 0; i < k; ++i) {
                const int32_t code = codes[static_cast<size_t>(n * k + i)];
                double sum = 0.0;
                for (int64_t d = 0; d < shape.features; ++d) {
                    const double difference = static_cast<double>(rows[shape.at(n, d)])
                        - static_cast<double>(element(codebook, code, d, shape.features));
                    sum += difference * difference;
                }
                squared.push_back(sum);
                roots.push_back(std::sqrt(sum));
                angles.push_back(1.0 - cosine(rows, shape, n, codebook, code));
            }
        }
        const Array<float> z(on, rows);
        const Array<float> c(on, codebook);
        const Array<int32_t> q(on, codes);
        const Array<float> distances(on, shape.rows() * k);
        const auto of_kind = [&](int32_t kind) {
            CHECK_OK(on->code_distances(z, shape.outer, shape.inner, shape.features, c, q, k, kind, distances));
            return distances.read();
        };
        CHECK_CLOSE(of_kind(VQ4J_SQUARED_EUCLIDEAN), squared, 1e-6);
        CHECK_CLOSE(of_kind(VQ4J_EUCLIDEAN), roots, 1e-6);
        CHECK_CLOSE(of_kind(VQ4J_COSINE), angles, 1e-7);
    }
}

void a_row_has_no_cosine_distance_to_its_multiples(Implementation& on) {
    const Shape shape{50, 1, 7};
    const Floats rows = random_floats(shape.size(), 13);
    Floats codebook = rows;
    for (float& value : codebook) {
        value *= 3.0f;
    }
    const Array<float> z(on, rows);
    const Array<float> c(on, codebook);
    Codes own(50);
    std::iota(own.begin(), own.end(), 0);
    CHECK(nearest(on, Packing::directions, rows, shape, codebook, 1) == own);
    const Array<int32_t> q(on, own);
    const Array<float> distances(on, 50);
    CHECK_OK(on->code_distances(z, 50, 1, 7, c, q, 1, VQ4J_COSINE, distances));
    for (const float distance : distances.read()) {
        CHECK(distance >= 0.0f && distance < 1e-13f);
    }
}

void bad_input_is_named(Implementation& on) {
    const Shape shape{3, 50, 6};
    Floats rows = random_floats(shape.size(), 14);
    rows[shape.at(141, 5)] = nan;
    rows[shape.at(77, 0)] = -infinity;
    const Array<float> z(on, rows);
    Floats codebook = random_floats(10 * shape.features, 15);
    const Array<float> c(on, codebook);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(10, shape.features));
    const Array<int32_t> codes(on, Codes(static_cast<size_t>(shape.rows() * 2)));
    CHECK_OK(on->pack_codebook(c, 10, shape.features, packed));
    CHECK_FAILS(on->assign_top_k(z, shape.outer, shape.inner, shape.features, packed, 10, 2, codes), VQ4J_NOT_FINITE, "z",
        "row 77");
    CHECK_FAILS(on->assign_top_k(z, shape.outer, shape.inner, shape.features, packed, 10, 11, codes),
        VQ4J_INVALID_ARGUMENT, "k = 11", "codes_count = 10");
    CHECK_FAILS(on->assign_top_k(z, shape.outer, shape.inner, shape.features, packed, 10, 0, codes),
        VQ4J_INVALID_ARGUMENT, "k = 0");
    CHECK_FAILS(on->assign_top_k(z, shape.outer, shape.inner, shape.features, packed, 10, 2, nullptr),
        VQ4J_INVALID_ARGUMENT, "null");
    codebook[7 * 6 + 2] = infinity;
    codebook[9 * 6] = nan;
    const Array<float> bad(on, codebook);
    CHECK_FAILS(on->pack_directions(bad, 10, shape.features, packed), VQ4J_NOT_FINITE, "codebook", "row 7");
    CHECK_FAILS(on->code_distances(z, 1, 1, 1, c, codes, 1, 3, z), VQ4J_INVALID_ARGUMENT, "kind", "3");
    CHECK_FAILS(on->code_distances(z, 1, 1, 1, c, codes, 0, VQ4J_COSINE, z), VQ4J_INVALID_ARGUMENT, "k", "0");
}

}  // namespace

int main() {
    return run({
        TEST(top_k_is_the_start_of_the_sorted_scores),
        TEST(the_first_of_the_top_k_is_the_code_of_assign),
        TEST(equal_codes_come_in_ascending_order),
        TEST(codes_whose_scores_overflow_come_last),
        TEST(strided_rows_have_the_codes_of_row_major_ones),
        TEST(directions_are_ordered_by_cosine),
        TEST(zero_vectors_are_at_a_right_angle_to_all),
        TEST(distances_follow_their_formulas),
        TEST(a_row_has_no_cosine_distance_to_its_multiples),
        TEST(bad_input_is_named),
    });
}
