// The nearest code of every row: codes_n = argmax_k (c_k - m).(z_n - m) - h_k, the lowest k on a tie.
//
// A block takes 128 rows and runs through the panels of 128 codes; 256 threads hold 8 x 8 scores each in registers,
// started at -h, and walk through the features in steps of 8 held in shared memory. Each thread keeps the best of its
// 8 codes a panel for its 8 rows; the 16 threads that share a row compare theirs at the end. The N x K scores are never
// written. 2 N K D operations on 4 (D + 1) N bytes plus the codebook once a block from L2: bound by arithmetic from about
// K = 64 up.
//
// Few rows would leave most of a device idle: then several blocks share their panels, and the best score of each row comes
// about by an atomic maximum of 64 bits, whose result does not depend on the order. The block that finishes a tile last
// writes its codes.
//
// Where it pays, tensor cores do it instead (tensor_assign.cu), and this kernel the rows that they leave open.
#include <atomic>
#include <cstring>
#include <iterator>

#include "core/arguments.hpp"
#include "cuda/tensor_assign.cuh"
#include "vq4j/cuda.h"

namespace vq4j::assignment {

constexpr int tile_rows = 128;
constexpr int tile_codes = panel_codes;
constexpr int tile_features = 8;
constexpr int threads = 256;
constexpr int threads_across = 16;              // threads that share a row
constexpr int half_tile = 64;                   // a thread's 8 rows (codes) are 4 in each half of the tile
constexpr int padded_rows = tile_rows + 4;      // keeps transposed stores free of bank conflicts

__device__ __forceinline__ int tile_position(int thread, int i) {
    return thread * 4 + (i < 4 ? i : half_tile + i - 4);
}

// Which rows a launch is for, tile by tile.
struct AllRows {
    int64_t count;

    __device__ int64_t size() const { return count; }
    __device__ int64_t operator[](int64_t i) const { return i; }
};

struct ListedRows {
    const int64_t* rows;
    const unsigned long long* count;

