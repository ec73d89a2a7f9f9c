#include "host_run.hpp"

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <random>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "cuda_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(begin, end) 0
#endif

// The bounds of the section of `__shared__` variables, made by the linker where there are any.
extern "C" {
extern unsigned char __start_vq4j_shared[] __attribute__((weak, visibility("hidden")));
extern unsigned char __stop_vq4j_shared[] __attribute__((weak, visibility("hidden")));
}

uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace host_run {
namespace {

constexpr size_t stack_bytes = size_t{256} << 10;
constexpr unsigned warp_lanes = 32;
constexpr uint32_t poison_word = 0x7ff0deadu;  // a NaN as fp32 and fp64, 2 billion as an index

// ---- fibers ----------------------------------------------------------------------------------------------------

struct Thread;

struct Fiber {
    jmp_buf context;            // where it goes on
    ucontext_t entry;           // where it starts
    bool started = false;
    Thread* thread = nullptr;   // what it runs
    const void* stack = nullptr;
    size_t stack_size = 0;
    void* fake_stack = nullptr;
};

// A copy that the thread has to wait for.
struct Copy {
    void* to;
    const void* from;
    unsigned group;
};

enum class State { runnable, running, waiting, done };

struct Thread {
    uint3 index;
    unsigned number;            // within the block
    State state;
    Fiber* fiber;               // null before its start
    Place place;                // where it waits
    unsigned mask;              // of the warp collective at which it waits; 0 at a barrier
    LaneExchange exchange;
    uint64_t result;
    const void* event;          // for which it waits; null at a barrier or a collective
    const std::function<std::string()>* event_state;
    std::vector<Copy> copies;   // in their order
    unsigned copy_group;        // of the next copy
};

// The launch in progress; guarded by launch_mutex, which is held for the whole launch.
std::mutex launch_mutex;
const std::function<void()>* body;
std::vector<Thread> threads;
std::vector<unsigned> thread_order;
size_t cursor;                  // into thread_order
size_t done_count;
size_t ran_in_pass;
size_t at_barrier;              // how many wait there
Place barrier_place;
unsigned char* dynamic_memory;  // of exactly the bytes asked for
size_t dynamic_bytes;
Thread* current;

Fiber host_fiber;               // the host thread that launched
Fiber* current_fiber;
Fiber* previous_fiber;          // the one switched away from last
std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Fiber*> idle_fibers;

enum class Order { forward, reverse, random };
Order order;
bool order_is_set;
std::mt19937_64 generator;

void parse_order(const std::string& text) {
    const std::string random = "random:";
    if (text == "forward") {
        order = Order::forward;
    } else if (text == "reverse") {
        order = Order::reverse;
    } else if (text.compare(0, random.size(), random) == 0 && text.size() > random.size()
               && text.find_first_not_of("0123456789", random.size()) == std::string::npos) {
        order = Order::random;
        generator.seed(std::stoull(text.substr(random.size())));
    } else {
        throw std::invalid_argument("need an order of forward, reverse or random:SEED, got " + text);
    }
    order_is_set = true;
}

[[noreturn]] void fail(const Thread& thread, const std::string& what) {
    std::fprintf(stderr, "host run: block (%u, %u, %u) thread (%u, %u, %u): %s\n", blockIdx.x, blockIdx.y, blockIdx.z,
        thread.index.x, thread.index.y, thread.index.z, what.c_str());
    std::abort();
}

std::string text_of(const Place& place) {
    return std::string(place.operation) + " at " + place.file + ":" + std::to_string(place.line);
}

bool same_operation(const Place& a, const Place& b) {
    return a.operation == b.operation || std::strcmp(a.operation, b.operation) == 0;
}

std::string text_of(unsigned mask) {
    char text[11];
    std::snprintf(text, sizeof text, "0x%08x", mask);
    return text;
}

// What every fiber does first after it was switched to.
void arrive() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(current_fiber->fake_stack, &previous_fiber->stack, &previous_fiber->stack_size);
#endif
}

// setjmp and longjmp switch without the system call of swapcontext; ucontext only starts a fiber.
__attribute__((noinline)) void switch_to(Fiber& next) {
    Fiber& self = *current_fiber;
    previous_fiber = &self;
    current_fiber = &next;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&self.fake_stack, next.stack, next.stack_size);
#endif
    if (_setjmp(self.context) == 0) {
        if (next.started) {
            _longjmp(next.context, 1);
        }
        next.started = true;
        setcontext(&next.entry);
    }
    arrive();
}

