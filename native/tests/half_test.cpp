// 16-bit numbers: every one of FLOAT16 and BFLOAT16 against its definition in fp64, rounding at every tie and beside it, and
// what operations make of 16-bit rows against what they make of the same rows in fp32.
#include <memory>

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

// An operation that reads rows, in fp32, and as halves, which it keeps in fp32 where `kept` is there for them.
struct Reader {
    std::function<int32_t(Implementation&, Shape, const float*, float*)> of_floats;
    std::function<int32_t(Implementation&, Shape, const uint16_t*, int32_t, float*, float* kept)> of_halves;
    bool checks;  // that rows are finite: not what copies, nor what is given the moments
    bool keeps;
};

// Results, integers too, lie in memory for three times the rows' numbers.
std::vector<Reader> readers(Implementation& on, Shape shape) {
    const int64_t features = shape.features;
    const int64_t rows = shape.rows();
    const int64_t part = (features + 1) / 2;
    const auto weight = std::make_shared<Array<float>>(on, random_floats(3 * features, 7));
    const auto moments = std::make_shared<Array<float>>(on, Floats(static_cast<size_t>(features), 0.7f));
    const auto order = std::make_shared<Array<int64_t>>(on, std::vector<int64_t>{rows - 1, 0, rows / 2});
    const auto packed = std::make_shared<Array<unsigned char>>(on, on->packed_codebook_bytes(3, features));
    CHECK_OK(on->pack_codebook(*weight, 3, features, *packed));
    return {
        {[=](Implementation& with, Shape s, const float* z, float* out) {
                return with->moments(z, s.outer, s.inner, features, 1, features, out, out + features);
            },
            [=](Implementation& with, Shape s, const uint16_t* z, int32_t type, float* out, float* kept) {
                return with->moments_half(z, type, s.outer, s.inner, features, 1, features, out, out + features, kept);
            },
            true, true},
        {[=](Implementation& with, Shape s, const float* z, float* out) {
                return with->moments(z, s.outer, s.inner, features, s.outer, 1, out, out + s.outer);
            },
            [=](Implementation& with, Shape s, const uint16_t* z, int32_t type, float* out, float* kept) {
                return with->moments_half(z, type, s.outer, s.inner, features, s.outer, 1, out, out + s.outer, kept);
            },
            true, true},
        {[=](Implementation& with, Shape s, const float* z, float* out) {
                return with->normalize(z, s.outer, s.inner, features, 1, features, *moments, *moments, 1e-5f, *weight,
                    nullptr, out);
            },
            [=](Implementation& with, Shape s, const uint16_t* z, int32_t type, float* out, float* kept) {
                return with->normalize_half(z, type, s.outer, s.inner, features, 1, features, *moments, *moments, 1e-5f,
                    *weight, nullptr, out, kept);
            },
            false, true},
        {[=](Implementation& with, Shape s, const float* z, float* out) {
                return with->row_norm(z, s.outer, s.inner, features, VQ4J_UNIT, out);
            },
            [=](Implementation& with, Shape s, const uint16_t* z, int32_t type, float* out, float* kept) {
                return with->row_norm_half(z, type, s.outer, s.inner, features, VQ4J_UNIT, out, kept);
            },
            true, true},
        {[=](Implementation& with, Shape s, const float* z, float* out) {
                return with->linear(z, s.outer, s.inner, features, *weight, nullptr, 3, 0, out);
            },
            [=](Implementation& with, Shape s, const uint16_t* z, int32_t type, float* out, float* kept) {
                return with->linear_half(z, type, s.outer, s.inner, features, *weight, nullptr, 3, 0, out, kept);
            },
            true, true},
        {[=](Implementation& with, Shape s, const float* z, float* out) {
                return with->assign_top_k(
                    z, s.outer, s.inner, features, *packed, 3, 2, reinterpret_cast<int32_t*>(out));
            },
            [=](Implementation& with, Shape s, const uint16_t* z, int32_t type, float* out, float* kept) {
                return with->assign_top_k_half(
                    z, type, s.outer, s.inner, features, *packed, 3, 2, reinterpret_cast<int32_t*>(out), kept);
            },
            true, true},
        {[=](Implementation& with, Shape s, const float* z, float* out) {
                return with->sample_codes(
                    z, s.outer, s.inner, features, *packed, 3, 0.5, 1, 2, reinterpret_cast<int32_t*>(out));
            },
            [=](Implementation& with, Shape s, const uint16_t* z, int32_t type, float* out, float* kept) {
                return with->sample_codes_half(
                    z, type, s.outer, s.inner, features, *packed, 3, 0.5, 1, 2, reinterpret_cast<int32_t*>(out), kept);
            },
            true, true},
        {[=](Implementation& with, Shape s, const float* z, float* out) {
                return with->take_features(z, s.outer, s.inner, features, features - part, part, out);
            },
            [=](Implementation& with, Shape s, const uint16_t* z, int32_t type, float* out, float* kept) {
                // What is taken twice is kept twice.
                const int32_t status = with->take_features_half(z, type, s.outer, s.inner, features, 0, part, out, kept);
                return status != VQ4J_OK ? status
                                         : with->take_features_half(z, type, s.outer, s.inner, features, features - part,
                                               part, out, kept);
            },
            false, true},
        {[=](Implementation& with, Shape s, const float* z, float* out) {
                return with->take_rows(z, s.outer, s.inner, features, *order, 3, out);
            },
            [=](Implementation& with, Shape s, const uint16_t* z, int32_t type, float* out, float*) {
                return with->take_rows_half(z, type, s.outer, s.inner, features, *order, 3, out);
            },
            false, false},
    };
}

