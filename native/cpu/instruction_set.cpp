// Which instruction set's kernels run: the widest that the machine has, or the one asked for.
#include <atomic>
#include <string>
#include <vector>

#include "core/failure.hpp"
#include "cpu/kernels.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

#if defined(__x86_64__)
// AVX-512 with the filtered assignment.
const Kernels& avx512_vnni_kernels() {
    static const Kernels table = [] {
        Kernels with_filter = avx512_kernels;
        with_filter.name = "avx512_vnni";
        with_filter.filter = &avx512_vnni_filter;
        return with_filter;
    }();
    return table;
}
#endif

// What the machine can run, widest first.
const std::vector<const Kernels*>& available() {
    static const std::vector<const Kernels*> all = [] {
        std::vector<const Kernels*> found;
#if defined(__x86_64__)
        __builtin_cpu_init();
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
            if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
                && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
                if (__builtin_cpu_supports("avx512vnni")) {
                    found.push_back(&avx512_vnni_kernels());
                }
                found.push_back(&avx512_kernels);
            }
            found.push_back(&avx2_kernels);
        }
#elif defined(__aarch64__)
        found.push_back(&neon_kernels);
#endif
        found.push_back(&portable_kernels);
        return found;
    }();
    return all;
}

std::atomic<const Kernels*>& in_use() {
    static std::atomic<const Kernels*> chosen{available().front()};
    return chosen;
}

}  // namespace

const Kernels& kernels() {
    return *in_use().load(std::memory_order_relaxed);
}

}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_set_instruction_set(const char* name) {
    return guarded([&] {
        check_present({name});
        std::string names;
        for (const Kernels* each : available()) {
            if (each->name == std::string(name)) {
                in_use() = each;
                return;
            }
            names += (names.empty() ? "" : ", ") + std::string(each->name);
        }
        invalid("need an instruction set of this machine, one of " + names + "; got \"" + name + "\"");
    });
}

const char* vq4j_cpu_instruction_set(void) {
    return kernels().name;
}
