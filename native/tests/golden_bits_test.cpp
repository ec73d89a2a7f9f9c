// The bit guarantee between machines: digests of what operations give for numbers of the library's own generator. They
// were computed on x86-64 and hold on every processor, compiler and device. A digest changes where an operation's
// arithmetic does, which breaks codes that users have stored: a new one needs a reason in its commit.
#include "checks.hpp"

using namespace vq4j::testing;

namespace {

// FNV-1a, 64 bits.
template <typename T>
uint64_t digest_of(const std::vector<T>& values) {
    uint64_t digest = 0xcbf29ce484222325;
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (size_t i = 0; i < values.size() * sizeof(T); ++i) {
        digest = (digest ^ bytes[i]) * 0x100000001b3;
    }
    return digest;
}

template <typename T>
void expect(const Array<T>& result, uint64_t expected, const char* operation) {
    const uint64_t digest = digest_of(result.read());
    if (digest != expected) {
        std::printf("FAILED: %s, %s: digest 0x%016llx, expected 0x%016llx\n", context.c_str(), operation,
            static_cast<unsigned long long>(digest), static_cast<unsigned long long>(expected));
        ++failures;
    }
}

// Sizes that are multiples of no tile and of no chunk.
constexpr Shape shape{19, 61, 37};
constexpr int64_t codes_count = 301;

// z, a gradient and a codebook, all normal.
class Data {
public:
    explicit Data(Implementation& on)
        : z(on, shape.size()), gradient(on, shape.size()), codebook(on, codes_count * shape.features),
          codes(on, shape.rows()) {
        CHECK_OK(on->fill_normal(1, 1, shape.size(), z));
        CHECK_OK(on->fill_normal(1, 2, shape.size(), gradient));
        CHECK_OK(on->fill_normal(1, 3, codes_count * shape.features, codebook));
        const Array<unsigned char> packed(on, on->packed_codebook_bytes(codes_count, shape.features));
        CHECK_OK(on->pack_codebook(codebook, codes_count, shape.features, packed));
        CHECK_OK(on->assign(z, shape.outer, shape.inner, shape.features, packed, codes_count, codes));
    }

    Array<float> z, gradient, codebook;
    Array<int32_t> codes;
};

void assignment(Implementation& on) {
    const Data data(on);
    expect(data.z, 0x7bb13ab6f86415e6, "fill_normal");
    expect(data.codes, 0x4dc6a46d15454a76, "assign");
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(codes_count, shape.features));
    const Array<int32_t> nearest(on, shape.rows() * 5), drawn(on, shape.rows());
    const Array<float> distances(on, shape.rows() * 5);
    CHECK_OK(on->pack_codebook(data.codebook, codes_count, shape.features, packed));
    CHECK_OK(on->assign_top_k(data.z, shape.outer, shape.inner, shape.features, packed, codes_count, 5, nearest));
    expect(nearest, 0xd034d3c34ee97bcf, "assign_top_k");
    CHECK_OK(on->code_distances(data.z, shape.outer, shape.inner, shape.features, data.codebook, nearest, 5,
        VQ4J_COSINE, distances));
    expect(distances, 0xff898a311f7bf66f, "code_distances");
    CHECK_OK(on->sample_codes(data.z, shape.outer, shape.inner, shape.features, packed, codes_count, 3.0, 7, 2, drawn));
    expect(drawn, 0x9a5cfdb45c9d304d, "sample_codes");
}

