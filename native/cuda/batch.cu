// Batches: what operations add is noted down, becomes a graph where its shape has come often enough, and runs; and the
// memory of devices, which batches keep from being given back too early.
#include "cuda/batch.cuh"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/failure.hpp"
#include "cuda/batch_copies.cuh"
#include "cuda/batch_graph.cuh"
#include "cuda/batch_results.cuh"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j {
namespace batching {

// How often a shape has to come until it becomes a graph; 0: never.
std::atomic<int32_t> uses_until_graph{2};

// The current device of the thread, until the end of a block.
class OnDevice {
public:
    explicit OnDevice(int device) {
        if (cudaGetDevice(&before_) == cudaSuccess && before_ != device) {
            changed_ = cudaSetDevice(device) == cudaSuccess;
        }
    }
    ~OnDevice() {
        if (changed_) {
            cudaSetDevice(before_);
        }
    }
    OnDevice(const OnDevice&) = delete;
    OnDevice& operator=(const OnDevice&) = delete;

private:
    int before_ = 0;
    bool changed_ = false;
};

// ---- a batch ---------------------------------------------------------------------------------------------------

// Memory for the length of operations, at the same places for the same requests. All of it is free again once everything
// has been given back.
class Arena {
public:
    void* take(size_t bytes, cudaStream_t stream) {
        const size_t aligned = (std::max<size_t>(bytes, 1) + 255) / 256 * 256;
        while (chunk_ < chunks_.size() && used_ + aligned > chunks_[chunk_].bytes) {
            ++chunk_;
            used_ = 0;
        }
        if (chunk_ == chunks_.size()) {
            const size_t size = std::max(aligned, chunks_.empty() ? least_bytes : 2 * chunks_.back().bytes);
            chunks_.push_back({static_cast<unsigned char*>(allocate_from_pool(size, stream)), size});
        }
        unsigned char* const memory = chunks_[chunk_].memory + used_;
        used_ += aligned;
        ++taken_;
        return memory;
    }

    void give_back() {
        if (--taken_ == 0) {
            chunk_ = 0;
            used_ = 0;
        }
    }

    // With nothing taken.
    void release(cudaStream_t stream) {
        for (const Chunk& chunk : chunks_) {
            release_to_pool(chunk.memory, stream);
        }
        chunks_.clear();
    }

private:
    static constexpr size_t least_bytes = size_t{1} << 20;
    struct Chunk {
        unsigned char* memory;
        size_t bytes;
    };

    std::vector<Chunk> chunks_;
    size_t chunk_ = 0;
    size_t used_ = 0;
    int64_t taken_ = 0;
};

// Lowers a number where one of the watched numbers has been lowered.
struct LowerIfLowered {
    const long long* watched;
    long long* number;

    __device__ void operator()(int64_t i) const {
        if (is_lowered(watched[i])) {
            atomicMin(number, 0ll);
        }
    }
};

// A batch in the making, and the graphs that were made of those before it on the same stream. Used by one thread at a time.
class OpenBatch final : public Batch {
public:
    OpenBatch(int device, cudaStream_t stream) : device_(device), stream_(stream) {}
    // In the order of the stream, on the current device.
    ~OpenBatch() {
        arena_.release(stream_);
        for (long long* const page : pages_) {
            release_to_pool(page, stream_);
        }
        if (further_ != nullptr) {
            release_to_pool(further_, stream_);
        }
    }
    OpenBatch(const OpenBatch&) = delete;
    OpenBatch& operator=(const OpenBatch&) = delete;

    bool is_of(int device, cudaStream_t stream) const { return device_ == device && stream_ == stream; }

    void begin() { results_ = std::make_unique<Results>(verdict_pages_, device_, stream_); }

    void add_kernel(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes, const KernelArgument* arguments,
        size_t count) override {
        launch_commits();
        add_copies();
        if (sequence_.steps().size() == most_steps) {
            run_sequence();
        }
        Step step = {};
        step.kernel = kernel;
        step.grid = grid;
        step.block = block;
        step.shared_bytes = shared_bytes;
        step.first_argument = sequence_.arguments();
        step.argument_count = count;
        for (size_t i = 0; i < count; ++i) {
            sequence_.add_argument(arguments[i]);
        }
        sequence_.add(step);
    }

