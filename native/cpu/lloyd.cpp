// k-means by Lloyd's moves. Each iteration assigns (isa/bounded_assign.hpp: rows whose bounds leave no doubt keep their
// code), sums the distances, and moves the codes by scatter and update_centroids. The rows are read twice an iteration;
// the scores that are computed become fewer as the codes settle. Beside the scratch of scatter it takes 4 bytes for each
// row and group of codes, for the length of the fit.
#include <algorithm>
#include <cstring>
#include <memory>

#include "core/arguments.hpp"
#include "core/clustering.hpp"
#include "cpu/chunks.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

int64_t farthest(const float* codebook, int64_t features, const int32_t* codes, int64_t count, const float* from) {
    int64_t result = 0;
    float most = -1.0f;
    for (int64_t i = 0; i < count; ++i) {
        const float distance = squared_distance(codebook + codes[i] * features, 1, from, features);
        if (distance > most) {
            most = distance;
            result = i;
        }
    }
    return result;
}

// Orders codes so that each group of `group_codes` holds codes near each other: they are halved along the line between two
// codes far apart, at a border of groups, again and again. In a group the codes ascend.
void order_by_group(const float* codebook, int64_t features, int64_t group_codes, int32_t* codes, int64_t count) {
    if (count <= group_codes) {
        std::sort(codes, codes + count);
        return;
    }
    const float* const first = codebook + codes[0] * features;
    const float* const one = codebook + codes[farthest(codebook, features, codes, count, first)] * features;
    const float* const other = codebook + codes[farthest(codebook, features, codes, count, one)] * features;
    const Scratch<std::pair<float, int32_t>> places(count);
    for (int64_t i = 0; i < count; ++i) {
        const float* const code = codebook + codes[i] * features;
        const float place = striped_sum(features,
            [=](float sum, int64_t d) { return fused_multiply_add(code[d], other[d] - one[d], sum); });
        places.get()[i] = {is_finite(place) ? place : 0.0f, codes[i]};
    }
    std::sort(places.get(), places.get() + count);
    for (int64_t i = 0; i < count; ++i) {
        codes[i] = places.get()[i].second;
    }
    const int64_t groups = (count + group_codes - 1) / group_codes;
    const int64_t half = groups / 2 * group_codes;
    order_by_group(codebook, features, group_codes, codes, half);
    order_by_group(codebook, features, group_codes, codes + half, count - half);
}

// The codebook of a fit: as the caller knows it, and grouped and packed for the assignment.
class FittedCodebook {
public:
    FittedCodebook(const float* start, int64_t codes_count, int64_t features)
        : codes_count_(codes_count), features_(features), panel_codes_(kernels().panel.codes),
          panels_(panels_of(codes_count, panel_codes_)), group_panels_((panels_ + most_groups - 1) / most_groups),
          groups_((panels_ + group_panels_ - 1) / group_panels_), codes_(panels_ * panel_codes_),
          group_of_(codes_count), drifts_(groups_), grouped_(codes_count * features), moved_(codes_count * features),
          codebook_(codes_count * features),
          packed_(packed_centre_floats(features) + panels_ * panel_codes_ * (features + 1)) {
        std::copy_n(start, codes_count * features, codebook_.get());
        int32_t* const codes = codes_.get();
        for (int64_t k = 0; k < panels_ * panel_codes_; ++k) {
            codes[k] = k < codes_count ? static_cast<int32_t>(k) : std::numeric_limits<int32_t>::max();
        }
        order_by_group(start, features, group_panels_ * panel_codes_, codes, codes_count);
        for (int64_t place = 0; place < codes_count; ++place) {
            group_of_.get()[codes[place]] = static_cast<int32_t>(place / (group_panels_ * panel_codes_));
        }
    }

    int64_t groups() const { return groups_; }
    float* values() const { return codebook_.get(); }

    // Keeps the codebook as it is before a move.
    void before_move() { std::copy_n(codebook_.get(), codes_count_ * features_, moved_.get()); }