void rows(Implementation& on) {
    const Data data(on);
    const Array<float> out(on, shape.size()), distances(on, shape.rows());
    const Array<double> means(on, shape.outer), mean(on, 1);
    CHECK_OK(on->commitment_loss(data.z, shape.outer, shape.inner, shape.features, data.codebook, data.codes,
        shape.outer, distances, means, mean, nullptr, nullptr));
    expect(distances, 0x2ccb05fe4441612f, "commitment_loss, distances");
    expect(mean, 0x21495dd811c634a6, "commitment_loss, mean");
    CHECK_OK(on->input_gradient(data.z, data.gradient, shape.outer, shape.inner, shape.features, data.codebook,
        data.codes, 0.3f, out));
    expect(out, 0x3b992f5d88f990b4, "input_gradient");
    CHECK_OK(on->row_norm(data.z, shape.outer, shape.inner, shape.features, VQ4J_UNIT, out));
    expect(out, 0xe61595c7d9a54897, "row_norm");
    CHECK_OK(on->row_norm_gradient(data.z, data.gradient, shape.outer, shape.inner, shape.features, VQ4J_UNIT, out));
    expect(out, 0xfe65b8337b29db0f, "row_norm_gradient");
    CHECK_OK(on->match_norms(data.z, data.gradient, shape.outer, shape.inner, shape.features, out));
    expect(out, 0x8dd93c778c904d2c, "match_norms");
}

// From the rows to the codes before them, by both estimators.
void estimators(Implementation& on) {
    const Data data(on);
    const Array<float> found(on, shape.size()), of_rows(on, shape.size()), of_codes(on, shape.size());
    CHECK_OK(on->lookup(data.codebook, codes_count, data.codes, shape.outer, shape.inner, shape.features, found));
    CHECK_OK(on->estimate_gradient(data.z, found, data.gradient, shape.outer, shape.inner, shape.features,
        VQ4J_ROTATION, of_rows, nullptr));
    expect(of_rows, 0xe56966ebee65ac28, "estimate_gradient, rotation");
    CHECK_OK(on->estimate_gradient(data.z, found, data.gradient, shape.outer, shape.inner, shape.features,
        VQ4J_DIRECTED, of_rows, of_codes));
    expect(of_rows, 0x9e08469d98b9d81e, "estimate_gradient, directed, rows");
    expect(of_codes, 0x5280c0d50124d1c1, "estimate_gradient, directed, codes");
}

void sums(Implementation& on) {
    const Data data(on);
    const Array<float> by_code(on, codes_count * shape.features);
    const Array<float> mean(on, shape.features), variance(on, shape.features);
    CHECK_OK(on->scatter(data.z, shape.outer, shape.inner, shape.features, data.codes, codes_count, by_code));
    expect(by_code, 0xe3b60be940c7cfbc, "scatter");
    CHECK_OK(on->codebook_gradient(data.z, data.gradient, shape.outer, shape.inner, shape.features, data.codebook,
        data.codes, codes_count, 0.3f, 0.7f, by_code));
    expect(by_code, 0xd3ebea02f832a3b2, "codebook_gradient");
    const Floats zeros(static_cast<size_t>(codes_count * shape.features));
    const Array<float> first(on, zeros), second(on, zeros);
    const Array<int64_t> steps(on, std::vector<int64_t>(2));
    float* const tensor[] = {data.codebook, by_code, first, second};
    const int64_t count = codes_count * shape.features;
    int64_t* const counter = steps;
    for (int step = 0; step < 3; ++step) {
        CHECK_OK(on->adam_step(tensor, &count, &counter, 1, nullptr, 0, 0.01, 0.9, 0.999, 1e-8, 0.01, 1));
    }
    expect(data.codebook, 0xf51d9f2b7360aa48, "adam_step");
    CHECK_OK(on->moments(data.z, shape.outer, shape.inner, shape.features, 1, shape.features, mean, variance));
    expect(mean, 0xef1460d7fefcd8c0, "moments, mean");
    expect(variance, 0xda10f32f5e0b8306, "moments, variance");
    const Array<float> out(on, shape.size()), scale(on, shape.features), shift(on, shape.features);
    CHECK_OK(on->normalize(data.z, shape.outer, shape.inner, shape.features, 1, shape.features, mean, variance, 1e-5f,
        nullptr, nullptr, out));
    expect(out, 0x7f386d8de135de82, "normalize");
    CHECK_OK(on->normalize_gradient(data.z, data.gradient, shape.outer, shape.inner, shape.features, 1, shape.features,
        mean, variance, 1e-5f, nullptr, 1, out, scale, shift));
    expect(out, 0x6642600b1da41f38, "normalize_gradient, rows");
    expect(scale, 0xcae9dea5930acfff, "normalize_gradient, scale");
    expect(shift, 0x88b6c55a500cbd42, "normalize_gradient, shift");
}

