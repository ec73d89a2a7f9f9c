// Batches on the CPU: operations have run by the time that the next is called, so that there is nothing to put together.
#include "core/failure.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_begin_batch(int64_t* batch) {
    return guarded([&] {
        check_present({batch});
        *batch = 0;
    });
}

int32_t vq4j_cpu_fetch(void* to, const void* from, int64_t bytes) {
    return vq4j_cpu_copy(to, from, bytes);
}

int32_t vq4j_cpu_send(void* to, const void* from, int64_t bytes) {
    return vq4j_cpu_copy(to, from, bytes);
}

int32_t vq4j_cpu_commit(void* to, const void* from, int64_t bytes) {
    return vq4j_cpu_copy(to, from, bytes);
}

int32_t vq4j_cpu_submit_batch(int64_t) {
    return VQ4J_OK;
}

int32_t vq4j_cpu_finish_batch(int64_t) {
    return VQ4J_OK;
}

int32_t vq4j_cpu_drop_batch(int64_t) {
    return VQ4J_OK;
}
