// The thread pool: every task runs once, from one caller or many, nested or failing, while the number of threads changes.
// Compiled together with the pool, and once more with ThreadSanitizer.
#include "cpu/thread_pool.hpp"

#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "vq4j/cpu.h"

namespace {

using vq4j::parallel_for;
using vq4j::parallel_ranges;

int failures = 0;

#define CHECK(condition) check((condition), #condition, __LINE__)

void check(bool holds, const char* what, int line) {
    if (!holds) {
        std::printf("FAILED: line %d: %s\n", line, what);
        ++failures;
    }
}

// How often each of the tasks of one parallel_for ran.
class Runs {
public:
    explicit Runs(int64_t count) : runs_(static_cast<size_t>(count)) {}

    // Plain memory for each task: a task that two threads run is a race.
    void run(int64_t i) { ++runs_[static_cast<size_t>(i)]; }

    bool each_once() const {
        for (const int runs : runs_) {
            if (runs != 1) {
                return false;
            }
        }
        return true;
    }

private:
    std::vector<int> runs_;
};

void every_task_runs_once_at_any_number_of_threads() {
    for (const int32_t threads : {1, 2, 3, 8}) {
        vq4j::set_pool_threads(threads);
        for (const int64_t count : {0, 1, 2, 7, 1000}) {
            Runs runs(count);
            parallel_for(count, [&](int64_t i) { runs.run(i); });
            CHECK(runs.each_once());
        }
    }
}

void ranges_cover_all_items() {
    vq4j::set_pool_threads(3);
    for (const int64_t elements : {int64_t{1}, int64_t{5000}, vq4j::task_elements + 1}) {
        Runs runs(100);
        parallel_ranges(100, elements, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                runs.run(i);
            }
        });
        CHECK(runs.each_once());
    }
}

void callers_do_not_disturb_each_other() {
    vq4j::set_pool_threads(3);
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 6; ++caller) {
        callers.emplace_back([&wrong, caller] {
            for (int call = 0; call < 1000; ++call) {
                Runs runs(1 + (caller + call) % 20);
                parallel_for(1 + (caller + call) % 20, [&](int64_t i) { runs.run(i); });
                wrong += runs.each_once() ? 0 : 1;
            }
        });
    }
    for (std::thread& caller : callers) {
        caller.join();
    }
    CHECK(wrong == 0);
}

void tasks_may_call_the_pool() {
    vq4j::set_pool_threads(3);
    for (int call = 0; call < 50; ++call) {
        std::vector<Runs> runs(10, Runs(10));
        parallel_for(10, [&](int64_t i) {
            parallel_for(10, [&](int64_t j) { runs[static_cast<size_t>(i)].run(j); });
        });
        for (const Runs& inner : runs) {
            CHECK(inner.each_once());
        }
    }
}

void a_failure_reaches_the_caller_and_the_pool_goes_on() {
    for (const int32_t threads : {1, 3}) {
        vq4j::set_pool_threads(threads);
        for (int call = 0; call < 50; ++call) {
            std::string message;
            try {
                parallel_for(20, [&](int64_t i) {
                    if (i == 13) {
                        throw std::runtime_error("task 13");
                    }
                });
            } catch (const std::runtime_error& failure) {
                message = failure.what();
            }
            CHECK(message == "task 13");
        }
        Runs runs(20);
        parallel_for(20, [&](int64_t i) { runs.run(i); });
        CHECK(runs.each_once());
    }
}

void the_number_of_threads_may_change_during_calls() {
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 2; ++caller) {
        callers.emplace_back([&] {
            while (!done) {
                Runs runs(12);
                parallel_for(12, [&](int64_t i) { runs.run(i); });
                wrong += runs.each_once() ? 0 : 1;
            }
        });
    }
    for (int change = 0; change < 300; ++change) {
        const int32_t threads = 1 + change % 5;
        CHECK(vq4j_cpu_set_threads(threads) == VQ4J_OK);
        CHECK(vq4j_cpu_threads() == threads);
    }
    done = true;
    for (std::thread& caller : callers) {
        caller.join();
    }
    CHECK(wrong == 0);
    CHECK(vq4j_cpu_set_threads(0) == VQ4J_INVALID_ARGUMENT);
    CHECK(vq4j_cpu_set_threads(1025) == VQ4J_INVALID_ARGUMENT);
}

}  // namespace

int main() {
    every_task_runs_once_at_any_number_of_threads();
    ranges_cover_all_items();
    callers_do_not_disturb_each_other();
    tasks_may_call_the_pool();
    a_failure_reaches_the_caller_and_the_pool_goes_on();
    the_number_of_threads_may_change_during_calls();
    std::printf("thread pool: %d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
