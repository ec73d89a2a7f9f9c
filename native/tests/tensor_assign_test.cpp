// Assignment through the API with every way that the CUDA implementation has for it: the codes are those of the CPU and of
// the definition, bit for bit, also where rows are left open by the filter.
#include "assignment.hpp"
#include "core/half.hpp"

namespace vq4j::testing {
namespace {

void check_canonical(Implementation& on, const Floats& rows, Shape shape, const Floats& codebook) {
    CHECK(assign(on, rows, shape, codebook) == canonical_codes(rows, shape, codebook));
}

void rows_in_any_layout(Implementation& on) {
    for (const Shape shape : {Shape{131, 1, 33}, Shape{2, 65, 17}, Shape{20, 1, 290}}) {
        check_canonical(on, random_floats(shape.size(), 1), shape, random_floats(130 * shape.features, 2));
    }
}

// Offset, clustered, heavy-tailed, copied, out of scale: rows that are decided beside rows that are left open.
void rows_of_all_kinds_in_one_batch(Implementation& on) {
    const Shape shape{150, 1, 24};
    Floats codebook = random_floats(140 * shape.features, 3, 100.0f);
    Floats rows = random_floats(shape.size(), 4, 100.0f);
    for (int64_t n = 0; n < shape.rows(); ++n) {
        for (int64_t d = 0; d < shape.features; ++d) {
            float& value = rows[shape.at(n, d)];
            const float code = codebook[static_cast<size_t>(n % 140 * 24 + d)];
            const float kinds[] = {value, code, code + 0.01f * (value - 100.0f), 1e18f * (value - 100.0f), 100.0f, 1e-40f};
            value = kinds[n % 6];
        }
    }
    std::copy_n(codebook.begin(), 40 * 24, codebook.end() - 40 * 24);
    check_canonical(on, rows, shape, codebook);
}

void codes_that_no_filter_tells_apart(Implementation& on) {
    const Shape shape{140, 1, 16};
    check_canonical(on, random_floats(shape.size(), 5), shape, Floats(130 * 16, 2.0f));
    Floats close = random_floats(130 * shape.features, 6, 0.0f, 1e-6f);
    for (float& value : close) {
        value += 1.0f;
    }
    check_canonical(on, random_floats(shape.size(), 7), shape, close);
}

void subnormal_and_overflowing_numbers(Implementation& on) {
    const Shape shape{40, 1, 16};
    for (const float scale : {1e-42f, 1e-30f, 1e18f, 1e30f}) {
        Floats rows = random_floats(shape.size(), 8);
        Floats codebook = random_floats(130 * shape.features, 9);
        for (Floats* const values : {&rows, &codebook}) {
            for (float& value : *values) {
                value *= scale;
            }
        }
        check_canonical(on, rows, shape, codebook);
    }
}

void rows_in_16_bits(Implementation& on) {
    const Shape shape{130, 1, 20};
    const Floats codebook = random_floats(140 * shape.features, 10);
    const Array<float> c(on, codebook);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(140, shape.features));
    CHECK_OK(on->pack_codebook(c, 140, shape.features, packed));
    for (const int32_t type : {VQ4J_FLOAT16, VQ4J_BFLOAT16}) {
        std::vector<uint16_t> halves;
        Floats widened;
        for (const float value : random_floats(shape.size(), 11)) {
            halves.push_back(type == VQ4J_FLOAT16 ? float16_of_float(value) : bfloat16_of_float(value));
            widened.push_back(
                type == VQ4J_FLOAT16 ? float_of_float16(halves.back()) : float_of_bfloat16(halves.back()));
        }
        const Array<uint16_t> z(on, halves);
        const Array<int32_t> codes(on, shape.rows());
        const Array<float> kept(on, shape.size());
        CHECK_OK(on->assign_half(z, type, shape.outer, shape.inner, shape.features, packed, 140, codes, kept));
        CHECK(codes.read() == canonical_codes(widened, shape, codebook));
        CHECK(kept.read() == widened);
    }
}

// Directions have h = 0: their scores do not tell how long they are.
void codebooks_of_directions(Implementation& on) {
    const Shape shape{200, 1, 48};
    const Array<float> z(on, random_floats(shape.size(), 14, 0.0f, 30.0f));
    const Array<float> codebook(on, random_floats(300 * shape.features, 15));
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(300, shape.features));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_directions(codebook, 300, shape.features, packed));
    CHECK_OK(on->assign(z, shape.outer, shape.inner, shape.features, packed, 300, codes));
    codes.read();  // the same on all implementations
}

