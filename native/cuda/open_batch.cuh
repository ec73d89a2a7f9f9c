// A batch in the making: what operations add to it, in order, until it runs.
#ifndef VQ4J_CUDA_OPEN_BATCH_CUH
#define VQ4J_CUDA_OPEN_BATCH_CUH

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "cuda/batch_arena.cuh"
#include "cuda/batch_copies.cuh"
#include "cuda/batch_graph.cuh"
#include "cuda/batch_results.cuh"
#include "cuda/launch.cuh"

namespace vq4j {
namespace batching {

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
        Graph* const graph = graphs_.of(sequence_);
        if (graph != nullptr) {
            graph->launch(stream_);
        } else {
            sequence_.run(stream_);
            batching::add(run_without_graph);
        }
        sequence_.clear();
    }

    int device_;
    cudaStream_t stream_;
    Arena arena_;
    Sequence sequence_;
    CopiedParts copies_ = {};  // behind the sequence
    Graphs graphs_;
    std::unique_ptr<Results> results_;
    std::shared_ptr<Pages> verdict_pages_ = std::make_shared<Pages>(stream_);
    std::vector<long long*> pages_;            // watched numbers on the device
    std::vector<unsigned char*> page_copies_;  // on the host, of the pages in use
    size_t watched_ = 0;
    long long* further_ = nullptr;  // on the device: of the pages from direct_pages on
    bool has_further_ = false;      // of those that there are by now
    PendingCommits commits_;
    bool has_run_ = false;
};

}  // namespace batching
}  // namespace vq4j

#endif