void make_current(Thread& thread) {
    current = &thread;
    threadIdx = thread.index;
    thread.state = State::running;
}

[[noreturn]] void report_deadlock() {
    const auto waits = [](const Thread& t) { return t.state == State::waiting; };
    const Thread& stuck = *std::find_if(threads.begin(), threads.end(), waits);
    std::string what = "deadlock: waits for " + text_of(stuck.place);
    if (stuck.event != nullptr) {
        fail(stuck, what + ": " + (*stuck.event_state)());
    }
    what += stuck.mask != 0 ? " with mask " + text_of(stuck.mask) : "";
    for (const Thread& other : threads) {
        const bool same_warp = other.number / warp_lanes == stuck.number / warp_lanes;
        const bool awaited = stuck.mask == 0 || (same_warp && (stuck.mask >> (other.number % warp_lanes) & 1u) != 0);
        const bool arrived = waits(other) && other.mask == stuck.mask && other.event == nullptr;
        if (awaited && !arrived) {
            what += "; thread (" + std::to_string(other.index.x) + ", " + std::to_string(other.index.y) + ", "
                + std::to_string(other.index.z) + ") never reaches it: "
                + (waits(other) ? "it waits for " + text_of(other.place) : "it has ended");
            fail(stuck, what);
        }
    }
    fail(stuck, what + "; its mask names lanes that the block does not have");
}

void begin_pass() {
    cursor = 0;
    ran_in_pass = 0;
    if (order == Order::random) {
        std::shuffle(thread_order.begin(), thread_order.end(), generator);
    }
}

// The next thread that can run; null when all of the block have ended.
Thread* pick() {
    for (;;) {
        while (cursor < thread_order.size()) {
            Thread& thread = threads[thread_order[cursor++]];
            if (thread.state == State::runnable) {
                ++ran_in_pass;
                return &thread;
            }
        }
        if (done_count == threads.size()) {
            return nullptr;
        }
        if (ran_in_pass == 0) {
            report_deadlock();
        }
        begin_pass();
    }
}

// Runs threads from their start to their end, as long as none has to be waited for by this very fiber.
void fiber_main() {
    arrive();
    for (;;) {
        Fiber* self = current_fiber;
        make_current(*self->thread);
        self->thread->fiber = self;
        (*body)();
        if (!self->thread->copies.empty()) {
            fail(*self->thread, "ends with asynchronous copies that it did not wait for");
        }
        self->thread->state = State::done;
        ++done_count;
        Thread* next = pick();
        if (next != nullptr && next->fiber == nullptr) {
            self->thread = next;
            continue;
        }
        idle_fibers.push_back(self);
        switch_to(next == nullptr ? host_fiber : *next->fiber);
    }
}

Fiber* new_fiber() {
    fibers.push_back(std::make_unique<Fiber>());
    Fiber* fiber = fibers.back().get();
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void* memory = mmap(nullptr, page + stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0 || getcontext(&fiber->entry) != 0) {
        throw std::bad_alloc();
    }
    unsigned char* stack = static_cast<unsigned char*>(memory) + page;  // above its guard page
    fiber->stack = stack;
    fiber->stack_size = stack_bytes;
    static_cast<void>(VALGRIND_STACK_REGISTER(stack, stack + stack_bytes));
    fiber->entry.uc_stack.ss_sp = stack;
    fiber->entry.uc_stack.ss_size = stack_bytes;
    makecontext(&fiber->entry, fiber_main, 0);
    return fiber;
}

Fiber* idle_fiber() {
    if (idle_fibers.empty()) {
        return new_fiber();
    }
    Fiber* fiber = idle_fibers.back();
    idle_fibers.pop_back();
    return fiber;
}

