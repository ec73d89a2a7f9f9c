// The bit guarantee: the same bits for all outputs with every instruction set of the machine, 1, 2, 3 and 8 threads, on the
// CPU and on the host run of the CUDA sources; whether a batch comes whole or in parts, and in any layout. The instruction
// sets differ in their tiles, and the parts in how blocks and tiles fall. Codes of data far from the origin are those of
// float64.
#include <functional>
#include <numeric>

#include "checks.hpp"

using namespace vq4j::testing;

namespace {

constexpr int64_t codes_count = 70;

// Several tasks, chunks and blocks, none of them whole; one code is taken by more than a chunk.
const std::vector<Shape> shapes = {{1400, 1, 37}, {21, 63, 40}, {3, 450, 33}};

std::vector<Implementation> settings() {
    std::vector<Implementation> all;
#ifdef __SANITIZE_ADDRESS__
    const std::vector<int32_t> thread_counts = {3};  // the short run
#else
    const std::vector<int32_t> thread_counts = {1, 2, 3, 8};
#endif
    for (const char* const instruction_set : {"portable", "avx2", "avx512", "avx512_vnni", "neon"}) {
        for (const int32_t threads : thread_counts) {
            if (vq4j_cpu_set_instruction_set(instruction_set) == VQ4J_OK) {
                all.push_back(cpu(instruction_set, threads));
            }
        }
    }
    all.push_back(cuda());
    return all;
}

Floats random_codebook(Shape shape) { return random_floats(codes_count * shape.features, 2); }

std::vector<int32_t> codes_with_a_favourite(int64_t count) {
    std::mt19937 generator(3);
    std::vector<int32_t> codes(static_cast<size_t>(count));
    for (int32_t& code : codes) {
        code = generator() % 4 == 0 ? 5 : static_cast<int32_t>(generator() % codes_count);
    }
    return codes;
}

std::vector<int32_t> assign(Implementation& on, const Floats& rows, Shape shape, const Floats& codebook) {
    const int64_t count = static_cast<int64_t>(codebook.size()) / shape.features;
    const Array<float> z(on, rows), c(on, codebook);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(count, shape.features));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_codebook(c, count, shape.features, packed));
    CHECK_OK(on->assign(z, shape.outer, shape.inner, shape.features, packed, count, codes));
    return codes.read();
}

// What an operation gives for every row by itself, one array after the other.
struct RowResults {
    std::vector<int32_t> codes;
    std::vector<Floats> rows;  // in the layout of the shape
    Floats distances;
};

RowResults row_results(Implementation& on, const Floats& rows, const Floats& gradient, const std::vector<int32_t>& codes,
    Shape s) {
    const Floats codebook = random_codebook(s);
    const Array<float> z(on, rows), g(on, gradient), c(on, codebook), out(on, s.size()), distances(on, s.rows());
    const Array<int32_t> q(on, codes);
    const Array<double> means(on, s.outer), mean(on, 1);
    RowResults results;
    results.codes = assign(on, rows, s, codebook);
    const auto keep = [&](int32_t status) {
        CHECK_OK(status);
        results.rows.push_back(out.read());
    };
    keep(on->lookup(c, codes_count, q, s.outer, s.inner, s.features, out));
    keep(on->residual(z, s.outer, s.inner, s.features, c, codes_count, q, out));
    keep(on->input_gradient(z, g, s.outer, s.inner, s.features, c, q, 0.3f, out));
    keep(on->input_gradient(z, nullptr, s.outer, s.inner, s.features, c, q, 0.3f, out));
    keep(on->row_norm(z, s.outer, s.inner, s.features, VQ4J_UNIT, out));
    keep(on->row_norm(z, s.outer, s.inner, s.features, VQ4J_MAX_NORM, out));
    keep(on->row_norm_gradient(z, g, s.outer, s.inner, s.features, VQ4J_UNIT, out));
    keep(on->commitment_loss(z, s.outer, s.inner, s.features, c, q, s.outer, distances, means, mean, nullptr, out));
    results.distances = distances.read();
    means.read();
    mean.read();
    return results;
}

