// Checks of the test programs, random data, and the run of every test on every implementation.
#ifndef VQ4J_TESTS_CHECKS_HPP
#define VQ4J_TESTS_CHECKS_HPP

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "implementation.hpp"

namespace vq4j::testing {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

inline int failures = 0;
inline std::string context;  // implementation and test

#define CHECK(condition) check((condition), #condition, __LINE__)

inline void check(bool holds, const char* what, int line) {
    if (!holds) {
        std::printf("FAILED: %s, line %d: %s\n", context.c_str(), line, what);
        ++failures;
    }
}

#define CHECK_CLOSE(actual, expected, tolerance) check_close((actual), (expected), (tolerance), __LINE__)

// |actual - expected| <= tolerance * max(1, |expected|), element by element.
template <typename T>
void check_close(const std::vector<T>& actual, const Doubles& expected, double tolerance, int line) {
    check(actual.size() == expected.size(), "the same number of elements", line);
    for (size_t i = 0; i < expected.size(); ++i) {
        const double difference = std::fabs(static_cast<double>(actual[i]) - expected[i]);
        if (!(difference <= tolerance * std::max(1.0, std::fabs(expected[i])))) {
            std::printf("FAILED: %s, line %d: element %zu is %.9g, expected %.9g\n", context.c_str(), line, i,
                static_cast<double>(actual[i]), expected[i]);
            ++failures;
            return;
        }
    }
}

#define CHECK_OK(status) check_ok(on, (status), __LINE__)

inline void check_ok(const Implementation& on, int32_t status, int line) {
    if (status != VQ4J_OK) {
        std::printf("FAILED: %s, line %d: status %d: %s\n", context.c_str(), line, status, on->last_error());
        ++failures;
    }
}

#define CHECK_FAILS(status, expected, ...) check_fails(on, (status), (expected), {__VA_ARGS__}, __LINE__)

inline void check_fails(const Implementation& on, int32_t status, int32_t expected,
    const std::vector<std::string>& parts, int line) {
    check(status == expected, "the status of the failure", line);
    for (const std::string& part : parts) {
        if (std::string(on->last_error()).find(part) == std::string::npos) {
            std::printf("FAILED: %s, line %d: no \"%s\" in the message: %s\n", context.c_str(), line, part.c_str(),
                on->last_error());
            ++failures;
        }
    }
}

// ---- data ------------------------------------------------------------------------------------------------------

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

inline Floats random_floats(int64_t count, unsigned seed, float mean = 0.0f, float deviation = 1.0f) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal(mean, deviation);
    Floats values(static_cast<size_t>(count));
    for (float& value : values) {
        value = normal(generator);
    }
    return values;
}

// Rows of a tensor whose feature axis may stand anywhere.
struct Shape {
    int64_t outer;
    int64_t inner;
    int64_t features;

    int64_t rows() const { return outer * inner; }
    int64_t size() const { return rows() * features; }
    size_t at(int64_t n, int64_t d) const {
        return static_cast<size_t>(((n / inner) * features + d) * inner + n % inner);
    }
};

// ---- running ---------------------------------------------------------------------------------------------------

struct Test {
    const char* name;
    void (*function)(Implementation&);
};

#define TEST(function) {#function, function}

// Every test on every implementation; the outputs read must be the same bits on all. Returns the program's result. With
// VQ4J_NAME_TESTS in the environment each is named before it runs, so that one that hangs is known.
inline int run(const std::vector<Test>& tests, std::vector<Implementation> all = implementations()) {
    for (const auto& [name, test] : tests) {
        for (Implementation& on : all) {
            context = on.name + ", " + name;
            on.outputs.clear();
            on.select();
            if (std::getenv("VQ4J_NAME_TESTS") != nullptr) {
                std::printf("%s\n", context.c_str());
                std::fflush(stdout);
            }
            test(on);
            if (on.outputs != all.front().outputs) {
                std::printf("FAILED: %s: other bits than on %s\n", context.c_str(), all.front().name.c_str());
                ++failures;
            }
        }
    }
    std::printf("%zu tests on %zu implementations: %d failures\n", tests.size(), all.size(), failures);
    return failures == 0 && !all.empty() ? 0 : 1;
}

}  // namespace vq4j::testing

#endif
