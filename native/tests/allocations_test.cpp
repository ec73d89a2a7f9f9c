// Operations allocate nothing once a shape was seen: their scratch memory stays with the threads. Every allocation of the
// process is counted.
#include <atomic>
#include <cstddef>
#include <cstdlib>

namespace {

std::atomic<int64_t> allocations{0};

}  // namespace

#if defined(__SANITIZE_ADDRESS__)
// AddressSanitizer has a malloc of its own, with a place for hooks.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*allocated)(const volatile void*, size_t),
    void (*freed)(const volatile void*));

static void count_allocations() {
    __sanitizer_install_malloc_and_free_hooks([](const volatile void*, size_t) { ++allocations; },
        [](const volatile void*) {});
}
#else
// In place of the C library's, for all libraries of the process.
extern "C" void* __libc_malloc(size_t size);
extern "C" void* __libc_memalign(size_t alignment, size_t size);

extern "C" void* malloc(size_t size) {
    ++allocations;
    return __libc_malloc(size);
}

extern "C" void* aligned_alloc(size_t alignment, size_t size) {
    ++allocations;
    return __libc_memalign(alignment, size);
}

static void count_allocations() {}
#endif

#include "checks.hpp"

using namespace vq4j::testing;

namespace {

constexpr Shape shape{30, 49, 40};  // several tasks of every operation
constexpr int64_t codes_count = 210;  // enough for a filter of the assignment

// One training step and what may come with it.
class Step {
public:
    explicit Step(Implementation& on)
        : on_(on), z_(on, random_floats(shape.size(), 1)), g_(on, random_floats(shape.size(), 2)),
          codebook_(on, random_floats(codes_count * shape.features, 3)), velocity_(on, Floats(codes_count * shape.features)),
          second_(on, Floats(codes_count * shape.features)), by_code_(on, codes_count * shape.features),
          out_(on, shape.size()), distances_(on, shape.rows()), mean_(on, shape.features), variance_(on, shape.features),
          steps_(on, std::vector<int64_t>(2)), packed_(on, on->packed_codebook_bytes(codes_count, shape.features)), codes_(on, shape.rows()),
          counts_(on, codes_count), sample_means_(on, shape.outer), loss_(on, 1) {}

    void run() {
        Implementation& on = on_;
        const auto [outer, inner, features] = shape;
        const int64_t size = codes_count * features;
        CHECK_OK(on->pack_codebook(codebook_, codes_count, features, packed_));
        CHECK_OK(on->assign(z_, outer, inner, features, packed_, codes_count, codes_));
        CHECK_OK(on->count_codes(codes_, shape.rows(), codes_count, counts_));
        CHECK_OK(on->lookup(codebook_, codes_count, codes_, outer, inner, features, out_));
        CHECK_OK(on->commitment_loss(z_, outer, inner, features, codebook_, codes_, outer, distances_, sample_means_, loss_,
            out_, nullptr));
        CHECK_OK(on->input_gradient(z_, g_, outer, inner, features, codebook_, codes_, 0.1f, out_));
        CHECK_OK(on->codebook_gradient(z_, g_, outer, inner, features, codebook_, codes_, codes_count, 0.1f, 1.0f, by_code_));
        float* const of_sgd[] = {codebook_, by_code_, velocity_};
        float* const of_adam[] = {codebook_, by_code_, velocity_, second_};
        int64_t* const steps = steps_;
        CHECK_OK(on->sgd_step(of_sgd, &size, &steps, 1, nullptr, 0, 1e-3, 0.9, 0.0));
        CHECK_OK(on->adam_step(of_adam, &size, &steps, 1, nullptr, 0, 1e-3, 0.9, 0.999, 1e-8, 0.0, 0));
        CHECK_OK(on->scatter(z_, outer, inner, features, codes_, codes_count, by_code_));
        CHECK_OK(on->moments(z_, outer, inner, features, 1, features, mean_, variance_));
        CHECK_OK(on->normalize(z_, outer, inner, features, 1, features, mean_, variance_, 1e-5f, nullptr, nullptr, out_));
        CHECK_OK(on->normalize_gradient(z_, g_, outer, inner, features, 1, features, mean_, variance_, 1e-5f, nullptr, 1,
            out_, nullptr, nullptr));
        CHECK_OK(on->row_norm(z_, outer, inner, features, VQ4J_UNIT, out_));
        CHECK_OK(on->row_norm_gradient(z_, g_, outer, inner, features, VQ4J_UNIT, out_));
    }

private:
    Implementation& on_;
    Array<float> z_, g_, codebook_, velocity_, second_, by_code_, out_, distances_, mean_, variance_;
    Array<int64_t> steps_;
    Array<unsigned char> packed_;
    Array<int32_t> codes_;
    Array<int64_t> counts_;
    Array<double> sample_means_, loss_;
};

int64_t allocations_of(Step& step, int calls) {
    const int64_t before = allocations;
    for (int i = 0; i < calls; ++i) {
        step.run();
    }
    return allocations - before;
}

void one_thread_allocates_nothing_after_the_first_steps(Implementation& on) {
    Step step(on);
    allocations_of(step, 2);
    CHECK(allocations_of(step, 20) == 0);
}

// Which thread takes a task is chance: a thread may meet an operation late, and gets its scratch memory then.
void threads_allocate_once_each(Implementation& on) {
    Step step(on);
    allocations_of(step, 2);
    const int64_t first = allocations_of(step, 20);
    const int64_t second = allocations_of(step, 100);
    CHECK(first + second <= 2 * 16);
}

void the_count_counts(Implementation& on) {
    const int64_t before = allocations;
    on->release(on->allocate(64));
    CHECK(allocations == before + 1);
}

}  // namespace

int main() {
    count_allocations();
    Implementation one = cpu(vq4j_cpu_instruction_set(), 1);
    Implementation three = cpu(vq4j_cpu_instruction_set(), 3);
    return std::max(run({TEST(the_count_counts), TEST(one_thread_allocates_nothing_after_the_first_steps)}, {one}),
        run({TEST(threads_allocate_once_each)}, {three}));
}
