// Checks of the pooling's arguments.
#ifndef VQ4J_CORE_NORM_POOLING_ARGUMENTS_HPP
#define VQ4J_CORE_NORM_POOLING_ARGUMENTS_HPP

#include "core/failure.hpp"
#include "core/norm_pooling.hpp"

namespace vq4j {

inline Pooling checked_pooling(int64_t batch, int64_t channels, int64_t height, int64_t width, int64_t kernel,
    int64_t stride, int64_t padding, int64_t dilation, int32_t kind) {
    check_sizes({{"batch", batch}, {"channels", channels}, {"height", height}, {"width", width}});
    check_sizes({{"kernel", kernel}, {"kernel", kernel}, {"dilation", dilation}});
    check_sizes({{"stride", stride}});
    const int64_t window = dilation * (kernel - 1) + 1;
    if (padding < 0 || padding > window / 2) {
        invalid("need padding from 0 to half of the window of " + std::to_string(window) + " pixels, got "
            + std::to_string(padding));
    }
    if (window > height + 2 * padding || window > width + 2 * padding) {
        invalid("need a window of at most the padded height and width, got a window of " + std::to_string(window)
            + " pixels for height " + std::to_string(height) + ", width " + std::to_string(width) + " and padding "
            + std::to_string(padding));
    }
    if (kind != VQ4J_POOL_MAX && kind != VQ4J_POOL_SOFTMAX) {
        invalid("need kind VQ4J_POOL_MAX = 0 or VQ4J_POOL_SOFTMAX = 1, got " + std::to_string(kind));
    }
    const Pooling pooling = {height, width, kernel, stride, padding, dilation, (height + 2 * padding - window) / stride + 1,
        (width + 2 * padding - window) / stride + 1};
    check_sizes({{"batch", batch}, {"channels", channels}, {"output height", pooling.windows_down},
        {"output width", pooling.windows_across}});
    check_sizes({{"batch", batch}, {"output height", pooling.windows_down}, {"output width", pooling.windows_across},
        {"kernel", kernel}, {"kernel", kernel}});
    return pooling;
}

}  // namespace vq4j

#endif
