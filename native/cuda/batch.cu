// The batches of the process, open, submitted and idle, and the memory of devices, which batches keep from being given back
// too early.
#include "cuda/batch.cuh"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
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
std::vector<void*>& to_release = *new std::vector<void*>;
int64_t last_number = 0;
int64_t open_batches = 0;

std::atomic<bool> other_streams{false};

void release_now(void* memory) noexcept {
    const int own_device = device_of(memory);
    if (own_device < 0) {
        return;
    }
    const OnDevice device(own_device);
    if (other_streams.load()) {
        cudaDeviceSynchronize();  // the default stream, in whose order it is given back, says nothing of the others
        batching::add(waits);
    }
    cudaFreeAsync(memory, nullptr);
    cudaGetLastError();
}

OpenBatch* take_batch(int device, cudaStream_t stream) {
    const std::lock_guard<std::mutex> lock(shared_mutex);
    ++open_batches;
    for (size_t i = idle_batches.size(); i-- > 0;) {
        if (idle_batches[i]->is_of(device, stream)) {
            OpenBatch* const batch = idle_batches[i];
            idle_batches.erase(idle_batches.begin() + static_cast<std::ptrdiff_t>(i));
            return batch;
        }
    }
    return new OpenBatch(device, stream);
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
    std::vector<void*> released;
    {
        const std::lock_guard<std::mutex> lock(shared_mutex);
        idle_batches.push_back(open_batch);
        if (--open_batches == 0) {
            released.swap(to_release);
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
    if (stream != nullptr && !other_streams.load(std::memory_order_relaxed) && !other_streams.exchange(true)) {
        wait_for_device();  // what has been allocated so far is ordered on the default stream
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
    if (stream == nullptr && other_streams.load()) {
        wait_for(stream);  // what another stream is to use must not be in use on this one
    }
    return memory;
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

void release_after_batches(void* memory) noexcept {
    if (memory == nullptr) {
        return;
    }
    {
        const std::lock_guard<std::mutex> lock(shared_mutex);
        if (open_batches > 0) {
            to_release.push_back(memory);
            return;
        }
    }
    release_now(memory);
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
        open_batch = take_batch(current_device(), s);
        open_batch->begin();
        const std::lock_guard<std::mutex> lock(shared_mutex);
        open_number = ++last_number;
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
