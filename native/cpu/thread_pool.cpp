#include "cpu/thread_pool.hpp"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/failure.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

constexpr int32_t most_threads = 1024;

// Rounds of a waiting thread before it sleeps: a tenth of a millisecond or two, so that the operations of one training
// step, between which a program that has just started spends some ten microseconds, do not pay for waking it each time.
constexpr int spins = 4000;

int32_t usable_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    }
    return std::min(most_threads, std::max(1, CPU_COUNT(&set)));
}

// Leaves the core to its other hardware thread for a moment.
void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

class Pool {
public:
    int32_t threads() const { return threads_.load(std::memory_order_relaxed); }

    void set_threads(int32_t threads) {
        const std::lock_guard<std::mutex> lock(caller_);
        if (threads < threads_) {
            stop();
        }
        threads_ = threads;
    }

    void run(int64_t count, void (*task)(void*, int64_t), void* context) {
        std::unique_lock<std::mutex> caller(caller_, std::defer_lock);
        if (threads() == 1 || count <= 1 || in_task || !caller.try_lock()) {
            for (int64_t i = 0; i < count; ++i) {
                task(context, i);
            }
            return;
        }
        const auto helpers = static_cast<size_t>(std::min<int64_t>(threads(), count) - 1);
        start(helpers);
        leave_core_to_caller();
        task_ = task;
        context_ = context;
        count_ = count;
        share_out(helpers + 1);
        failure_ = nullptr;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            helpers_ = helpers;
            open_ = true;
            job_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        take_tasks(helpers);
        // Threads that wake up only now find the job closed: nobody waits for them.
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            open_ = false;
        }
        for (int spin = 0; active_.load(std::memory_order_acquire) > 0 && spin < spins; ++spin) {
            pause();
        }
        {
            std::unique_lock<std::mutex> lock(mutex_);
            done_.wait(lock, [&] { return active_.load(std::memory_order_acquire) == 0; });
        }
        if (failure_) {
            std::rethrow_exception(failure_);
        }
    }

private:
    void start(size_t helpers) {
        while (workers_.size() < helpers) {
            const size_t index = workers_.size();
            const uint64_t seen = job_.load();
            workers_.emplace_back([this, index, seen] { work(index, seen); });
        }
    }

    // Some kernels wake a thread on the core of the one that wakes it, where it waits while another core is idle. The
    // caller's core is therefore none of the workers', as long as it calls from there.
    void leave_core_to_caller() {
        const int core = sched_getcpu();
        if (core < 0 || (core == callers_core_ && workers_.size() == workers_moved_)) {
            return;
        }
        callers_core_ = core;
        workers_moved_ = workers_.size();
        cpu_set_t others;
        CPU_ZERO(&others);
        if (sched_getaffinity(0, sizeof others, &others) != 0) {
            return;
        }
        CPU_CLR(core, &others);
        if (static_cast<size_t>(CPU_COUNT(&others)) < workers_.size()) {
            return;  // a core each is not to be had
        }
        for (std::thread& worker : workers_) {
            pthread_setaffinity_np(worker.native_handle(), sizeof others, &others);
        }
    }

    void stop() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            stopping_ = true;
            job_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        for (std::thread& worker : workers_) {
            worker.join();
        }
        workers_.clear();
        workers_moved_ = 0;
        stopping_ = false;
    }

    void work(size_t index, uint64_t seen) {
        for (;;) {
            for (int spin = 0; job_.load(std::memory_order_acquire) == seen && spin < spins; ++spin) {
                pause();
            }
            {
                std::unique_lock<std::mutex> lock(mutex_);
                wake_.wait(lock, [&] { return job_.load(std::memory_order_acquire) != seen; });
                seen = job_.load(std::memory_order_acquire);
                if (stopping_) {
                    return;
                }
                if (!open_ || index >= helpers_) {
                    continue;
                }
                active_.fetch_add(1);
            }
            take_tasks(index);
            const std::lock_guard<std::mutex> lock(mutex_);
            if (active_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
                done_.notify_one();
            }
        }
    }

    // Every thread has a share of neighbouring tasks of its own, and takes from the others' when it is done: the operations
    // of a training step find a row in the caches of the core that had it before.
    struct alignas(64) Share {
        std::atomic<int64_t> next{0};
        int64_t end = 0;
    };

    void share_out(size_t threads) {
        if (shares_.size() < threads) {
            shares_ = std::vector<Share>(threads);
        }
        sharing_ = threads;
        const auto parts = static_cast<int64_t>(threads);
        for (int64_t i = 0; i < parts; ++i) {
            shares_[static_cast<size_t>(i)].next.store(count_ * i / parts, std::memory_order_relaxed);
            shares_[static_cast<size_t>(i)].end = count_ * (i + 1) / parts;
        }
    }

    void take_tasks(size_t own) {
        in_task = true;
        for (size_t i = 0; i < sharing_; ++i) {
            Share& share = shares_[(own + i) % sharing_];
            for (;;) {
                const int64_t task = share.next.fetch_add(1, std::memory_order_relaxed);
                if (task >= share.end) {
                    break;
                }
                try {
                    task_(context_, task);
                } catch (...) {
                    const std::lock_guard<std::mutex> lock(mutex_);
                    if (!failure_) {
                        failure_ = std::current_exception();
                    }
                }
            }
        }
        in_task = false;
    }

    static thread_local bool in_task;

    std::mutex caller_;  // held by the caller whose tasks run
    std::atomic<int32_t> threads_{usable_cores()};
    std::vector<std::thread> workers_;
    int callers_core_ = -1;     // where the workers do not run
    size_t workers_moved_ = 0;  // off it

    std::mutex mutex_;  // of what the workers wait for
    std::condition_variable wake_;
    std::condition_variable done_;
    std::atomic<uint64_t> job_{0};
    size_t helpers_ = 0;  // how many workers the job has use for
    bool open_ = false;
    bool stopping_ = false;
    std::atomic<int> active_{0};  // workers on the job

    void (*task_)(void*, int64_t) = nullptr;
    void* context_ = nullptr;
    int64_t count_ = 0;
    std::vector<Share> shares_;
    size_t sharing_ = 0;  // how many of them are in use
    std::exception_ptr failure_;
};

thread_local bool Pool::in_task = false;

// Never destroyed: at the end of a JVM its threads may still call.
Pool& pool() {
    static Pool* const instance = new Pool;
    return *instance;
}

}  // namespace

void run_tasks(int64_t count, void (*task)(void* context, int64_t i), void* context) {
    pool().run(count, task, context);
}

void set_pool_threads(int32_t threads) {
    if (threads < 1 || threads > most_threads) {
        invalid("need 1 <= threads <= " + std::to_string(most_threads) + ", got " + std::to_string(threads));
    }
    pool().set_threads(threads);
}

int32_t pool_threads() {
    return pool().threads();
}

}  // namespace vq4j

int32_t vq4j_cpu_set_threads(int32_t threads) {
    return vq4j::guarded([&] { vq4j::set_pool_threads(threads); });
}

int32_t vq4j_cpu_threads(void) {
    return vq4j::pool_threads();
}