    void add_fill(void* memory, int byte, size_t bytes) override {
        launch(fill_kernel, memory_blocks(bytes), memory_threads, 0, stream_, static_cast<unsigned char*>(memory),
            0x0101010101010101u * static_cast<unsigned char>(byte), bytes);
    }

    void add_copy(void* to, const void* from, size_t bytes) override {
        const CopiedPart part = {static_cast<unsigned char*>(to), static_cast<const unsigned char*>(from), bytes};
        launch_commits();  // either copies are pending or commits
        if (copies_.count == most_copied_parts || copies_.touch(part)) {
            add_copies();
        }
        copies_.parts[copies_.count++] = part;
    }

    void* take(size_t bytes) override { return arena_.take(bytes, stream_); }
    void give_back() override { arena_.give_back(); }

    long long* watch() override {
        launch_commits();  // which look at what is watched by now
        if (watched_ % page_watches == 0) {
            const size_t page = watched_ / page_watches;
            if (page == pages_.size()) {
                pages_.push_back(static_cast<long long*>(allocate_from_pool(page_bytes, stream_)));
            }
            add_fill(pages_[page], first_bad_none_byte, page_bytes);
            page_copies_.push_back(results_->room(page_bytes));
        }
        has_further_ = false;
        const size_t number = watched_++;
        return pages_[number / page_watches] + number % page_watches;
    }

    void fail_if_lowered(const long long* watched, std::function<void(int64_t)> fail) override {
        for (size_t page = 0; page < page_copies_.size(); ++page) {
            const uintptr_t at = reinterpret_cast<uintptr_t>(watched) - reinterpret_cast<uintptr_t>(pages_[page]);
            if (at < page_bytes) {
                const auto number = static_cast<int64_t>(page * page_watches + at / sizeof *watched);
                results_->watches.push_back({number, page_copies_[page] + at, std::move(fail)});
                return;
            }
        }
    }

    int64_t watched() const { return static_cast<int64_t>(watched_); }

    void add_commit(void* to, const void* from, size_t bytes) override {
        const uintptr_t bits = reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from) | bytes;
        if (bits % sizeof(uint32_t) != 0) {
            Commits<unsigned char> commit = {};
            commit.copies[0] = {static_cast<unsigned char*>(to), static_cast<const unsigned char*>(from),
                static_cast<int64_t>(bytes)};
            sum_up_further_pages();
            launch_commits_of(commit, static_cast<int64_t>(bytes), verdict_so_far(), stream_);
            return;
        }
        add_copies();
        sum_up_further_pages();
        if (!commits_.takes(to, from, bytes)) {
            launch_commits();
        }
        commits_.add(to, from, bytes);
    }

    void fetch(void* to, const void* from, size_t bytes) {
        unsigned char* const copy = results_->room(bytes);
        add_copy(copy, from, bytes);
        results_->fetches.push_back({to, copy, bytes});
    }

    void send(void* to, const void* from, size_t bytes) {
        unsigned char* const copy = results_->room(bytes);
        std::memcpy(copy, from, bytes);
        add_copy(to, copy, bytes);
    }

    void catch_up() override {
        launch_commits();
        copy_pages();
        run();
        wait_for(stream_);
        results_->deliver();
    }

    std::unique_ptr<Results> submit() {
        const OnDevice device(device_);
        launch_commits();
        copy_pages();
        run();
        results_->record();
        std::unique_ptr<Results> results = std::move(results_);
        forget();
        return results;
    }

    void forget() {
        if (results_ != nullptr && has_run_) {
            const OnDevice device(device_);
            cudaStreamSynchronize(stream_);  // a part that has run may still write to the results' memory
        }
        has_run_ = false;
        copies_.count = 0;
        sequence_.clear();
        results_.reset();
        page_copies_.clear();
        watched_ = 0;
        has_further_ = false;
        commits_.forget();
    }

private:
    static constexpr size_t direct_pages = Verdicts::most - 1;
    static constexpr size_t most_steps = 1024;
    static constexpr size_t most_graphs = 64;

    // One number that is lowered where what has been added so far lowers one on the pages beyond those that a kernel takes.
    void sum_up_further_pages() {
        if (has_further_ || page_copies_.size() <= direct_pages) {
            return;
        }
        if (further_ == nullptr) {
            further_ = static_cast<long long*>(allocate_from_pool(sizeof *further_, stream_));
        }
        add_fill(further_, first_bad_none_byte, sizeof *further_);
        for (size_t page = direct_pages; page < page_copies_.size(); ++page) {
            for_each(page_watches, stream_, LowerIfLowered{pages_[page], further_});
        }
        has_further_ = true;
    }