    // How far each group has moved at most, rounded up.
    void after_move() {
        const float slack = score_slack(features_);
        std::fill_n(drifts_.get(), groups_, 0.0f);
        for (int64_t k = 0; k < codes_count_; ++k) {
            const float squared =
                squared_distance(moved_.get() + k * features_, 1, codebook_.get() + k * features_, features_);
            float& drift = drifts_.get()[group_of_.get()[k]];
            // A drift that is no number leaves the bounds undecided.
            const float distance = squared > 0.0f ? distance_from_above(squared, slack) : squared;
            drift = drift >= distance ? drift : distance;
        }
    }

    BoundedCodebook pack(bool first) {
        const PackedCodebook<float> packed = packed_view(packed_.get(), codes_count_, features_, panel_codes_);
        centre_codebook(codebook_.get(), codes_count_, features_, packed.centre);
        parallel_ranges(codes_count_, features_, [&](int64_t begin, int64_t end) {
            for (int64_t place = begin; place < end; ++place) {
                std::copy_n(codebook_.get() + codes_.get()[place] * features_, features_,
                    grouped_.get() + place * features_);
            }
        });
        pack_panels(grouped_.get(), codes_count_, features_, packed);
        float squared = 0.0f;  // the largest of |c_k - m|^2
        for (int64_t place = 0; place < codes_count_; ++place) {
            squared = std::max(squared, -2.0f * packed.negative_h[place]);
        }
        const float slack = score_slack(features_);
        return {{packed.centre, packed.negative_h, packed.codes}, codes_.get(), codebook_.get(), group_of_.get(),
            drifts_.get(), groups_, panels_, group_panels_, distance_from_above(squared, slack), slack, first};
    }

private:
    int64_t codes_count_;
    int64_t features_;
    int64_t panel_codes_;
    int64_t panels_;
    int64_t group_panels_;
    int64_t groups_;
    Scratch<int32_t> codes_;
    Scratch<int32_t> group_of_;
    Scratch<float> drifts_;
    Scratch<float> grouped_;
    Scratch<float> moved_;
    Scratch<float> codebook_;
    Scratch<float> packed_;
};

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_lloyd(const float* rows, int64_t outer, int64_t inner, int64_t features, int64_t codes_count,
    int64_t max_iterations, double tolerance, float* codebook, int32_t* codes, double* objective, int64_t* iterations) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_fit(max_iterations, tolerance);
        check_present({rows, codebook, codes, objective, iterations});
        require_ok(vq4j_cpu_packed_codebook_bytes(codes_count, features) < 0 ? VQ4J_INVALID_ARGUMENT : VQ4J_OK);
        const Kernels& table = kernels();
        const int64_t rows_count = layout.rows();
        FittedCodebook fitted(codebook, codes_count, features);
        const auto bounds = std::make_unique<float[]>(static_cast<size_t>(rows_count * fitted.groups()));
        const Scratch<float> distances(rows_count);
        const Scratch<float> sums(codes_count * features);
        const Scratch<int64_t> counts(codes_count);
        const int64_t block = rows_in_bounded_block(features);
        double previous = 0.0;
        for (int64_t iteration = 0;; ++iteration) {
            const BoundedCodebook bounded = fitted.pack(iteration == 0);
            FirstBad bad;
            parallel_for((rows_count + block - 1) / block, [&](int64_t i) {
                const Scratch<float> workspace(block * features);
                bad.note(table.assign_bounded({rows, layout}, bounded, i * block, std::min(rows_count, (i + 1) * block),
                    workspace.get(), codes, distances.get(), bounds.get()));
            });
            bad.require_finite("z");
            *objective = mean_of_rows(distances.get(), rows_count, features);
            *iterations = iteration;
            if (fit_ends(iteration, max_iterations, previous, *objective, tolerance)) {
                break;
            }
            previous = *objective;
            fitted.before_move();
            require_ok(vq4j_cpu_scatter(rows, outer, inner, features, codes, codes_count, sums.get()));
            require_ok(vq4j_cpu_count_codes(codes, rows_count, codes_count, counts.get()));
            require_ok(vq4j_cpu_update_centroids(sums.get(), counts.get(), codes_count, features, fitted.values()));
            fitted.after_move();
        }
        std::copy_n(fitted.values(), codes_count * features, codebook);
    });
}
