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
        shape.outer, distances, means, mean, nullptr));
    expect(distances, 0x2ccb05fe4441612f, "commitment_loss, distances");
    expect(mean, 0x21495dd811c634a6, "commitment_loss, mean");
    CHECK_OK(on->input_gradient(data.z, data.gradient, shape.outer, shape.inner, shape.features, data.codebook,
        data.codes, 0.3f, out));
    expect(out, 0x3b992f5d88f990b4, "input_gradient");
    CHECK_OK(on->row_norm(data.z, shape.outer, shape.inner, shape.features, VQ4J_UNIT, out));
    expect(out, 0xe61595c7d9a54897, "row_norm");
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
}

void codebooks(Implementation& on) {
    const Data data(on);
    const Array<float> seeded(on, codes_count * shape.features);
    CHECK_OK(on->seed_codebook(data.z, shape.outer, shape.inner, shape.features, codes_count, 5, seeded));
    expect(seeded, 0x910a5f96aa33b4ab, "seed_codebook");
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
        TEST(sums),
        TEST(codebooks),
        TEST(codebook_free),
    });
}