void linear_maps(Implementation& on) {
    const Data data(on);
    constexpr int64_t out_features = 23;
    const Array<float> mapped(on, shape.rows() * out_features), back(on, shape.size());
    const Array<float> weight(on, out_features * shape.features), bias(on, out_features);
    CHECK_OK(on->linear(data.z, shape.outer, shape.inner, shape.features, data.codebook, data.gradient, out_features, 0,
        mapped));
    expect(mapped, 0x0a3ba48a46685f3e, "linear");
    CHECK_OK(on->linear_gradient(data.z, mapped, shape.outer, shape.inner, shape.features, out_features, weight, bias));
    expect(weight, 0x92c98228ccdce05d, "linear_gradient, weight");
    expect(bias, 0x9b2aab143181cf4d, "linear_gradient, bias");
    CHECK_OK(on->linear(mapped, shape.outer, shape.inner, out_features, data.codebook, nullptr, shape.features, 1,
        back));
    expect(back, 0x38248f55ea041016, "linear, transposed");
}

void codebooks(Implementation& on) {
    const Data data(on);
    const Array<float> seeded(on, codes_count * shape.features);
    CHECK_OK(on->seed_codebook(data.z, shape.outer, shape.inner, shape.features, codes_count, 5, seeded));
    expect(seeded, 0x910a5f96aa33b4ab, "seed_codebook");
    const Array<int32_t> codes(on, shape.rows());
    const Array<double> objective(on, 1);
    const Array<int64_t> moves(on, 1);
    CHECK_OK(on->lloyd(data.z, shape.outer, shape.inner, shape.features, codes_count, 20, 0.0, data.codebook, codes,
        objective, moves));
    expect(data.codebook, 0x2ca4363270f1a74d, "lloyd, codebook");
    expect(codes, 0x89ba072ebee8d887, "lloyd, codes");
    expect(objective, 0xf064254911a6581d, "lloyd, objective");
}

void mini_batches(Implementation& on) {
    const Data data(on);
    constexpr int64_t batch_rows = 517;
    const Array<float> batch(on, batch_rows * shape.features), sums(on, codes_count * shape.features);
    const Array<int32_t> codes(on, batch_rows);
    const Array<int64_t> counts(on, codes_count), totals(on, std::vector<int64_t>(codes_count));
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(codes_count, shape.features));
    for (uint64_t i = 0; i < 3; ++i) {
        CHECK_OK(on->sample_rows(data.z, shape.outer, shape.inner, shape.features, batch_rows, 4, i, batch));
        CHECK_OK(on->pack_codebook(data.codebook, codes_count, shape.features, packed));
        CHECK_OK(on->assign(batch, batch_rows, 1, shape.features, packed, codes_count, codes));
        CHECK_OK(on->scatter(batch, batch_rows, 1, shape.features, codes, codes_count, sums));
        CHECK_OK(on->count_codes(codes, batch_rows, codes_count, counts));
        CHECK_OK(on->mini_batch_update(sums, counts, codes_count, shape.features, totals, data.codebook));
    }
    expect(data.codebook, 0xba9659609a59da01, "mini_batch_update");
}