// What operations give for all rows together.
std::vector<Floats> sums(Implementation& on, const Floats& rows, const Floats& gradient, const std::vector<int32_t>& codes,
    Shape s) {
    const Array<float> z(on, rows), g(on, gradient), c(on, random_codebook(s)), by_code(on, codes_count * s.features);
    const Array<float> mean(on, s.features), variance(on, s.features), out(on, s.size()), scale(on, s.features),
        shift(on, s.features);
    const Array<int32_t> q(on, codes);
    std::vector<Floats> results;
    CHECK_OK(on->scatter(z, s.outer, s.inner, s.features, q, codes_count, by_code));
    results.push_back(by_code.read());
    CHECK_OK(on->codebook_gradient(z, g, s.outer, s.inner, s.features, c, q, codes_count, 0.3f, 0.7f, by_code));
    results.push_back(by_code.read());
    CHECK_OK(on->codebook_gradient(z, nullptr, s.outer, s.inner, s.features, c, q, codes_count, 0.3f, 0.7f, by_code));
    results.push_back(by_code.read());
    CHECK_OK(on->moments(z, s.outer, s.inner, s.features, 1, s.features, mean, variance));
    results.push_back(mean.read());
    results.push_back(variance.read());
    CHECK_OK(on->normalize_gradient(z, g, s.outer, s.inner, s.features, 1, s.features, mean, variance, 1e-5f, nullptr, 1,
        out, scale, shift));
    out.read();
    results.push_back(scale.read());
    results.push_back(shift.read());
    return results;
}

void every_setting_gives_the_same_bits(Implementation& on) {
    for (const Shape shape : shapes) {
        const Floats rows = random_floats(shape.size(), 4, 0.5f), gradient = random_floats(shape.size(), 5);
        const std::vector<int32_t> codes = codes_with_a_favourite(shape.rows());
        row_results(on, rows, gradient, codes, shape);
        sums(on, rows, gradient, codes, shape);
    }
}

// Enough full chunks that tasks share the rows: of codes that stop early, begin late, come in turns and are rare.
void chunks_of_codes_are_whole_wherever_tasks_meet(Implementation& on) {
    constexpr int64_t few_codes = 5;
    for (const Shape shape : {Shape{26003, 1, 37}, Shape{13, 2001, 40}}) {
        const int64_t rows_count = shape.rows();
        std::vector<int32_t> codes(static_cast<size_t>(rows_count));
        for (int64_t n = 0; n < rows_count; ++n) {
            const auto in_turns = static_cast<int32_t>(n % 3 == 0 ? 1 : 2);
            codes[static_cast<size_t>(n)] = n % 2003 == 0 ? 4 : n < 9001 ? 0 : n > 20011 ? 3 : in_turns;
        }
        const Floats rows = random_floats(shape.size(), 14);
        Floats chunk(static_cast<size_t>(few_codes * shape.features));
        Doubles total(chunk.size());
        std::vector<int64_t> counts(few_codes);
        for (int64_t n = 0; n < rows_count; ++n) {
            const int64_t k = codes[static_cast<size_t>(n)];
            const bool is_full = ++counts[static_cast<size_t>(k)] % 256 == 0;
            for (int64_t d = 0; d < shape.features; ++d) {
                const auto i = static_cast<size_t>(k * shape.features + d);
                chunk[i] += rows[shape.at(n, d)];
                total[i] += is_full ? static_cast<double>(chunk[i]) : 0.0;
                chunk[i] = is_full ? 0.0f : chunk[i];
            }
        }
        const Array<float> z(on, rows), out(on, few_codes * shape.features);
        const Array<int32_t> q(on, codes);
        CHECK_OK(on->scatter(z, shape.outer, shape.inner, shape.features, q, few_codes, out));
        const Floats result = out.read();
        for (size_t i = 0; i < result.size(); ++i) {
            CHECK(result[i] == static_cast<float>(total[i] + static_cast<double>(chunk[i])));
        }
    }
}

void optimisers_give_the_same_bits(Implementation& on) {
    constexpr int64_t count = 70001;
    const Array<float> parameter(on, random_floats(count, 6)), gradient(on, random_floats(count, 7));
    const Array<float> first(on, Floats(count)), second(on, Floats(count));
    const Array<int64_t> of_sgd(on, std::vector<int64_t>(2)), of_adam(on, std::vector<int64_t>(2));
    float* const tensor[] = {parameter, gradient, first, second};
    int64_t* const sgd_steps = of_sgd;
    int64_t* const adam_steps = of_adam;
    for (int step = 0; step < 3; ++step) {
        CHECK_OK(on->sgd_step(tensor, &count, &sgd_steps, 1, nullptr, 0, 0.1, 0.9, 0.01));
        CHECK_OK(on->adam_step(tensor, &count, &adam_steps, 1, nullptr, 0, 0.01, 0.9, 0.999, 1e-8, 0.01, 1));
    }
    parameter.read();
    first.read();
    second.read();
}

template <typename T>
std::vector<T> part_of(const std::vector<T>& all, int64_t begin, int64_t end) {
    return {all.begin() + begin, all.begin() + end};
}

template <typename T>
bool is_part(const std::vector<T>& part, const std::vector<T>& whole, int64_t begin) {
    return std::memcmp(part.data(), whole.data() + begin, part.size() * sizeof(T)) == 0;
}

