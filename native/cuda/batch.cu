// The batches of the process, open, submitted and idle, and the memory of devices, which batches keep from being given back
// too early.
#include "cuda/batch.cuh"

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/failure.hpp"
#include "cuda/launch.cuh"
#include "cuda/open_batch.cuh"
#include "vq4j/cuda.h"

namespace vq4j {
namespace batching {

thread_local OpenBatch* open_batch = nullptr;
thread_local int64_t open_number = 0;

// Never destroyed: the driver may be gone before the process ends.
std::vector<OpenBatch*>& idle_batches = *new std::vector<OpenBatch*>;
std::map<int64_t, std::unique_ptr<Results>>& submitted = *new std::map<int64_t, std::unique_ptr<Results>>;
int64_t last_number = 0;
std::set<int64_t>& open_numbers = *new std::set<int64_t>;

std::atomic<bool> other_streams{false};
std::set<cudaStream_t>& streams_in_use = *new std::set<cudaStream_t>;  // but for the default stream; until they are forgotten

// Memory that was given back while batches were open, which may name it: those up to a number.
struct Released {
    void* memory;
    cudaStream_t stream;
    bool when_idle;
    int64_t last_batch;  // set where it is kept
};
std::deque<Released>& to_release = *new std::deque<Released>;

void release_now(const Released& released) noexcept {
    const int own_device = device_of(released.memory);
    if (own_device < 0) {
        return;
    }
    const OnDevice device(own_device);
    bool in_order = !released.when_idle;
    if (in_order && released.stream != nullptr) {
        const std::lock_guard<std::mutex> lock(shared_mutex);
        in_order = streams_in_use.count(released.stream) != 0;  // a stream that was forgotten may be there no more
    }
    if (!in_order && other_streams.load()) {
        cudaDeviceSynchronize();  // the default stream, in whose order it is given back, says nothing of the others
        batching::add(waits);
    }
    cudaFreeAsync(released.memory, in_order ? released.stream : nullptr);
    cudaGetLastError();
}

void release(Released released) noexcept {
    if (released.memory == nullptr) {
        return;
    }
    {
        const std::lock_guard<std::mutex> lock(shared_mutex);
        if (!open_numbers.empty()) {
            released.last_batch = last_number;
            to_release.push_back(released);
            return;
        }
    }
    release_now(released);
}

OpenBatch* take_idle_batch(int device, cudaStream_t stream) {
    const std::lock_guard<std::mutex> lock(shared_mutex);
    for (size_t i = idle_batches.size(); i-- > 0;) {
        if (idle_batches[i]->is_of(device, stream)) {
            OpenBatch* const batch = idle_batches[i];
            idle_batches.erase(idle_batches.begin() + static_cast<std::ptrdiff_t>(i));
            return batch;
        }
    }
    return nullptr;
}

// The thread has an open batch from here on.
void begin_open_batch(int device, cudaStream_t stream) {
    OpenBatch* const idle = take_idle_batch(device, stream);
    open_batch = idle != nullptr ? idle : new OpenBatch(device, stream);
    {
        const std::lock_guard<std::mutex> lock(shared_mutex);
        open_number = ++last_number;
        open_numbers.insert(open_number);
    }
    open_batch->begin();
}

// What is kept of a stream between its batches.
std::vector<std::unique_ptr<OpenBatch>> take_idle_batches(int device, cudaStream_t stream) {
    const std::lock_guard<std::mutex> lock(shared_mutex);
    const auto first = std::stable_partition(idle_batches.begin(), idle_batches.end(),
        [=](const OpenBatch* batch) { return !batch->is_of(device, stream); });
    std::vector<std::unique_ptr<OpenBatch>> taken;
    for (auto each = first; each != idle_batches.end(); ++each) {
        taken.emplace_back(*each);
    }
    idle_batches.erase(first, idle_batches.end());
    return taken;
}

// The thread has no open batch any more.
void close_open_batch() {
    open_batch->forget();
    std::vector<Released> released;
    {
        const std::lock_guard<std::mutex> lock(shared_mutex);
        idle_batches.push_back(open_batch);
        open_numbers.erase(open_number);
        while (!to_release.empty() && (open_numbers.empty() || to_release.front().last_batch < *open_numbers.begin())) {
            released.push_back(to_release.front());
            to_release.pop_front();
        }
    }
    open_batch = nullptr;
    std::for_each(released.begin(), released.end(), release_now);
}

void require_open(int64_t batch) {
    if (open_batch == nullptr || open_number != batch) {
        invalid("batch " + std::to_string(batch) + " is not open on this thread");
    }
}

std::unique_ptr<Results> take_submitted(int64_t batch) {
    const std::lock_guard<std::mutex> lock(shared_mutex);
    const auto at = submitted.find(batch);
    if (at == submitted.end()) {
        invalid("batch " + std::to_string(batch) + " has not been submitted, or is finished");
    }
    std::unique_ptr<Results> results = std::move(at->second);
    submitted.erase(at);
    return results;
}

Results& submitted_to(cudaStream_t stream, int64_t batch) {
    const std::lock_guard<std::mutex> lock(shared_mutex);
    const auto at = submitted.find(batch);
    if (at == submitted.end() || !at->second->is_on(current_device(), stream)) {
        invalid("batch " + std::to_string(batch) + " has not been submitted to this stream, or is finished");
    }
    return *at->second;
}

cudaMemPool_t pool_of(int device) {
    static std::mutex mutex;
    static std::map<int, cudaMemPool_t>& pools = *new std::map<int, cudaMemPool_t>;
    const std::lock_guard<std::mutex> lock(mutex);
    cudaMemPool_t& pool = pools[device];
    if (pool == nullptr) {
        cudaMemPoolProps properties = {};
        properties.allocType = cudaMemAllocationTypePinned;
        properties.location.type = cudaMemLocationTypeDevice;
        properties.location.id = device;
        check(cudaMemPoolCreate(&pool, &properties), "pool of device memory");
        uint64_t everything = UINT64_MAX;
        check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &everything), "pool of device memory");
    }
    return pool;
}

}  // namespace batching