    // Of what has been added so far.
    Verdicts verdict_so_far() const {
        Verdicts verdict = {};
        for (size_t page = 0; page < std::min(page_copies_.size(), direct_pages); ++page) {
            const size_t in_use = std::min(page_watches, watched_ - page * page_watches);
            verdict.watched[verdict.count++] = {pages_[page], static_cast<int>(in_use)};
        }
        if (has_further_) {
            verdict.watched[verdict.count++] = {further_, 1};
        }
        return verdict;
    }

    void launch_commits() {
        if (!commits_.is_empty()) {
            commits_.launch(verdict_so_far(), stream_);
        }
    }

    // The copies that have followed one another, as one step.
    void add_copies() {
        if (copies_.count == 0) {
            return;
        }
        const CopiedParts copies = copies_;
        copies_.count = 0;
        size_t bytes = 0;
        for (int i = 0; i < copies.count; ++i) {
            bytes = std::max(bytes, copies.parts[i].bytes);
        }
        launch(copy_parts_kernel, memory_blocks(bytes), memory_threads, 0, stream_, copies);
    }

    void copy_pages() {
        for (size_t page = 0; page < page_copies_.size(); ++page) {
            add_copy(page_copies_[page], pages_[page], page_bytes);
            add_copy(results_->verdict(page), pages_[page], page_bytes);
        }
        results_->set_watched(watched_);
    }

    void run() {
        add_copies();
        run_sequence();
    }

    void run_sequence() {
        if (sequence_.steps().empty()) {
            return;
        }
        has_run_ = true;
        count_steps(static_cast<int64_t>(sequence_.steps().size()));
        const uint64_t hash = sequence_.hash();
        Graph* const graph = graph_of(hash);
        if (graph != nullptr) {
            graph->last_use = ++uses_;
            graph->launch(stream_);
        } else {
            sequence_.run(stream_);
            batching::add(run_without_graph);
        }
        sequence_.clear();
    }

    // The graph of the sequence, with its values; null where it is not to have one.
    Graph* graph_of(uint64_t hash) {
        const int32_t wanted = uses_until_graph.load(std::memory_order_relaxed);
        if (wanted == 0) {
            return nullptr;
        }
        const auto [first, last] = graphs_.equal_range(hash);
        for (auto each = first; each != last; ++each) {
            if (each->second->sequence().has_shape_of(sequence_)) {
                if (each->second->update(sequence_)) {
                    return each->second.get();
                }
                graphs_.erase(each);
                return make_graph(hash);
            }
        }
        if (++seen_[hash] < wanted) {
            return nullptr;
        }
        make_room();
        return make_graph(hash);
    }

    Graph* make_graph(uint64_t hash) {
        std::unique_ptr<Graph> graph = Graph::of(sequence_);
        return graph == nullptr ? nullptr : graphs_.emplace(hash, std::move(graph))->second.get();
    }

    void make_room() {
        if (seen_.size() > 64 * most_graphs) {
            seen_.clear();
        }
        if (graphs_.size() >= most_graphs) {
            const auto oldest = std::min_element(graphs_.begin(), graphs_.end(),
                [](const auto& a, const auto& b) { return a.second->last_use < b.second->last_use; });
            graphs_.erase(oldest);
        }
    }

    int device_;
    cudaStream_t stream_;
    Arena arena_;
    Sequence sequence_;
    CopiedParts copies_ = {};  // behind the sequence
    std::unordered_multimap<uint64_t, std::unique_ptr<Graph>> graphs_;
    std::unordered_map<uint64_t, int32_t> seen_;
    int64_t uses_ = 0;
    std::unique_ptr<Results> results_;
    std::shared_ptr<Pages> verdict_pages_ = std::make_shared<Pages>();
    std::vector<long long*> pages_;            // watched numbers on the device
    std::vector<unsigned char*> page_copies_;  // on the host, of the pages in use
    size_t watched_ = 0;
    long long* further_ = nullptr;  // on the device: of the pages from direct_pages on
    bool has_further_ = false;      // of those that there are by now
    PendingCommits commits_;
    bool has_run_ = false;
};

// ---- all batches of the process --------------------------------------------------------------------------------

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
            counts[i] = batching::counts[i].load();
        }
    });
}