// Starts a thread, or lets it go on from where it waited.
void run(Thread& thread) {
    if (thread.fiber == nullptr) {
        Fiber* fiber = idle_fiber();
        fiber->thread = &thread;
        switch_to(*fiber);
    } else {
        switch_to(*thread.fiber);
    }
}

// The running thread gives way until it is runnable again and its turn comes.
void give_way() {
    Thread& self = *current;
    Thread* next = pick();
    if (next != &self) {
        run(*next);
    }
    make_current(self);
}

// ---- launches --------------------------------------------------------------------------------------------------

// Unchecked, since AddressSanitizer keeps guard bytes between the variables.
__attribute__((no_sanitize("address"))) void poison_static_shared() {
    const auto begin = reinterpret_cast<uintptr_t>(__start_vq4j_shared);
    const auto end = reinterpret_cast<uintptr_t>(__stop_vq4j_shared);
    for (uintptr_t word = (begin + 3) / 4 * 4; word + 4 <= end; word += 4) {
        *reinterpret_cast<uint32_t*>(word) = poison_word;
    }
}

void run_block(dim3 block) {
    threads.resize(size_t{block.x} * block.y * block.z);
    thread_order.resize(threads.size());
    for (unsigned i = 0; i < threads.size(); ++i) {
        threads[i] = Thread{{i % block.x, i / block.x % block.y, i / block.x / block.y}, i, State::runnable, nullptr, {}, 0,
            {}, 0, nullptr, nullptr, {}, 0};
        thread_order[i] = order == Order::reverse ? static_cast<unsigned>(threads.size()) - 1 - i : i;
    }
    done_count = 0;
    at_barrier = 0;
    begin_asynchronous_work();
    begin_pass();
    run(*pick());
    end_asynchronous_work();
}

}  // namespace

void poison(void* memory, size_t bytes) {
    auto* byte = static_cast<unsigned char*>(memory);
    for (size_t i = 0; i < bytes; i += sizeof poison_word) {
        std::memcpy(byte + i, &poison_word, std::min(sizeof poison_word, bytes - i));
    }
}

void set_order(const std::string& text) {
    const std::lock_guard<std::mutex> lock(launch_mutex);
    parse_order(text);
}

bool launch(dim3 grid, dim3 block, size_t dynamic_shared_bytes, const std::function<void()>& kernel, size_t shared_limit) {
    const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
    const uint64_t block_threads = uint64_t{block.x} * block.y * block.z;
    if (blocks == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535 || block_threads == 0
        || block_threads > 1024 || block.z > 64 || dynamic_shared_bytes > shared_limit) {
        return false;
    }
    catch_up();
    const std::lock_guard<std::mutex> lock(launch_mutex);
    if (!order_is_set) {
        const char* text = std::getenv("VQ4J_HOST_RUN_ORDER");
        parse_order(text != nullptr ? text : "forward");
    }
    body = &kernel;
    gridDim = grid;
    blockDim = block;
    host_fiber.started = true;
    current_fiber = &host_fiber;
    void* memory = nullptr;
    if (posix_memalign(&memory, 1024, std::max<size_t>(dynamic_shared_bytes, 1)) != 0) {
        throw std::bad_alloc();
    }
    const std::unique_ptr<void, void (*)(void*)> owner(memory, std::free);
    dynamic_memory = static_cast<unsigned char*>(memory);
    dynamic_bytes = dynamic_shared_bytes;
    std::vector<uint64_t> block_order(order == Order::random ? blocks : 0);
    for (uint64_t i = 0; i < block_order.size(); ++i) {
        block_order[i] = i;
    }
    std::shuffle(block_order.begin(), block_order.end(), generator);
    for (uint64_t i = 0; i < blocks; ++i) {
        const uint64_t b = order == Order::random ? block_order[i] : order == Order::reverse ? blocks - 1 - i : i;
        blockIdx = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
            static_cast<unsigned>(b / grid.x / grid.y)};
        poison_static_shared();
        poison(dynamic_memory, dynamic_shared_bytes);
        run_block(block);
    }
    return true;
}

// ---- what is known of the device -------------------------------------------------------------------------------