using namespace batching;

Batch* Batch::open(cudaStream_t stream) {
    if (stream != nullptr && !other_streams.load(std::memory_order_relaxed)) {
        other_streams.store(true);
    }
    return open_batch != nullptr && open_batch->is_of(current_device(), stream) ? open_batch : nullptr;
}

void run_together(cudaStream_t stream, const std::function<void()>& body) {
    if (open_batch != nullptr) {
        body();
        if (Batch* const batch = Batch::open(stream)) {
            batch->catch_up();
        }
        return;
    }
    int64_t batch = 0;
    require_ok(vq4j_cuda_begin_batch(stream, &batch));
    try {
        body();
    } catch (...) {
        vq4j_cuda_drop_batch(batch);
        throw;
    }
    require_ok(vq4j_cuda_submit_batch(batch));
    require_ok(vq4j_cuda_finish_batch(batch));
}

Verdicts verdicts_of(const int64_t* batches, int64_t count, cudaStream_t stream) {
    Verdicts verdicts = {};
    for (int64_t i = 0; i < count; ++i) {
        Results& results = submitted_to(stream, batches[i]);
        if (!results.add_to(verdicts)) {
            verdicts.known_to_have_failed = verdicts.known_to_have_failed || results.has_failed();
        }
    }
    return verdicts;
}

void* allocate_from_pool(size_t bytes, cudaStream_t stream) {
    void* memory = nullptr;
    check(cudaMallocFromPoolAsync(&memory, bytes, pool_of(current_device()), stream), "device memory");
    return memory;
}

void* allocate_lasting(size_t bytes, cudaStream_t stream) {
    if (stream != nullptr) {
        const std::lock_guard<std::mutex> lock(shared_mutex);
        streams_in_use.insert(stream);
    }
    return allocate_from_pool(bytes, stream);
}

void release_to_pool(void* memory, cudaStream_t stream) noexcept {
    cudaFreeAsync(memory, stream);
}

