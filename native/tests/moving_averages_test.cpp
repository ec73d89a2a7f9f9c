// Codebooks of moving averages against the recurrence in fp64, and all implementations against each other.
#include "checks.hpp"

namespace {

using namespace vq4j::testing;
using Counts = std::vector<int64_t>;

struct Size {
    int64_t codes_count;
    int64_t features;
};

// One code, primes, more than a chunk of codes, several tasks.
const std::vector<Size> sizes_of_codebooks = {{1, 1}, {2, 37}, {131, 5}, {257, 3}, {600, 128}};

// Counts as of a batch, most codes unused, and sums of so many rows around 2.
Counts random_counts(int64_t codes_count, unsigned seed) {
    std::mt19937 generator(seed);
    Counts counts(static_cast<size_t>(codes_count));
    for (int64_t& count : counts) {
        count = generator() % 3 == 0 ? static_cast<int64_t>(generator() % 50) : 0;
    }
    counts[0] = 7;
    return counts;
}

Floats sums_of(const Counts& counts, int64_t features, unsigned seed) {
    Floats sums = random_floats(static_cast<int64_t>(counts.size()) * features, seed, 2.0f);
    for (size_t i = 0; i < sums.size(); ++i) {
        sums[i] *= static_cast<float>(counts[i / static_cast<size_t>(features)]);
    }
    return sums;
}

void steps_follow_the_recurrence(Implementation& on) {
    for (const Size size : sizes_of_codebooks) {
        for (const double decay : {0.5, 0.99}) {
            const double epsilon = 1e-5;
            const auto codes_count = static_cast<size_t>(size.codes_count);
            const int64_t elements = size.codes_count * size.features;
            const Floats start = random_floats(elements, 1);
            Doubles uses(codes_count, 1.0), averages(start.begin(), start.end()), codebook(start.size());
            const Array<float> n0(on, Floats(codes_count, 1.0f)), n1(on, size.codes_count);
            const Array<float> m0(on, start), m1(on, elements), c(on, elements);
            float *n[] = {n0, n1}, *m[] = {m0, m1};
            for (unsigned step = 0; step < 4; ++step) {
                const Counts counts = random_counts(size.codes_count, 10 + step);
                const Floats sums = sums_of(counts, size.features, 20 + step);
                double total = 0.0;
                for (size_t k = 0; k < codes_count; ++k) {
                    uses[k] = decay * uses[k] + (1.0 - decay) * static_cast<double>(counts[k]);
                    total += uses[k];
                }
                for (size_t i = 0; i < averages.size(); ++i) {
                    averages[i] = decay * averages[i] + (1.0 - decay) * static_cast<double>(sums[i]);
                    codebook[i] = averages[i]
                        / ((uses[i / static_cast<size_t>(size.features)] + epsilon)
                            / (total + static_cast<double>(codes_count) * epsilon) * total);
                }
                const Array<int64_t> batch_counts(on, counts);
                const Array<float> batch_sums(on, sums);
                CHECK_OK(on->moving_averages(batch_counts, batch_sums, size.codes_count, size.features,
                    static_cast<float>(1.0 - decay), epsilon, n[step % 2], m[step % 2], n[1 - step % 2],
                    m[1 - step % 2], c));
                CHECK_CLOSE((step % 2 == 0 ? n1 : n0).read(), uses, 2e-6);
                CHECK_CLOSE((step % 2 == 0 ? m1 : m0).read(), averages, 2e-6);
                CHECK_CLOSE(c.read(), codebook, 4e-6);
            }
        }
    }
}

// A code that no batch uses keeps its place as long as its N_k is far above epsilon.
void an_unused_code_stays(Implementation& on) {
    const Array<int64_t> counts(on, Counts{0, 1000});
    const Array<float> sums(on, Floats{0, 3000}), sizes(on, Floats{1, 1}), averages(on, Floats{5, 3});
    const Array<float> next_sizes(on, 2), next_averages(on, 2), codebook(on, 2);
    CHECK_OK(
        on->moving_averages(counts, sums, 2, 1, 0.01f, 1e-5, sizes, averages, next_sizes, next_averages, codebook));
    CHECK_CLOSE(next_sizes.read(), (Doubles{0.99, 10.99}), 1e-6);
    CHECK_CLOSE(codebook.read(), (Doubles{5, 3}), 2e-5);
}

void a_step_that_overflows_names_the_code_and_keeps_its_input(Implementation& on) {
    const Array<int64_t> counts(on, Counts{1, 1, 2});
    const Array<float> sums(on, Floats{1, 1, 1, infinity, 1, infinity});
    const Array<float> sizes(on, Floats{1, 2, 3}), averages(on, Floats{1, 2, 3, 4, 5, 6});
    const Array<float> next_sizes(on, 3), next_averages(on, 6), codebook(on, 6);
    CHECK_FAILS(
        on->moving_averages(counts, sums, 3, 2, 0.1f, 1e-5, sizes, averages, next_sizes, next_averages, codebook),
        VQ4J_NOT_FINITE, "moving average of the codebook", "row 1");
    CHECK((sizes.read() == Floats{1, 2, 3}));
    CHECK((averages.read() == Floats{1, 2, 3, 4, 5, 6}));
}

void averages_restart_where_they_are_marked(Implementation& on) {
    const Array<float> codebook(on, Floats{1, 2, 3, 4, 5, 6});
    const Array<int64_t> counts(on, Counts{0, 1, 9});
    const Array<int32_t> mask(on, std::vector<int32_t>{1, 0, 1});
    const auto restart = [&](const int32_t* marked, const int64_t* used, const Floats& sizes, const Floats& averages) {
        const Array<float> n(on, Floats{7, 7, 7}), m(on, Floats(6, 8.0f));
        CHECK_OK(on->restart_averages(codebook, marked, used, 3, 2, 2.0f, n, m));
        CHECK(n.read() == sizes);
        CHECK(m.read() == averages);
    };
    restart(nullptr, nullptr, {2, 2, 2}, {2, 4, 6, 8, 10, 12});
    restart(nullptr, counts, {2, 2, 9}, {2, 4, 6, 8, 45, 54});
    restart(mask, nullptr, {2, 7, 2}, {2, 4, 8, 8, 10, 12});
}

void codes_below_the_threshold_are_marked_beside_those_that_are(Implementation& on) {
    const Array<float> sizes(on, Floats{0.5f, 1.0f, 3.0f, 0.0f, 2.0f});
    const Array<int32_t> mask(on, std::vector<int32_t>{0, 0, 1, 1, 0});
    const Array<int32_t> counters(on, std::vector<int32_t>{4, 3, 5, 1, 2});
    const Array<int64_t> marked(on, 1);
    CHECK_OK(on->expire_codes(sizes, 5, 1.0f, 5, counters, mask, marked));
    CHECK((mask.read() == std::vector<int32_t>{1, 0, 1, 1, 0}));
    CHECK(marked.read()[0] == 3);
    CHECK((counters.read() == std::vector<int32_t>{5, 3, 5, 5, 2}));
    CHECK_OK(on->expire_codes(sizes, 5, 3.0f, 0, nullptr, mask, marked));
    CHECK((mask.read() == std::vector<int32_t>{1, 1, 1, 1, 1}));
}

void bad_arguments_are_named(Implementation& on) {
    const Array<float> x(on, Floats(4));
    const Array<int64_t> counts(on, Counts(4));
    const Array<int32_t> mask(on, std::vector<int32_t>(4));
    CHECK_FAILS(on->moving_averages(counts, x, 0, 1, 0.1f, 1e-5, x, x, x, x, x), VQ4J_INVALID_ARGUMENT, "codes_count",
        "0");
    CHECK_FAILS(on->moving_averages(counts, nullptr, 1, 1, 0.1f, 1e-5, x, x, x, x, x), VQ4J_INVALID_ARGUMENT, "null");
    CHECK_FAILS(on->restart_averages(x, mask, counts, 1, -1, 1.0f, x, x), VQ4J_INVALID_ARGUMENT, "features", "-1");
    CHECK_FAILS(on->expire_codes(x, 4, 1.0f, 0, nullptr, mask, nullptr), VQ4J_INVALID_ARGUMENT, "null");
}

}  // namespace

int main() {
    return run({
        TEST(steps_follow_the_recurrence),
        TEST(an_unused_code_stays),
        TEST(a_step_that_overflows_names_the_code_and_keeps_its_input),
        TEST(averages_restart_where_they_are_marked),
        TEST(codes_below_the_threshold_are_marked_beside_those_that_are),
        TEST(bad_arguments_are_named),
    });
}