// The rows of these parts of the outer axis.
void parts_of_a_batch_give_the_bits_of_the_whole(Implementation& on) {
    for (const Shape shape : {Shape{1400, 1, 37}, Shape{21, 63, 40}}) {
        const Floats rows = random_floats(shape.size(), 8), gradient = random_floats(shape.size(), 9);
        const std::vector<int32_t> codes = codes_with_a_favourite(shape.rows());
        const RowResults whole = row_results(on, rows, gradient, codes, shape);
        int64_t begin = 0;
        for (const int64_t count : {1, 2, 5, 6, 7, 13, 64, 95, 96, 97, 1014}) {
            const int64_t end = std::min(shape.outer, begin + count);
            const int64_t row_size = shape.inner * shape.features;
            const Shape part{end - begin, shape.inner, shape.features};
            if (begin == end) {
                break;
            }
            const RowResults results = row_results(on, part_of(rows, begin * row_size, end * row_size),
                part_of(gradient, begin * row_size, end * row_size),
                part_of(codes, begin * shape.inner, end * shape.inner), part);
            CHECK(is_part(results.codes, whole.codes, begin * shape.inner));
            CHECK(is_part(results.distances, whole.distances, begin * shape.inner));
            for (size_t i = 0; i < results.rows.size(); ++i) {
                CHECK(is_part(results.rows[i], whole.rows[i], begin * row_size));
            }
            begin = end;
        }
        CHECK(begin == shape.outer);
    }
}

Floats row_major(const Floats& values, Shape shape) {
    Floats rows(values.size());
    for (int64_t n = 0; n < shape.rows(); ++n) {
        for (int64_t d = 0; d < shape.features; ++d) {
            rows[static_cast<size_t>(n * shape.features + d)] = values[shape.at(n, d)];
        }
    }
    return rows;
}

void the_place_of_the_feature_axis_does_not_matter(Implementation& on) {
    for (const Shape shape : shapes) {
        const Shape matrix{shape.rows(), 1, shape.features};
        const Floats rows = random_floats(shape.size(), 10), gradient = random_floats(shape.size(), 11);
        const std::vector<int32_t> codes = codes_with_a_favourite(shape.rows());
        const Floats matrix_rows = row_major(rows, shape), matrix_gradient = row_major(gradient, shape);
        const RowResults expected = row_results(on, matrix_rows, matrix_gradient, codes, matrix);
        const RowResults results = row_results(on, rows, gradient, codes, shape);
        CHECK(results.codes == expected.codes);
        CHECK(results.distances == expected.distances);
        for (size_t i = 0; i < results.rows.size(); ++i) {
            CHECK(row_major(results.rows[i], shape) == expected.rows[i]);
        }
        CHECK(sums(on, rows, gradient, codes, shape) == sums(on, matrix_rows, matrix_gradient, codes, matrix));
    }
}

// Mean a thousand times the spread. A near-tie is a second code less than a millionth of the spread's square farther.
void codes_far_from_the_origin_are_those_of_float64(Implementation& on) {
    const Shape shape{2000, 1, 16};
    const Floats rows = random_floats(shape.size(), 12, 1000.0f), codebook = random_floats(64 * 16, 13, 1000.0f);
    const std::vector<int32_t> codes = assign(on, rows, shape, codebook);
    int64_t compared = 0;
    int64_t different = 0;
    for (int64_t n = 0; n < shape.rows(); ++n) {
        double best = std::numeric_limits<double>::infinity();
        double second = best;
        int32_t nearest = 0;
        for (int32_t k = 0; k < 64; ++k) {
            double distance = 0.0;
            for (int64_t d = 0; d < 16; ++d) {
                const double difference = static_cast<double>(rows[shape.at(n, d)])
                    - static_cast<double>(codebook[static_cast<size_t>(k * 16 + d)]);
                distance += difference * difference;
            }
            second = std::min(second, std::max(best, distance));
            nearest = distance < best ? k : nearest;
            best = std::min(best, distance);
        }
        if (second - best > 1e-6 * 16) {
            ++compared;
            different += codes[static_cast<size_t>(n)] != nearest ? 1 : 0;
        }
    }
    CHECK(compared > shape.rows() * 99 / 100);
    CHECK(different * 10000 <= compared);
}

const std::vector<Test> tests = {
    TEST(every_setting_gives_the_same_bits),
    TEST(chunks_of_codes_are_whole_wherever_tasks_meet),
    TEST(optimisers_give_the_same_bits),
    TEST(parts_of_a_batch_give_the_bits_of_the_whole),
    TEST(the_place_of_the_feature_axis_does_not_matter),
    TEST(codes_far_from_the_origin_are_those_of_float64),
};

}  // namespace

int main() {
    return run(tests, settings());
}