void the_first_bad_row_is_named(Implementation& on) {
    const Shape shape{2, 70, 18};
    Floats rows = random_floats(shape.size(), 12);
    rows[shape.at(131, 17)] = nan;
    rows[shape.at(101, 0)] = -infinity;
    const Array<float> z(on, rows);
    const Array<float> codebook(on, random_floats(130 * shape.features, 13));
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(130, shape.features));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_codebook(codebook, 130, shape.features, packed));
    CHECK_FAILS(on->assign(z, shape.outer, shape.inner, shape.features, packed, 130, codes), VQ4J_NOT_FINITE, "z",
        "row 101");
}

void the_choice_is_by_shape_or_by_name(Implementation& on) {
    const auto chosen = [](int64_t rows, int64_t codes_count, int64_t features) {
        return std::string(vq4j_cuda_assignment(rows, codes_count, features));
    };
    CHECK(vq4j_cuda_set_assignment("simt", 0) == VQ4J_OK && chosen(1 << 20, 8192, 128) == "simt");
    CHECK(vq4j_cuda_set_assignment("mma", 7) == VQ4J_OK && chosen(1, 1, 1) == "mma" && chosen(1, 1, 5000) == "simt");
    CHECK(vq4j_cuda_set_assignment("wgmma", 7) == VQ4J_OK && chosen(1, 1, 5000) == "simt");
    const std::string fastest = chosen(1, 1, 1);  // wgmma where the device has it, unless it is left out
    CHECK(fastest == "mma" || (fastest == "wgmma" && std::getenv("VQ4J_WITHOUT_WGMMA") == nullptr));
    CHECK(vq4j_cuda_set_assignment("automatic", 0) == VQ4J_OK);
    CHECK(chosen(1 << 20, 8192, 128) == fastest && chosen(1 << 20, 8192, 5000) == "simt");
    CHECK(chosen(128, 65536, 1024) == "mma");  // a block for wgmma, and two for mma
    CHECK(chosen(1 << 20, 8192, 8) == "simt" && chosen(1 << 20, 64, 128) == "simt" && chosen(100, 1024, 64) == "simt");
    CHECK(vq4j_cuda_set_assignment("fastest", 0) == VQ4J_INVALID_ARGUMENT);
    CHECK(std::string(vq4j_cuda_last_error()).find("fastest") != std::string::npos);
    CHECK(vq4j_cuda_set_assignment("simt", -1) == VQ4J_INVALID_ARGUMENT);
    CHECK(chosen(1 << 20, 8192, 128) == fastest);  // as before the errors
    on.select();
}

const std::vector<Test> tests = {
    TEST(rows_in_any_layout),
    TEST(rows_of_all_kinds_in_one_batch),
    TEST(codes_that_no_filter_tells_apart),
    TEST(subnormal_and_overflowing_numbers),
    TEST(rows_in_16_bits),
    TEST(codebooks_of_directions),
    TEST(the_first_bad_row_is_named),
    TEST(the_choice_is_by_shape_or_by_name),
};

}  // namespace
}  // namespace vq4j::testing

int main() {
    using namespace vq4j::testing;
    std::vector<Implementation> all = implementations();
    all.back() = cuda("simt");
    all.push_back(cuda("mma"));
    all.push_back(cuda("wgmma"));
    all.push_back(cuda("wgmma", true));
    return run(tests, all);
}