namespace {

std::mutex device_mutex;
std::unordered_map<const void*, Kernel> kernels;
std::unordered_map<const void*, size_t> shared_limits;
struct DeviceMemory {
    size_t bytes;
    int device;
};
std::map<uintptr_t, DeviceMemory> device_memory;  // at their begin

std::atomic<bool> refuses_graphs{false};
std::recursive_mutex later_mutex;  // held while the work runs, so that it stays in order
// Never destroyed: memory may wait in it.
std::deque<std::function<void()>>& waiting_work = *new std::deque<std::function<void()>>;
bool is_catching_up;

}  // namespace

void know(const void* kernel, std::vector<size_t> argument_bytes, std::function<void(void* const*)> run) {
    const std::lock_guard<std::mutex> lock(device_mutex);
    kernels.try_emplace(kernel, Kernel{std::move(argument_bytes), std::move(run)});
}

bool is_known(const void* kernel) {
    const std::lock_guard<std::mutex> lock(device_mutex);
    return kernels.count(kernel) != 0;
}

const Kernel& kernel_at(const void* address) {
    const std::lock_guard<std::mutex> lock(device_mutex);
    return kernels.at(address);
}

void set_shared_limit(const void* kernel, size_t bytes) {
    const std::lock_guard<std::mutex> lock(device_mutex);
    shared_limits[kernel] = bytes;
}

size_t shared_limit(const void* kernel) {
    const std::lock_guard<std::mutex> lock(device_mutex);
    const auto found = shared_limits.find(kernel);
    return found != shared_limits.end() ? found->second : usual_shared_limit;
}

void note_device_memory(const void* memory, size_t bytes, int device) {
    const std::lock_guard<std::mutex> lock(device_mutex);
    device_memory[reinterpret_cast<uintptr_t>(memory)] = {bytes, device};
}

void forget_device_memory(const void* memory) {
    const std::lock_guard<std::mutex> lock(device_mutex);
    device_memory.erase(reinterpret_cast<uintptr_t>(memory));
}

int device_of_memory(const void* address) {
    const std::lock_guard<std::mutex> lock(device_mutex);
    const auto at = reinterpret_cast<uintptr_t>(address);
    const auto after = device_memory.upper_bound(at);
    if (after == device_memory.begin()) {
        return -1;
    }
    const auto& [begin, memory] = *std::prev(after);
    return at < begin + memory.bytes ? memory.device : -1;
}

size_t device_memory_bytes() {
    const std::lock_guard<std::mutex> lock(device_mutex);
    size_t bytes = 0;
    for (const auto& [begin, memory] : device_memory) {
        bytes += memory.bytes;
    }
    return bytes;
}

void refuse_graphs(bool refuse) {
    refuses_graphs = refuse;
}

bool graphs_are_refused() {
    return refuses_graphs;
}

void later(std::function<void()> work) {
    const std::lock_guard<std::recursive_mutex> lock(later_mutex);
    waiting_work.push_back(std::move(work));
}

void catch_up() {
    const std::lock_guard<std::recursive_mutex> lock(later_mutex);
    if (is_catching_up) {
        return;  // called by the work itself
    }
    is_catching_up = true;
    while (!waiting_work.empty()) {
        const std::function<void()> work = std::move(waiting_work.front());
        waiting_work.pop_front();
        work();
    }
    is_catching_up = false;
}

// ---- the running thread ----------------------------------------------------------------------------------------

void* dynamic_shared() {
    return dynamic_memory;
}

size_t dynamic_shared_bytes() {
    return dynamic_bytes;
}

unsigned thread_number() {
    return current->number;
}

unsigned thread_count() {
    return static_cast<unsigned>(threads.size());
}

void fail(Place place, const std::string& what) {
    fail(*current, text_of(place) + ": " + what);
}

void wait_for_event(Place place, const void* event, const std::function<std::string()>& state) {
    Thread& self = *current;
    self.place = place;
    self.mask = 0;
    self.event = event;
    self.event_state = &state;
    self.state = State::waiting;
    give_way();
}

void wake(const void* event) {
    for (Thread& thread : threads) {
        if (thread.state == State::waiting && thread.event == event) {
            thread.event = nullptr;
            thread.state = State::runnable;
        }
    }
}

