// How an operation fails inside the library: a status and a message, thrown, and turned into the C API's return value at
// its border. Host code of both implementations.
#ifndef VQ4J_CORE_FAILURE_HPP
#define VQ4J_CORE_FAILURE_HPP

#include <cstdint>
#include <exception>
#include <initializer_list>
#include <new>
#include <string>

#include "vq4j/status.h"

namespace vq4j {

class Failure : public std::exception {
public:
    Failure(int32_t status, std::string message) : status_(status), message_(std::move(message)) {}
    int32_t status() const { return status_; }
    const char* what() const noexcept override { return message_.c_str(); }

private:
    int32_t status_;
    std::string message_;
};

[[noreturn]] inline void invalid(const std::string& message) {
    throw Failure(VQ4J_INVALID_ARGUMENT, message);
}

[[noreturn]] inline void not_finite(const char* tensor, int64_t row) {
    throw Failure(VQ4J_NOT_FINITE,
        std::string(tensor) + " has a NaN or an infinity, first in row " + std::to_string(row) + "; need finite values");
}

[[noreturn]] inline void code_out_of_range(int64_t code, int64_t row, int64_t codes_count) {
    invalid("code " + std::to_string(code) + " of row " + std::to_string(row) + " is out of range; need 0 <= code < "
        + std::to_string(codes_count));
}

[[noreturn]] inline void row_out_of_range(int64_t row, int64_t position, int64_t rows_count) {
    invalid("row number " + std::to_string(row) + " at position " + std::to_string(position)
        + " is out of range; need 0 <= row < " + std::to_string(rows_count));
}

struct NamedSize {
    const char* name;
    int64_t value;
};

// Every size is at least 1 and the product, in elements of up to 8 bytes, fits in 63 bits.
inline void check_sizes(std::initializer_list<NamedSize> sizes) {
    int64_t product = 8;
    for (const NamedSize& size : sizes) {
        if (size.value < 1) {
            invalid(std::string("need ") + size.name + " >= 1, got " + std::to_string(size.value));
        }
    }
    for (const NamedSize& size : sizes) {
        if (__builtin_mul_overflow(product, size.value, &product)) {
            std::string text;
            for (const NamedSize& each : sizes) {
                text += (text.empty() ? "" : ", ") + std::string(each.name) + " = " + std::to_string(each.value);
            }
            invalid("sizes overflow 63 bits in bytes: " + text);
        }
    }
}

inline void check_divides(const char* part_name, int64_t part, const char* whole_name, int64_t whole) {
    if (part < 1 || whole % part != 0) {
        invalid(std::string("need ") + part_name + " to divide " + whole_name + " = " + std::to_string(whole) + ", got "
            + std::to_string(part));
    }
}

inline void check_present(std::initializer_list<const void*> pointers) {
    int position = 0;
    for (const void* pointer : pointers) {
        if (pointer == nullptr) {
            invalid("required pointer number " + std::to_string(position + 1) + " is null");
        }
        ++position;
    }
}

// The last message of the calling thread; one for each library, since each is linked on its own.
inline std::string& last_message() {
    static thread_local std::string message;
    return message;
}

// Passes the failure of an operation that another operation is made of on to the caller.
inline void require_ok(int32_t status) {
    if (status != VQ4J_OK) {
        throw Failure(status, last_message());
    }
}

// Runs an operation's body at the border of the C API.
template <typename Body>
int32_t guarded(Body body) {
    try {
        body();
        return VQ4J_OK;
    } catch (const Failure& failure) {
        last_message() = failure.what();
        return failure.status();
    } catch (const std::bad_alloc&) {
        last_message() = "out of memory";
        return VQ4J_OUT_OF_MEMORY;
    } catch (const std::exception& failure) {
        last_message() = failure.what();
        return VQ4J_DEVICE_ERROR;
    }
}

}  // namespace vq4j

#endif