void moving_averages(Implementation& on) {
    const Data data(on);
    const int64_t count = codes_count * shape.features;
    const Array<float> sums(on, count), sizes(on, codes_count), averages(on, count), next_sizes(on, codes_count),
        next_averages(on, count);
    const Array<int64_t> counts(on, codes_count);
    CHECK_OK(on->scatter(data.z, shape.outer, shape.inner, shape.features, data.codes, codes_count, sums));
    CHECK_OK(on->count_codes(data.codes, shape.rows(), codes_count, counts));
    CHECK_OK(on->restart_averages(data.codebook, nullptr, counts, codes_count, shape.features, 1.0f, sizes, averages));
    CHECK_OK(on->moving_averages(counts, sums, codes_count, shape.features, 0.1f, 1e-5, sizes, averages, next_sizes,
        next_averages, data.codebook));
    expect(data.codebook, 0xadbbb16f138ba8f3, "moving_averages");
}

// Of a product layer, two groups of features; of a residual layer, two stages with a beam search.
void stages(Implementation& on) {
    const Data data(on);
    constexpr int64_t groups = 2, features = 17, beams = 3, candidates = 4;
    const Array<float> part(on, shape.rows() * features), part_codebook(on, codes_count * features);
    const Array<int32_t> part_codes(on, shape.rows());
    const Array<unsigned char> part_packed(on, on->packed_codebook_bytes(codes_count, features));
    for (int64_t group = 0; group < groups; ++group) {
        CHECK_OK(on->take_features(data.z, shape.outer, shape.inner, shape.features, group * features, features, part));
        CHECK_OK(on->take_features(data.codebook, codes_count, 1, shape.features, group * features, features,
            part_codebook));
        CHECK_OK(on->pack_codebook(part_codebook, codes_count, features, part_packed));
        CHECK_OK(on->assign(part, shape.outer, shape.inner, features, part_packed, codes_count, part_codes));
        expect(part_codes, group == 0 ? 0xc6984e4086cdb03f : 0x5b1f63e5c4bec3eb, "assign, sub-vectors");
    }

    const Array<unsigned char> packed(on, on->packed_codebook_bytes(codes_count, shape.features));
    CHECK_OK(on->pack_codebook(data.codebook, codes_count, shape.features, packed));
    const Array<float> rest(on, shape.size()), distances(on, shape.rows() * candidates),
        new_distances(on, shape.rows() * beams);
    const Array<int32_t> nearest(on, shape.rows() * candidates), paths(on, shape.rows() * 2),
        new_codes(on, shape.rows() * beams), new_paths(on, shape.rows() * beams * 2), best(on, shape.rows() * 2);
    const Array<int64_t> parents(on, shape.rows() * beams);
    CHECK_OK(on->residual(data.z, shape.outer, shape.inner, shape.features, data.codebook, codes_count, data.codes,
        rest));
    expect(rest, 0xe393a8c2ffd781df, "residual");
    CHECK_OK(on->assign_top_k(rest, shape.outer, shape.inner, shape.features, packed, codes_count, candidates,
        nearest));
    CHECK_OK(on->code_distances(rest, shape.outer, shape.inner, shape.features, data.codebook, nearest, candidates,
        VQ4J_SQUARED_EUCLIDEAN, distances));
    CHECK_OK(on->fill_codes(-1, shape.rows() * 2, paths));
    CHECK_OK(on->put_codes(data.codes, shape.rows(), 1, 2, 0, 0, paths));
    CHECK_OK(on->extend_beams(distances, nearest, paths, shape.rows(), 1, candidates, 2, 1, beams, parents, new_codes,
        new_paths, new_distances));
    expect(new_paths, 0x8606bae67c5bf461, "extend_beams, paths");
    expect(new_distances, 0x8769714dc8c36993, "extend_beams, distances");
    CHECK_OK(on->choose_beams(new_distances, new_paths, shape.rows(), beams, 2, best));
    expect(best, 0x2d636d28adcefbc4, "choose_beams");
}