void wait_for(cudaStream_t stream) {
    check(cudaStreamSynchronize(stream), "synchronize");
    batching::add(waits);
}

void wait_for_device() {
    check(cudaDeviceSynchronize(), "synchronize");
    batching::add(waits);
}

void count_steps(int64_t steps) {
    batching::add(steps_run, steps);
}

void release_after_batches(void* memory, cudaStream_t stream) noexcept {
    batching::release({memory, stream, false, 0});
}

void release_when_idle(void* memory) noexcept {
    batching::release({memory, nullptr, true, 0});
}

}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cuda_begin_batch(void* stream, int64_t* batch) {
    return guarded([&] {
        check_present({batch});
        if (open_batch != nullptr) {
            invalid("batch " + std::to_string(open_number) + " is open on this thread; need it submitted or dropped first");
        }
        const auto s = static_cast<cudaStream_t>(stream);
        Batch::open(s);
        begin_open_batch(current_device(), s);
        *batch = open_number;
    });
}

int32_t vq4j_cuda_fetch(void* stream, void* to, const void* from, int64_t bytes) {
    return guarded([&] {
        check_sizes({{"bytes", bytes}});
        check_present({to, from});
        const auto s = static_cast<cudaStream_t>(stream);
        if (Batch::open(s) != nullptr) {
            open_batch->fetch(to, from, static_cast<size_t>(bytes));
            return;
        }
        check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDefault, s), "copy to the host");
        wait_for(s);
    });
}

int32_t vq4j_cuda_send(void* stream, void* to, const void* from, int64_t bytes) {
    return guarded([&] {
        check_sizes({{"bytes", bytes}});
        check_present({to, from});
        const auto s = static_cast<cudaStream_t>(stream);
        if (Batch::open(s) != nullptr) {
            open_batch->send(to, from, static_cast<size_t>(bytes));
        } else {
            require_ok(vq4j_cuda_copy(stream, to, from, bytes));
        }
    });
}

int32_t vq4j_cuda_submit_batch(int64_t batch) {
    return guarded([&] {
        require_open(batch);
        std::unique_ptr<Results> results;
        try {
            results = open_batch->submit();
        } catch (...) {
            close_open_batch();
            throw;
        }
        close_open_batch();
        const std::lock_guard<std::mutex> lock(shared_mutex);
        submitted.emplace(batch, std::move(results));
    });
}

int32_t vq4j_cuda_finish_batch(int64_t batch) {
    return guarded([&] {
        const std::unique_ptr<Results> results = take_submitted(batch);
        results->wait();
        results->deliver();
    });
}

int32_t vq4j_cuda_drop_batch(int64_t batch) {
    return guarded([&] {
        require_open(batch);
        close_open_batch();
    });
}

int32_t vq4j_cuda_forget_stream(void* stream) {
    return guarded([&] {
        const auto s = static_cast<cudaStream_t>(stream);
        if (Batch::open(s) != nullptr) {
            invalid("batch " + std::to_string(open_number) + " is open on the stream; need it submitted or dropped first");
        }
        wait_for(s);
        take_idle_batches(current_device(), s).clear();
        {
            const std::lock_guard<std::mutex> lock(shared_mutex);
            streams_in_use.erase(s);
        }
        wait_for(s);  // for what was just given back to the pool, so that other libraries can have it
        check(cudaMemPoolTrimTo(pool_of(current_device()), 0), "pool of device memory");
    });
}

int64_t vq4j_cuda_checks(void) {
    return open_batch == nullptr ? 0 : open_batch->watched();
}

int64_t vq4j_cuda_failed_check(void) {
    return std::exchange(failed_watch, -1);
}

int32_t vq4j_cuda_set_uses_until_graph(int32_t uses) {
    return guarded([&] {
        if (uses < 0) {
            invalid("need uses >= 0, got " + std::to_string(uses));
        }
        uses_until_graph.store(uses);
    });
}

int32_t vq4j_cuda_batch_counts(int64_t* counts) {
    return guarded([&] {
        check_present({counts});
        for (int i = 0; i < counts_of; ++i) {
            counts[i] = batching::counts[i];
        }
    });
}