    __device__ int64_t size() const { return static_cast<int64_t>(*count); }
    __device__ int64_t operator[](int64_t i) const { return rows[i]; }
};

// The panels are cut into `parts` of `panels` each, a block for each part of each tile; what they share starts at zero.
struct PanelParts {
    unsigned parts;
    int64_t panels;
    unsigned long long* best;  // of every row; null where there is one part
    unsigned* finished;        // of every tile
};

// The larger the score, and the lower the code of equal ones, the larger the number; above 0. Zeros are equal.
__device__ __forceinline__ unsigned long long ordered(float score, int32_t code) {
    const uint32_t bits = bits_of_float(score + 0.0f);
    const uint32_t score_order = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
    return static_cast<unsigned long long>(score_order) << 32 | ~static_cast<uint32_t>(code);
}

template <typename Numbers, typename Chosen>
__global__ void __launch_bounds__(threads, 2) assign_kernel(Numbers rows, Layout layout, Chosen chosen,
    PackedCodebook<const float> packed, int64_t codes_count, PanelParts parts, int32_t* codes, BadRows bad) {
    alignas(16) __shared__ float z_tile[tile_features][padded_rows];
    alignas(16) __shared__ float c_tile[tile_features][tile_codes];
    __shared__ int64_t row_numbers[tile_rows];  // negative beyond the last row
    __shared__ int64_t row_offsets[tile_rows];
    __shared__ float row_scores[tile_rows][threads_across + 1];
    __shared__ int32_t row_codes[tile_rows][threads_across + 1];
    __shared__ unsigned parts_before;

    const int t = static_cast<int>(threadIdx.x);
    const int across = t % threads_across;
    const int down = t / threads_across;
    const int64_t features = layout.features;
    // What a thread brings of a tile of rows. Threads run along memory: along the features of a row-major tensor, else along
    // the rows.
    constexpr int loads = tile_rows * tile_features / threads;
    const auto row_of = [&](int i) {
        return layout.inner == 1 ? t / tile_features + i * (threads / tile_features) : t % tile_rows;
    };
    const auto feature_of = [&](int i) {
        return layout.inner == 1 ? t % tile_features : t / tile_rows + i * (threads / tile_rows);
    };
    const int64_t count = chosen.size();
    const int64_t begin_code = blockIdx.x % parts.parts * parts.panels * tile_codes;
    const int64_t part_end = begin_code + parts.panels * tile_codes;
    const int64_t end_code = part_end < codes_count ? part_end : codes_count;
    for (int64_t first = static_cast<int64_t>(blockIdx.x / parts.parts) * tile_rows; first < count;
         first += static_cast<int64_t>(gridDim.x / parts.parts) * tile_rows) {
        if (t < tile_rows) {
            const int64_t n = first + t < count ? chosen[first + t] : -1;
            row_numbers[t] = n;
            row_offsets[t] = n >= 0 ? layout.offset(n) : 0;
        }
        __syncthreads();

        float best_score[8];
        int32_t best_code[8];
        for (int i = 0; i < 8; ++i) {
            best_score[i] = -INFINITY;
            best_code[i] = 0;
        }

        for (int64_t first_code = begin_code; first_code < end_code; first_code += tile_codes) {
            const float* panel = packed.codes + first_code * features;
            float score[8][8];
            for (int j = 0; j < 8; ++j) {
                const float start = packed.negative_h[first_code + tile_position(across, j)];
                for (int i = 0; i < 8; ++i) {
                    score[i][j] = start;
                }
            }

            for (int64_t first_feature = 0; first_feature < features; first_feature += tile_features) {
                // Beyond the last feature or row the first one is loaded for nothing: without branches all loads of a
                // thread stand together, before a value is checked or kept.
                float values[loads];
                float centres[loads];
                for (int i = 0; i < loads; ++i) {
                    const int64_t d = first_feature + feature_of(i) < features ? first_feature + feature_of(i) : 0;
                    values[i] = rows[row_offsets[row_of(i)] + d * layout.stride()];
                    centres[i] = packed.centre[d];
                }
                // Features beyond the last, and rows beyond the last, are zeros: they leave every score as it is.
                for (int i = 0; i < loads; ++i) {
                    const int r = row_of(i);
                    const int64_t d = first_feature + feature_of(i);
                    const bool is_element = row_numbers[r] >= 0 && d < features;
                    if (is_element && first_code == 0) {
                        bad.note_unless_finite(values[i], row_numbers[r]);
                        rows.keep(row_offsets[r] + d * layout.stride(), values[i]);
                    }
                    z_tile[feature_of(i)][r] = is_element ? values[i] - centres[i] : 0.0f;
                }
                for (int e = t; e < tile_codes * tile_features; e += threads) {
                    const int f = e / tile_codes;
                    c_tile[f][e % tile_codes] = first_feature + f < features ? panel[e] : 0.0f;
                }
                panel += tile_codes * tile_features;
                __syncthreads();

                for (int f = 0; f < tile_features; ++f) {
                    float z[8];
                    float c[8];
                    for (int i = 0; i < 8; ++i) {
                        z[i] = z_tile[f][tile_position(down, i)];
                        c[i] = c_tile[f][tile_position(across, i)];
                    }
                    for (int i = 0; i < 8; ++i) {
                        for (int j = 0; j < 8; ++j) {
                            score[i][j] = fused_multiply_add(z[i], c[j], score[i][j]);
                        }
                    }
                }
                __syncthreads();
            }

            // Codes ascend with j and from panel to panel: the first of equal scores stays.
            for (int i = 0; i < 8; ++i) {
                for (int j = 0; j < 8; ++j) {
                    if (score[i][j] > best_score[i]) {
                        best_score[i] = score[i][j];
                        best_code[i] = static_cast<int32_t>(first_code) + tile_position(across, j);
                    }
                }
            }
        }

        for (int i = 0; i < 8; ++i) {
            row_scores[tile_position(down, i)][across] = best_score[i];
            row_codes[tile_position(down, i)][across] = best_code[i];
        }
        __syncthreads();
        if (t < tile_rows && row_numbers[t] >= 0) {
            float score = row_scores[t][0];
            int32_t code = row_codes[t][0];
            for (int other = 1; other < threads_across; ++other) {
                if (beats(row_scores[t][other], row_codes[t][other], score, code)) {
                    score = row_scores[t][other];
                    code = row_codes[t][other];
                }
            }
            if (parts.best == nullptr) {
                codes[row_numbers[t]] = code;
            } else {
                atomicMax(parts.best + row_numbers[t], ordered(score, code));
            }
        }
        if (parts.best == nullptr) {
            continue;
        }
        __syncthreads();
        if (t == 0) {
            __threadfence();
            parts_before = atomicAdd(parts.finished + first / tile_rows, 1u);
            __threadfence();
        }
        __syncthreads();
        if (parts_before + 1 == parts.parts && t < tile_rows && row_numbers[t] >= 0) {
            codes[row_numbers[t]] = static_cast<int32_t>(~static_cast<uint32_t>(parts.best[row_numbers[t]]));
        }
    }
}

enum class Assignment { automatic, simt, mma, wgmma };
constexpr const char* assignment_names[] = {"automatic", "simt", "mma", "wgmma"};

std::atomic<Assignment> wanted{Assignment::automatic};
std::atomic<int64_t> rows_at_once{0};

// What is wanted, as far as the device and the shape allow it.
Assignment chosen(int64_t rows, int64_t codes_count, int64_t features) {
    const Assignment by = wanted.load();
    const bool use_tensor_cores =
        by == Assignment::automatic ? tensor_cores_pay(rows, codes_count, features) : by != Assignment::simt;
    if (!use_tensor_cores || !tensor_cores_serve(features)) {
        return Assignment::simt;
    }
    const bool use_wgmma = by == Assignment::wgmma || (by == Assignment::automatic && wgmma_pays(rows));
    return use_wgmma && wgmma_serves() ? Assignment::wgmma : Assignment::mma;
}

// Into how many parts the panels are cut: as many as give every multiprocessor of a large device two blocks, by analysis.
unsigned parts_of(unsigned tiles, int64_t panels) {
    constexpr unsigned wanted_blocks = 264;
    const unsigned wanted = wanted_blocks / tiles;
    const int64_t most = wanted < 1 ? 1 : wanted;
    return static_cast<unsigned>(most < panels ? most : panels);
}

template <typename Numbers>
void assign(Numbers rows, Layout layout, const void* packed, int64_t codes_count, int32_t* codes, cudaStream_t stream) {
    const PackedCodebook<const float> view =
        packed_view(static_cast<const float*>(packed), codes_count, layout.features);
    const DeviceFirstBad bad(stream);
    const auto score_all = [&](auto chosen, unsigned blocks, PanelParts parts) {
        launch(assign_kernel<Numbers, decltype(chosen)>, blocks, threads, 0, stream, rows, layout, chosen, view,
            codes_count, parts, codes, bad.rows());
    };
    const PanelParts whole{1, panels_of(codes_count), nullptr, nullptr};
    const unsigned tiles = blocks_for(layout.rows(), tile_rows);
    const Assignment by = chosen(layout.rows(), codes_count, layout.features);
    if (by != Assignment::simt) {
        const DeviceScratch<int64_t> open_rows(layout.rows(), stream);
        const DeviceScratch<unsigned long long> open_count(1, stream);
        assign_by_tensor_cores(rows, layout, view, codes_count,
            by == Assignment::wgmma ? TensorCores::wgmma : TensorCores::mma, rows_at_once.load(), codes, bad.rows(),
            {open_rows.get(), open_count.get()}, stream);
        // How many rows are open only the device knows: as many blocks as run at once share them.
        constexpr unsigned blocks = 512;
        score_all(ListedRows{open_rows.get(), open_count.get()}, tiles < blocks ? tiles : blocks, whole);
    } else if (const unsigned parts = parts_of(tiles, panels_of(codes_count)); parts > 1) {
        const DeviceScratch<unsigned long long> shared(layout.rows() + tiles, stream);
        fill(shared.get(), 0, (layout.rows() + tiles) * static_cast<int64_t>(sizeof(unsigned long long)), stream);
        const int64_t panels = (panels_of(codes_count) + parts - 1) / parts;
        score_all(AllRows{layout.rows()}, tiles * parts,
            {parts, panels, shared.get(), reinterpret_cast<unsigned*>(shared.get() + layout.rows())});
    } else {
        score_all(AllRows{layout.rows()}, tiles, whole);
    }
    bad.require_finite("z");
}

}  // namespace vq4j::assignment

