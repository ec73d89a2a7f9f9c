// What a batch brings to the host, the host memory and the events that it uses, and where its verdict stays on the device.
#ifndef VQ4J_CUDA_BATCH_RESULTS_CUH
#define VQ4J_CUDA_BATCH_RESULTS_CUH

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "cuda/batch_counts.cuh"
#include "cuda/launch.cuh"

namespace vq4j {
namespace batching {

// Host memory that the device writes to and reads from.
struct HostBlock {
    unsigned char* memory;
    size_t bytes;
    size_t used;
};

inline std::mutex shared_mutex;  // guards all that is shared below
// Never destroyed: at the end of a process threads may still call.
inline std::vector<HostBlock>& idle_blocks = *new std::vector<HostBlock>;
inline std::map<int, std::vector<cudaEvent_t>>& idle_events = *new std::map<int, std::vector<cudaEvent_t>>;  // by device

inline HostBlock take_block(size_t bytes) {
    constexpr size_t least_bytes = size_t{16} << 10;
    const std::lock_guard<std::mutex> lock(shared_mutex);
    auto smallest = idle_blocks.end();  // that is enough: the large ones are for what is sent
    for (auto each = idle_blocks.begin(); each != idle_blocks.end(); ++each) {
        if (each->bytes >= bytes && (smallest == idle_blocks.end() || each->bytes < smallest->bytes)) {
            smallest = each;
        }
    }
    if (smallest != idle_blocks.end()) {
        const HostBlock block = {smallest->memory, smallest->bytes, 0};
        idle_blocks.erase(smallest);
        return block;
    }
    void* memory = nullptr;
    const size_t size = std::max(bytes, least_bytes);
    check(cudaHostAlloc(&memory, size, cudaHostAllocPortable), "memory of the host for a batch");
    return {static_cast<unsigned char*>(memory), size, 0};
}

// Of the current device.
inline cudaEvent_t take_event(int device) {
    {
        const std::lock_guard<std::mutex> lock(shared_mutex);
        std::vector<cudaEvent_t>& idle = idle_events[device];
        if (!idle.empty()) {
            const cudaEvent_t event = idle.back();
            idle.pop_back();
            return event;
        }
    }
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "event");
    return event;
}

struct Watch {
    int64_t number;             // within the batch, from 0
    const unsigned char* copy;  // on the host
    std::function<void(int64_t)> fail;

    int64_t lowest() const {
        int64_t value = 0;
        std::memcpy(&value, copy, sizeof value);
        return value;
    }
    bool has_failed() const { return lowest() != first_bad_none; }
};

struct Fetch {
    void* to;
    const unsigned char* copy;
    size_t bytes;
};

// Watched numbers, as many as one fill sets and one copy reads.
constexpr size_t page_watches = 64;
constexpr size_t page_bytes = page_watches * sizeof(long long);

// Pages of device memory, in the order of a stream. They last as long as what is on them is looked at: the stream's batches,
// and results of them that have not been finished.
class Pages {
public:
    explicit Pages(cudaStream_t stream) : stream_(stream) {}
    ~Pages() {
        for (void* const memory : memory_) {
            release_after_batches(memory, stream_);
        }
    }
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;

    long long* take() {
        constexpr size_t pages_at_once = 64;
        {
            const std::lock_guard<std::mutex> lock(shared_mutex);
            if (!idle_.empty()) {
                long long* const page = idle_.back();
                idle_.pop_back();
                return page;
            }
        }
        auto* const memory = static_cast<long long*>(allocate_lasting(pages_at_once * page_bytes, stream_));
        const std::lock_guard<std::mutex> lock(shared_mutex);
        memory_.push_back(memory);
        for (size_t page = 1; page < pages_at_once; ++page) {
            idle_.push_back(memory + page * page_watches);
        }
        return memory;
    }

    // With the mutex held.
    void give_back(const std::vector<long long*>& pages) { idle_.insert(idle_.end(), pages.begin(), pages.end()); }

private:
    cudaStream_t stream_;
    std::vector<void*> memory_;
    std::vector<long long*> idle_;
};

// The number of the watch that has failed last, until it is asked for.
inline thread_local int64_t failed_watch = -1;

// What a batch brings to the host, and the host memory that it uses.
class Results {
public:
    Results(std::shared_ptr<Pages> pages, int device, cudaStream_t stream)
        : pages_(std::move(pages)), device_(device), stream_(stream) {}
    ~Results() {
        const std::lock_guard<std::mutex> lock(shared_mutex);
        pages_->give_back(verdict_);
        idle_blocks.insert(idle_blocks.begin(), blocks_.begin(), blocks_.end());
        if (event_ != nullptr) {
            idle_events[device_].push_back(event_);
        }
    }
    Results(const Results&) = delete;
    Results& operator=(const Results&) = delete;

    unsigned char* room(size_t bytes) {
        const size_t aligned = (bytes + 15) / 16 * 16;
        if (blocks_.empty() || blocks_.back().used + aligned > blocks_.back().bytes) {
            blocks_.push_back(take_block(aligned));
        }
        unsigned char* const memory = blocks_.back().memory + blocks_.back().used;
        blocks_.back().used += aligned;
        return memory;
    }

    bool is_on(int device, cudaStream_t stream) const { return device_ == device && stream_ == stream; }

    // Where a page of what is watched stays on the device, of which `watched` numbers are in use.
    long long* verdict(size_t page) {
        while (verdict_.size() <= page) {
            verdict_.push_back(pages_->take());
        }
        return verdict_[page];
    }

    void set_watched(size_t count) { watched_ = count; }

    // Adds the verdict; false where there is no room for it.
    bool add_to(Verdicts& verdicts) const {
        if (verdicts.count + static_cast<int>(verdict_.size()) > verdicts.most) {
            return false;
        }
        for (size_t page = 0; page < verdict_.size(); ++page) {
            const size_t in_use = std::min(page_watches, watched_ - page * page_watches);
            verdicts.watched[verdicts.count++] = {verdict_[page], static_cast<int>(in_use)};
        }
        return true;
    }

    // Waits, and leaves what there is to be delivered.
    bool has_failed() {
        wait();
        return std::any_of(watches.begin(), watches.end(), [](const Watch& watch) { return watch.has_failed(); });
    }

    void record() {
        event_ = take_event(device_);
        check(cudaEventRecord(event_, stream_), "event");
    }

    // Once the event has come, or the stream was waited for. A failure is thrown once; nothing is copied then, nor later: who
    // hears of it does not keep the places to copy to.
    void deliver() {
        const std::vector<Watch> watched = std::exchange(watches, {});
        const std::vector<Fetch> fetched = std::exchange(fetches, {});
        for (const Watch& watch : watched) {
            if (watch.has_failed()) {
                failed_watch = watch.number;
                watch.fail(watch.lowest());
            }
        }
        for (const Fetch& fetch : fetched) {
            std::memcpy(fetch.to, fetch.copy, fetch.bytes);
        }
    }

    void wait() {
        check(cudaEventSynchronize(event_), "wait for the batch");
        add(waits);
    }

    std::vector<Watch> watches;
    std::vector<Fetch> fetches;

private:
    std::shared_ptr<Pages> pages_;
    int device_;
    cudaStream_t stream_;
    std::vector<HostBlock> blocks_;
    std::vector<long long*> verdict_;
    size_t watched_ = 0;
    cudaEvent_t event_ = nullptr;
};

}  // namespace batching
}  // namespace vq4j

#endif