// As readers, of those that take few features.
std::vector<Reader> readers_of_few_features(Shape shape) {
    const int64_t features = shape.features;
    const std::vector<int32_t> levels(static_cast<size_t>(features), 3);
    const auto codes_behind = [=](float* out) { return reinterpret_cast<int32_t*>(out + shape.size()); };
    return {
        {[=](Implementation& with, Shape s, const float* z, float* out) {
                return with->finite_scalar_quantize(
                    z, s.outer, s.inner, features, levels.data(), out, codes_behind(out));
            },
            [=](Implementation& with, Shape s, const uint16_t* z, int32_t type, float* out, float* kept) {
                return with->finite_scalar_quantize_half(
                    z, type, s.outer, s.inner, features, levels.data(), out, codes_behind(out), kept);
            },
            true, true},
        {[=](Implementation& with, Shape s, const float* z, float* out) {
                return with->sign_quantize(z, s.outer, s.inner, features, 0.5f, out, codes_behind(out));
            },
            [=](Implementation& with, Shape s, const uint16_t* z, int32_t type, float* out, float* kept) {
                return with->sign_quantize_half(
                    z, type, s.outer, s.inner, features, 0.5f, out, codes_behind(out), kept);
            },
            true, true},
    };
}

std::vector<Reader> all_readers(Implementation& on, Shape shape) {
    std::vector<Reader> all = readers(on, shape);
    if (shape.features <= 17) {
        for (const Reader& reader : readers_of_few_features(shape)) {
            all.push_back(reader);
        }
    }
    return all;
}

void operations_read_16_bit_rows_as_the_same_numbers(Implementation& on) {
    for (const Format format : formats) {
        for (const Shape shape :
            {Shape{1, 1, 1}, Shape{7, 1, 3}, Shape{600, 1, 32}, Shape{3, 49, 5}, Shape{2, 300, 17}, Shape{40, 5, 70}}) {
            const Halves rows = narrowed(on, format, random_floats(shape.size(), 2));
            const Array<uint16_t> halves(on, rows);
            const Array<float> floats(on, widened(on, format, rows));
            for (const Reader& reader : all_readers(on, shape)) {
                const int64_t room = 3 * shape.size();
                const Array<float> expected(on, room), out(on, room), kept(on, shape.size());
                CHECK_OK(on->clear(expected, room * 4));
                CHECK_OK(on->clear(out, room * 4));
                CHECK_OK(reader.of_floats(on, shape, floats, expected));
                CHECK_OK(reader.of_halves(on, shape, halves, format.type, out, kept));
                CHECK(out.read() == expected.read());
                CHECK(!reader.keeps || kept.read() == floats.read());
            }
        }
    }
}

void bad_16_bit_rows_of_operations_are_named(Implementation& on) {
    const Shape shape{3, 50, 6};
    Halves rows(static_cast<size_t>(shape.size()));
    rows[shape.at(141, 5)] = 0x7f81;  // NaN in both types
    rows[shape.at(120, 0)] = 0xff80;
    const Array<uint16_t> z(on, rows);
    for (const Reader& reader : all_readers(on, shape)) {
        const Array<float> out(on, 3 * shape.size()), kept(on, shape.size());
        for (const Format format : formats) {
            if (reader.checks) {
                CHECK_FAILS(reader.of_halves(on, shape, z, format.type, out, kept), VQ4J_NOT_FINITE, "z", "row 120");
            }
        }
        CHECK_FAILS(reader.of_halves(on, shape, z, 3, out, kept), VQ4J_INVALID_ARGUMENT, "type", "3");
    }
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
        TEST(operations_read_16_bit_rows_as_the_same_numbers),
        TEST(bad_16_bit_rows_of_operations_are_named),
    });
}
