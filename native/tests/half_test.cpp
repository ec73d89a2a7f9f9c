// 16-bit numbers: every one of FLOAT16 and BFLOAT16 against its definition in fp64, rounding at every tie and beside it, and
// the assignment of 16-bit rows against that of the same rows in fp32.
#include "checks.hpp"

namespace vq4j::testing {
namespace {

using Halves = std::vector<uint16_t>;

constexpr int all_halves = 1 << 16;

struct Format {
    int32_t type;
    int exponent_bits;
    int mantissa_bits;
};

constexpr Format formats[] = {{VQ4J_FLOAT16, 5, 10}, {VQ4J_BFLOAT16, 8, 7}};

// The number that the bits stand for by IEEE 754.
double definition(Format format, uint16_t half) {
    const int bias = (1 << (format.exponent_bits - 1)) - 1;
    const int exponent = half >> format.mantissa_bits & ((1 << format.exponent_bits) - 1);
    const int mantissa = half & ((1 << format.mantissa_bits) - 1);
    const double sign = half >> 15 != 0 ? -1.0 : 1.0;
    if (exponent == (1 << format.exponent_bits) - 1) {
        return mantissa == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
    }
    return exponent == 0 ? sign * std::ldexp(mantissa, 1 - bias - format.mantissa_bits)
                         : sign * std::ldexp(mantissa + (1 << format.mantissa_bits), exponent - bias - format.mantissa_bits);
}

Halves every_half() {
    Halves halves(all_halves);
    for (int i = 0; i < all_halves; ++i) {
        halves[static_cast<size_t>(i)] = static_cast<uint16_t>(i);
    }
    return halves;
}

Floats widened(Implementation& on, Format format, const Halves& halves) {
    const Array<uint16_t> values(on, halves);
    const Array<float> out(on, static_cast<int64_t>(halves.size()));
    CHECK_OK(on->widen(values, format.type, static_cast<int64_t>(halves.size()), out));
    return out.read();
}

Halves narrowed(Implementation& on, Format format, const Floats& floats) {
    const Array<float> values(on, floats);
    const Array<uint16_t> out(on, static_cast<int64_t>(floats.size()));
    CHECK_OK(on->narrow(values, static_cast<int64_t>(floats.size()), format.type, out));
    return out.read();
}

void every_number_is_widened_exactly(Implementation& on) {
    for (const Format format : formats) {
        const Halves halves = every_half();
        const Floats floats = widened(on, format, halves);
        for (size_t i = 0; i < floats.size(); ++i) {
            const double expected = definition(format, halves[i]);
            CHECK(std::isnan(expected) ? std::isnan(floats[i]) : static_cast<double>(floats[i]) == expected);
            CHECK(std::signbit(floats[i]) == (halves[i] >> 15 != 0));
        }
    }
}

void narrowing_gives_back_what_was_widened(Implementation& on) {
    for (const Format format : formats) {
        const Halves halves = every_half();
        const Halves again = narrowed(on, format, widened(on, format, halves));
        for (size_t i = 0; i < halves.size(); ++i) {
            const bool is_nan = std::isnan(definition(format, halves[i]));
            const int quiet = 1 << (format.mantissa_bits - 1);
            CHECK(again[i] == (is_nan ? halves[i] | quiet : halves[i]));
        }
    }
}

void narrowing_takes_the_nearest_and_the_even_one_of_two(Implementation& on) {
    for (const Format format : formats) {
        const int infinite = ((1 << format.exponent_bits) - 1) << format.mantissa_bits;
        const Floats floats = widened(on, format, every_half());
        Floats values;
        Halves expected;
        for (int half = 0; half < infinite; ++half) {
            // The next after the largest is where infinity stands for.
            const double low = definition(format, static_cast<uint16_t>(half));
            const double high = half + 1 < infinite
                ? definition(format, static_cast<uint16_t>(half + 1))
                : 2.0 * low - definition(format, static_cast<uint16_t>(half - 1));
            const float middle = static_cast<float>((low + high) / 2.0);
            for (const float value : {std::nextafter(middle, 0.0f), middle, std::nextafter(middle, infinity)}) {
                const double exact = static_cast<double>(value);
                const bool down = exact - low < high - exact || (exact - low == high - exact && half % 2 == 0);
                values.push_back(value);
                values.push_back(-value);
                expected.push_back(static_cast<uint16_t>(down ? half : half + 1));
                expected.push_back(static_cast<uint16_t>((down ? half : half + 1) | 0x8000));
            }
        }
        CHECK(narrowed(on, format, values) == expected);
        const Halves extremes = narrowed(on, format, {std::numeric_limits<float>::max(), infinity, -infinity, 0.0f, -0.0f,
            std::numeric_limits<float>::denorm_min()});
        CHECK((extremes
            == Halves{static_cast<uint16_t>(infinite), static_cast<uint16_t>(infinite),
                static_cast<uint16_t>(infinite | 0x8000), 0, 0x8000, 0}));
    }
}

std::vector<int32_t> codes_of(Implementation& on, Shape shape, const Floats& codebook,
    const std::function<int32_t(const void*, int64_t, int32_t*)>& assign) {
    const int64_t count = static_cast<int64_t>(codebook.size()) / shape.features;
    const Array<float> c(on, codebook);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(count, shape.features));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_codebook(c, count, shape.features, packed));
    CHECK_OK(assign(packed, count, codes));
    return codes.read();
}