using namespace vq4j;

int32_t vq4j_cuda_assign(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const void* packed, int64_t codes_count, int32_t* codes) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, packed, codes});
        assignment::assign(Floats{rows}, layout, packed, codes_count, codes,
            static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_assign_half(void* stream, const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, const void* packed, int64_t codes_count, int32_t* codes, float* widened) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_half_type(type);
        check_present({rows, packed, codes});
        const auto s = static_cast<cudaStream_t>(stream);
        with_halves(rows, type, widened,
            [&](auto halves) { assignment::assign(halves, layout, packed, codes_count, codes, s); });
    });
}

int32_t vq4j_cuda_set_assignment(const char* kernel, int64_t rows_at_once) {
    return guarded([&] {
        check_present({kernel});
        size_t named = 0;
        while (named < std::size(assignment::assignment_names)
            && std::strcmp(kernel, assignment::assignment_names[named]) != 0) {
            ++named;
        }
        if (named == std::size(assignment::assignment_names)) {
            invalid(std::string("need an assignment of automatic, simt, mma or wgmma, got ") + kernel);
        }
        if (rows_at_once < 0) {
            invalid("need rows_at_once >= 0, got " + std::to_string(rows_at_once));
        }
        assignment::wanted = static_cast<assignment::Assignment>(named);
        assignment::rows_at_once = rows_at_once;
    });
}

const char* vq4j_cuda_assignment(int64_t rows, int64_t codes_count, int64_t features) {
    assignment::Assignment by = assignment::Assignment::simt;
    const int32_t status = guarded([&] { by = assignment::chosen(rows, codes_count, features); });
    return status == VQ4J_OK ? assignment::assignment_names[static_cast<int>(by)] : nullptr;
}