void halves(Implementation& on) {
    const Data data(on);
    const Array<uint16_t> half(on, shape.size());
    const Array<float> wide(on, shape.size());
    const Array<int32_t> codes(on, shape.rows());
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(codes_count, shape.features));
    CHECK_OK(on->pack_codebook(data.codebook, codes_count, shape.features, packed));
    struct Expected {
        int32_t type;
        uint64_t narrow, widen, assign_half;
    };
    for (const auto& [type, narrow, widen, assign_half] :
        {Expected{VQ4J_FLOAT16, 0xdc22d98f9f1665eb, 0x2448e11f31d561ac, 0x4dc6a46d15454a76},
            Expected{VQ4J_BFLOAT16, 0x4b843cb0828f6d84, 0x120c6322e4b3fd5c, 0x8b9ce1ff4d423432}}) {
        CHECK_OK(on->narrow(data.z, shape.size(), type, half));
        expect(half, narrow, "narrow");
        CHECK_OK(on->widen(half, type, shape.size(), wide));
        expect(wide, widen, "widen");
        CHECK_OK(on->assign_half(
            half, type, shape.outer, shape.inner, shape.features, packed, codes_count, codes, nullptr));
        expect(codes, assign_half, "assign_half");
    }
}

// What crosses between workers.
void fixed_point(Implementation& on) {
    const Data data(on);
    const Array<int64_t> sums(on, codes_count * shape.features);
    const Array<float> means(on, codes_count * shape.features);
    CHECK_OK(on->fixed_point_scatter(data.z, shape.outer, shape.inner, shape.features, data.codes, codes_count,
        data.gradient, 2, 40, sums));
    expect(sums, 0xacc70ee5601b9365, "fixed_point_scatter");
    CHECK_OK(on->from_fixed_point(sums, codes_count * shape.features, 40, 3.0, means));
    expect(means, 0x527d88a111f668ab, "from_fixed_point");
}

// Through exp.
void pooling(Implementation& on) {
    const Data data(on);
    constexpr int64_t batch = 2, channels = 7, side = 19, pooled = 10;  // windows of 3, 2 apart, one pixel of padding
    const Array<float> out(on, batch * channels * pooled * pooled), back(on, batch * channels * side * side);
    CHECK_OK(on->norm_pooling(data.z, batch, channels, side, side, 3, 2, 1, 1, VQ4J_POOL_SOFTMAX, out));
    expect(out, 0xd741259e980693f2, "norm_pooling");
    CHECK_OK(on->norm_pooling_gradient(data.z, data.gradient, batch, channels, side, side, 3, 2, 1, 1,
        VQ4J_POOL_SOFTMAX, back));
    expect(back, 0x878b5806d5d4a44f, "norm_pooling_gradient");
}

// Through tanh, exp and log.
void codebook_free(Implementation& on) {
    const Data data(on);
    constexpr int64_t features = 9;
    const int64_t count = shape.size() / features;
    const Array<float> out(on, count * features);
    const Array<int32_t> codes(on, count);
    const int32_t levels[features] = {8, 5, 5, 5, 3, 4, 2, 3, 7};
    CHECK_OK(on->finite_scalar_quantize(data.z, count, 1, features, levels, out, codes));
    expect(codes, 0x9067e85c2ed114bc, "finite_scalar_quantize");
    CHECK_OK(on->finite_scalar_gradient(data.z, data.gradient, count, 1, features, levels, out));
    expect(out, 0x15bb3e10d3abe54c, "finite_scalar_gradient");
    const Array<double> losses(on, 3), mean_logits(on, features);
    CHECK_OK(on->sign_losses(data.z, count, 1, features, 1.0f, 2.0, losses, mean_logits));
    expect(losses, 0x1a0f98bbba6d9592, "sign_losses");
}

}  // namespace

int main() {
    return run({
        TEST(assignment),
        TEST(rows),
        TEST(estimators),
        TEST(sums),
        TEST(linear_maps),
        TEST(codebooks),
        TEST(mini_batches),
        TEST(moving_averages),
        TEST(stages),
        TEST(halves),
        TEST(fixed_point),
        TEST(pooling),
        TEST(codebook_free),
    });
}