void rows_have_the_codes_of_the_same_numbers_in_fp32(Implementation& on) {
    for (const Format format : formats) {
        for (const Shape shape :
            {Shape{1, 1, 1}, Shape{7, 1, 3}, Shape{257, 1, 32}, Shape{3, 49, 5}, Shape{2, 128, 37}, Shape{40, 5, 70}}) {
            const Floats codebook = random_floats(130 * shape.features, 1);
            const Halves rows = narrowed(on, format, random_floats(shape.size(), 2));
            const Array<uint16_t> halves(on, rows);
            const Array<float> floats(on, widened(on, format, rows));
            const std::vector<int32_t> expected =
                codes_of(on, shape, codebook, [&](const void* packed, int64_t count, int32_t* codes) {
                    return on->assign(floats, shape.outer, shape.inner, shape.features, packed, count, codes);
                });
            const Array<float> kept(on, shape.size());
            float* const nowhere = nullptr;
            for (float* const widened : {nowhere, static_cast<float*>(kept)}) {
                CHECK(codes_of(on, shape, codebook,
                          [&](const void* packed, int64_t count, int32_t* codes) {
                              return on->assign_half(halves, format.type, shape.outer, shape.inner, shape.features, packed,
                                  count, codes, widened);
                          })
                    == expected);
            }
            CHECK(kept.read() == floats.read());
        }
    }
}

void bad_rows_and_types_are_named(Implementation& on) {
    const Shape shape{3, 50, 6};
    Halves rows(static_cast<size_t>(shape.size()));
    rows[shape.at(141, 5)] = 0x7f81;  // NaN in both types
    rows[shape.at(120, 0)] = 0xff80;
    const Array<uint16_t> z(on, rows);
    const Array<float> c(on, Floats(10 * 6)), floats(on, 4);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(10, 6));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_codebook(c, 10, 6, packed));
    for (const Format format : formats) {
        CHECK_FAILS(on->assign_half(z, format.type, 3, 50, 6, packed, 10, codes, nullptr), VQ4J_NOT_FINITE, "z", "row 120");
    }
    CHECK_FAILS(on->assign_half(z, 3, 3, 50, 6, packed, 10, codes, nullptr), VQ4J_INVALID_ARGUMENT, "type", "3");
    CHECK_FAILS(on->widen(z, 0, 4, floats), VQ4J_INVALID_ARGUMENT, "type", "0");
    CHECK_FAILS(on->narrow(floats, 4, 7, z), VQ4J_INVALID_ARGUMENT, "type", "7");
}

}  // namespace
}  // namespace vq4j::testing

int main() {
    using namespace vq4j::testing;
    return run({
        TEST(every_number_is_widened_exactly),
        TEST(narrowing_gives_back_what_was_widened),
        TEST(narrowing_takes_the_nearest_and_the_even_one_of_two),
        TEST(rows_have_the_codes_of_the_same_numbers_in_fp32),
        TEST(bad_rows_and_types_are_named),
    });
}
