// k-means by Lloyd's moves. Each iteration assigns (isa/bounded_assign.hpp: rows whose bounds leave no doubt keep
// their code), sums the distances, and moves the codes by scatter and update_centroids. The rows are read twice an
// iteration; the scores that are computed become fewer as the codes settle. Beside the scratch of scatter it takes 4
// bytes for each row and group of codes, for the length of the fit.
#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <utility>

#include "core/arguments.hpp"
#include "core/clustering.hpp"
#include "cpu/assign_blocks.hpp"
#include "cpu/chunks.hpp"
#include "cpu/codebook_filter.hpp"
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

// Orders codes so that each group of `group_codes` holds codes near each other: they are halved along the line between
// two codes far apart, at a border of groups, again and again. In a group the codes ascend.
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

// The codebook of a fit: as the caller knows it, and packed for both assignments.
class FittedCodebook {
public:
    FittedCodebook(const float* start, int64_t codes_count, int64_t features)
        : codes_count_(codes_count), features_(features), panel_codes_(kernels().panel.codes),
          panels_(panels_of(codes_count, panel_codes_)), group_panels_((panels_ + most_groups - 1) / most_groups),
          groups_((panels_ + group_panels_ - 1) / group_panels_), codes_(panels_ * panel_codes_),
          group_of_(codes_count), drifts_(groups_), grouped_(codes_count * features), before_(codes_count * features),
          codebook_(codes_count * features), packed_(packed_floats(codes_count, features)),
          packed_groups_(panels_floats(codes_count, features, panel_codes_)) {
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

    // move(codebook) moves the codes; how far each group has moved at most is kept, rounded up.
    template <typename Move>
    void move(Move move) {
        std::copy_n(codebook_.get(), codes_count_ * features_, before_.get());
        move(codebook_.get());
        const float slack = score_slack(features_);
        std::fill_n(drifts_.get(), groups_, 0.0f);
        for (int64_t k = 0; k < codes_count_; ++k) {
            const float squared =
                squared_distance(before_.get() + k * features_, 1, codebook_.get() + k * features_, features_);
            float& drift = drifts_.get()[group_of_.get()[k]];
            drift = std::max(drift, distance_from_above(squared, slack));
        }
    }

    PackedCodebook<const float> pack() const {
        const PackedCodebook<float> packed = packed_view(packed_.get(), codes_count_, features_, panel_codes_);
        centre_codebook(codebook_.get(), codes_count_, features_, packed.centre);
        pack_panels(codebook_.get(), codes_count_, features_, packed);
        clear_filter(packed, codes_count_, features_, false);
        return {packed.centre, packed.negative_h, packed.codes, packed.filter};
    }

    // The same scores in the order of the groups; after pack().
    BoundedCodebook pack_groups() const {
        const PackedCodebook<float> packed = packed_view(packed_groups_.get(), codes_count_, features_, panel_codes_);
        std::copy_n(packed_.get(), features_, packed.centre);
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
        return {{packed.centre, packed.negative_h, packed.codes, nullptr}, codes_.get(), codebook_.get(),
            group_of_.get(), drifts_.get(), groups_, panels_, group_panels_, distance_from_above(squared, slack),
            slack};
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
    Scratch<float> before_;
    Scratch<float> codebook_;
    Scratch<float> packed_;
    Scratch<float> packed_groups_;
};

// Assigns the rows of a fit, iteration after iteration. While the codes move far, bounds cost more than they save:
// they are tried on one block of rows in 16, and on all once few enough pairs of a row and a group stay open there:
// half of them, or fewer where the plain assignment has a filter.
class FitAssignment {
public:
    FitAssignment(Rows rows, int64_t codes_count, int64_t groups)
        : rows_(rows), codes_count_(codes_count), groups_(groups), block_(rows_in_bounded_block(rows.layout.features)),
          blocks_((rows.layout.rows() + block_ - 1) / block_), has_bounds_(blocks_),
          bounds_(new float[static_cast<size_t>(rows.layout.rows() * groups)]) {
        std::fill_n(has_bounds_.get(), blocks_, false);
    }

    void run(const FittedCodebook& codebook, int32_t* codes, float* distances) {
        const int64_t features = rows_.layout.features;
        const Kernels& table = kernels();
        const PackedCodebook<const float> packed = codebook.pack();
        const bool filtered = !everywhere_ && make_filter_for(rows_.layout.rows(), packed, codes_count_, features);
        const AssignRows assign = assign_kernel();
        const BoundedCodebook bounded = codebook.pack_groups();
        const int64_t plain_block = rows_in_block(features, table.panel.rows);
        std::atomic<int64_t> open_pairs{0};
        std::atomic<int64_t> tested_rows{0};
        FirstBad bad;
        parallel_for(blocks_, [&](int64_t i) {
            const Scratch<float> workspace(assign_workspace_floats(std::max(block_, plain_block), features));
            const int64_t begin = i * block_;
            const int64_t end = std::min(rows_.layout.rows(), begin + block_);
            if (everywhere_ || i % tried_one_in == 0) {
                int64_t open = 0;
                const bool first = !has_bounds_.get()[i];
                bad.note(table.assign_bounded(rows_, bounded, first, begin, end, workspace.get(), codes, distances,
                    bounds_.get(), &open));
                has_bounds_.get()[i] = true;
                open_pairs += first ? 0 : open;
                tested_rows += first ? 0 : end - begin;
                return;
            }
            for (int64_t n = begin; n < end; n += plain_block) {
                const int64_t last = std::min(end, n + plain_block);
                const int64_t first_bad = assign(rows_, packed, codes_count_, n, last, workspace.get(), codes);
                bad.note(first_bad);
                if (first_bad == no_bad_row) {
                    table.squared_distances(rows_, codebook.values(), codes, n, last, distances);
                }
            }
        });
        bad.require_finite("z");
        const int64_t pairs_for_an_open_one = filtered ? table.filter->pairs_for_an_open_one : 2;
        everywhere_ = everywhere_ || pairs_for_an_open_one * open_pairs < tested_rows * groups_;
    }

private:
    static constexpr int64_t tried_one_in = 16;

    Rows rows_;
    int64_t codes_count_;
    int64_t groups_;
    int64_t block_;
    int64_t blocks_;
    bool everywhere_ = false;
    Scratch<bool> has_bounds_;
    std::unique_ptr<float[]> bounds_;  // N x groups; too large for the scratch memory, which stays
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
        const int64_t rows_count = layout.rows();
        FittedCodebook fitted(codebook, codes_count, features);
        FitAssignment assignment({rows, layout}, codes_count, fitted.groups());
        const Scratch<float> distances(rows_count);
        const Scratch<float> sums(codes_count * features);
        const Scratch<int64_t> counts(codes_count);
        double previous = 0.0;
        for (int64_t iteration = 0;; ++iteration) {
            assignment.run(fitted, codes, distances.get());
            *objective = mean_of_rows(distances.get(), rows_count, features);
            *iterations = iteration;
            if (fit_ends(iteration, max_iterations, previous, *objective, tolerance)) {
                break;
            }
            previous = *objective;
            fitted.move([&](float* moved) {
                require_ok(vq4j_cpu_scatter(rows, outer, inner, features, codes, codes_count, sums.get()));
                require_ok(vq4j_cpu_count_codes(codes, rows_count, codes_count, counts.get()));
                require_ok(vq4j_cpu_update_centroids(sums.get(), counts.get(), codes_count, features, moved));
            });
        }
        std::copy_n(fitted.values(), codes_count * features, codebook);
    });
}