int lane() {
    return static_cast<int>(current->number % warp_lanes);
}

void block_barrier(Place place) {
    Thread& self = *current;
    if (at_barrier == 0) {
        barrier_place = place;
    } else if (barrier_place.line != place.line || std::strcmp(barrier_place.file, place.file) != 0) {
        fail(self, "divergent barriers: reached " + text_of(place) + " while others wait for " + text_of(barrier_place));
    }
    self.place = place;
    self.mask = 0;
    self.state = State::waiting;
    if (++at_barrier == threads.size()) {
        at_barrier = 0;
        for (Thread& thread : threads) {
            thread.state = State::runnable;
        }
    }
    give_way();
}

uint64_t warp_collective(Place place, unsigned mask, LaneExchange exchange) {
    Thread& self = *current;
    Thread* const warp = threads.data() + self.number / warp_lanes * warp_lanes;
    const auto named = [&](const Thread& t) { return (mask >> (t.number % warp_lanes) & 1u) != 0; };
    if (!named(self)) {
        fail(self, text_of(place) + ": mask " + text_of(mask) + " does not name the calling lane");
    }
    self.place = place;
    self.mask = mask;
    self.exchange = exchange;
    self.state = State::waiting;

    const size_t lanes = std::min<size_t>(warp_lanes, static_cast<size_t>(threads.data() + threads.size() - warp));
    unsigned arrived = 0;
    for (Thread* other = warp; other < warp + lanes; ++other) {
        if (other->state != State::waiting || (other->mask & mask) == 0) {
            continue;
        }
        if (other->mask != mask || !same_operation(other->place, place)) {
            fail(self, text_of(place) + " with mask " + text_of(mask) + " meets " + text_of(other->place) + " with mask "
                + text_of(other->mask));
        }
        arrived |= 1u << (other->number % warp_lanes);
    }
    if (arrived == mask) {
        if (exchange.operation != nullptr) {
            void* values[warp_lanes] = {};
            for (size_t i = 0; i < lanes; ++i) {
                values[i] = reinterpret_cast<void*>(warp[i].exchange.value);
            }
            exchange.operation(values);
        }
        unsigned ballot = 0;
        for (Thread* other = warp; other < warp + lanes; ++other) {
            ballot |= named(*other) && other->exchange.value != 0 ? 1u << (other->number % warp_lanes) : 0u;
        }
        for (Thread* other = warp; other < warp + lanes; ++other) {
            if (!named(*other)) {
                continue;
            }
            const int source = other->exchange.source;
            if (source >= 0 && (mask >> source & 1u) == 0) {
                fail(*other, text_of(other->place) + ": reads lane " + std::to_string(source) + ", which mask "
                    + text_of(mask) + " does not name");
            }
            if (source == matching_lanes) {
                other->result = 0;
                for (const Thread* lane = warp; lane < warp + lanes; ++lane) {
                    const bool matches = named(*lane) && lane->exchange.value == other->exchange.value;
                    other->result |= matches ? 1u << (lane->number % warp_lanes) : 0u;
                }
            } else {
                other->result = source < 0 ? ballot : warp[source].exchange.value;
            }
            other->state = State::runnable;
        }
    }
    give_way();
    return self.result;
}

void require_aligned(Place place, const void* address) {
    if (reinterpret_cast<uintptr_t>(address) % 16 != 0) {
        fail(*current, text_of(place) + ": an address is not a multiple of 16");
    }
}

void copy_async(Place place, void* to, const void* from) {
    require_aligned(place, to);
    require_aligned(place, from);
    poison(to, 16);
    current->copies.push_back({to, from, current->copy_group});
}

void commit_copies() {
    ++current->copy_group;
}

void wait_for_copies(int groups_left) {
    std::vector<Copy>& copies = current->copies;
    const auto ready = [&](const Copy& copy) { return copy.group + static_cast<unsigned>(groups_left) < current->copy_group; };
    while (!copies.empty() && ready(copies.front())) {
        std::memcpy(copies.front().to, copies.front().from, 16);
        copies.erase(copies.begin());
    }
}

}  // namespace host_run
