// Draws of stages, and the steps of a beam search against a plain one that sorts all candidates.
#include <set>

#include "checks.hpp"

namespace vq4j::testing {
namespace {

using Codes = std::vector<int32_t>;

Codes draw(Implementation& on, uint64_t seed, uint64_t step, const std::vector<int64_t>& numbers, int64_t rows_count,
    int64_t samples, int32_t least, int32_t most) {
    const Array<int64_t> order(on, numbers.empty() ? std::vector<int64_t>{0} : numbers);
    const int64_t count = numbers.empty() ? rows_count : static_cast<int64_t>(numbers.size());
    const Array<int32_t> stages(on, count);
    CHECK_OK(on->draw_stages(seed, step, numbers.empty() ? nullptr : static_cast<int64_t*>(order), count, rows_count, samples,
        least, most, stages));
    return stages.read();
}

void rows_of_a_sample_draw_together_and_samples_uniformly(Implementation& on) {
    const int64_t samples = 4000;
    const Codes stages = draw(on, 7, 3, {}, samples * 3, samples, 2, 6);
    std::vector<int> histogram(7);
    for (size_t n = 0; n < stages.size(); ++n) {
        CHECK(stages[n] >= 2 && stages[n] <= 6);
        CHECK(stages[n] == stages[n / 3 * 3]);
        ++histogram[static_cast<size_t>(stages[n])];
    }
    for (size_t number = 2; number <= 6; ++number) {
        CHECK(std::abs(histogram[number] / 3 - 800) < 120);  // over four deviations
    }
    CHECK(draw(on, 7, 4, {}, samples * 3, samples, 2, 6) != stages);
    CHECK(draw(on, 8, 3, {}, samples * 3, samples, 2, 6) != stages);
    CHECK(draw(on, 7, 3, {}, 5, 5, 3, 3) == Codes(5, 3));
}

// A row's draw depends on its sample alone, not on which rows are chosen.
void chosen_rows_draw_as_among_all(Implementation& on) {
    const Codes all = draw(on, 1, 2, {}, 60, 6, 1, 8);
    const std::vector<int64_t> numbers = {3, 9, 10, 25, 59};
    Codes expected;
    for (const int64_t n : numbers) {
        expected.push_back(all[static_cast<size_t>(n)]);
    }
    CHECK(draw(on, 1, 2, numbers, 60, 6, 1, 8) == expected);
    const Array<int32_t> stages(on, 60);
    CHECK_FAILS(on->draw_stages(1, 2, nullptr, 60, 60, 6, 0, 8, stages), VQ4J_INVALID_ARGUMENT, "least = 0");
    CHECK_FAILS(on->draw_stages(1, 2, nullptr, 60, 60, 6, 9, 8, stages), VQ4J_INVALID_ARGUMENT, "least = 9", "most = 8");
    CHECK_FAILS(on->draw_stages(1, 2, nullptr, 60, 60, 7, 1, 8, stages), VQ4J_INVALID_ARGUMENT, "samples", "7");
}

struct Candidate {
    float distance;
    Codes path;  // of the codes so far
    int64_t parent;
    float written;

    bool operator<(const Candidate& other) const {
        return distance != other.distance ? distance < other.distance : path < other.path;
    }
};

struct Case {
    int64_t rows, beams, candidates, stages, stage, kept;
    Floats distances;
    Codes codes;
    Codes paths;
};

// Distances of few values, so that there are ties; distinct codes and paths.
Case random_case(int64_t rows, int64_t beams, int64_t candidates, int64_t stages, int64_t stage, int64_t kept) {
    Case c{rows, beams, candidates, stages, stage, kept, {}, {}, {}};
    std::mt19937 generator(static_cast<unsigned>(rows + 10 * beams + 100 * kept));
    for (int64_t n = 0; n < rows; ++n) {
        std::set<Codes> distinct;
        while (static_cast<int64_t>(distinct.size()) < beams) {
            Codes path(static_cast<size_t>(stage));
            for (int32_t& code : path) {
                code = static_cast<int32_t>(generator() % 5);
            }
            distinct.insert(path);
        }
        std::vector<Codes> paths(distinct.begin(), distinct.end());
        std::shuffle(paths.begin(), paths.end(), generator);
        for (const Codes& path : paths) {
            c.paths.insert(c.paths.end(), path.begin(), path.end());
            c.paths.insert(c.paths.end(), static_cast<size_t>(stages - stage), -1);
            Codes codes(20);
            for (int32_t code = 0; code < 20; ++code) {
                codes[static_cast<size_t>(code)] = code;
            }
            std::shuffle(codes.begin(), codes.end(), generator);
            for (int64_t i = 0; i < candidates; ++i) {
                const unsigned value = static_cast<unsigned>(generator() % 9);
                c.distances.push_back(value == 8 ? nan : static_cast<float>(value));
                c.codes.push_back(codes[static_cast<size_t>(i)]);
            }
        }
    }
    return c;
}

void beams_go_on_with_the_least_distances_and_the_lowest_paths(Implementation& on) {
    for (const Case& c : {random_case(1, 1, 1, 1, 0, 1), random_case(300, 1, 4, 3, 0, 4), random_case(200, 4, 4, 3, 2, 4),
             random_case(70, 3, 5, 6, 5, 15), random_case(129, 5, 2, 4, 3, 1)}) {
        const Array<float> distances(on, c.distances), new_distances(on, c.rows * c.kept);
        const Array<int32_t> codes(on, c.codes), paths(on, c.paths), new_codes(on, c.rows * c.kept);
        const Array<int32_t> new_paths(on, c.rows * c.kept * c.stages);
        const Array<int64_t> parents(on, c.rows * c.kept);
        CHECK_OK(on->extend_beams(distances, codes, paths, c.rows, c.beams, c.candidates, c.stages, c.stage, c.kept, parents,
            new_codes, new_paths, new_distances));
        std::vector<int64_t> expected_parents;
        Codes expected_codes, expected_paths;
        Floats expected_distances;
        for (int64_t n = 0; n < c.rows; ++n) {
            std::vector<Candidate> all;
            for (int64_t i = 0; i < c.beams * c.candidates; ++i) {
                const int64_t parent = n * c.beams + i / c.candidates;
                const float distance = c.distances[static_cast<size_t>(n * c.beams * c.candidates + i)];
                const auto first = c.paths.begin() + parent * c.stages;
                Codes path(first, first + c.stage);
                path.push_back(c.codes[static_cast<size_t>(n * c.beams * c.candidates + i)]);
                all.push_back({distance == distance ? distance : infinity, path, parent, distance});
            }
            std::sort(all.begin() + 1, all.end());  // the first stays first
            for (int64_t i = 0; i < c.kept; ++i) {
                const Candidate& kept = all[static_cast<size_t>(i)];
                expected_parents.push_back(kept.parent);
                expected_codes.push_back(kept.path.back());
                expected_paths.insert(expected_paths.end(), kept.path.begin(), kept.path.end());
                expected_paths.insert(expected_paths.end(), static_cast<size_t>(c.stages - c.stage - 1), -1);
                expected_distances.push_back(kept.written);
            }
        }
        CHECK(parents.read() == expected_parents);
        CHECK(new_codes.read() == expected_codes);
        CHECK(new_paths.read() == expected_paths);
        const Floats found = new_distances.read();
        for (size_t i = 0; i < found.size(); ++i) {
            CHECK(found[i] == expected_distances[i]
                || (std::isnan(found[i]) && std::isnan(expected_distances[i])));
        }

        const Array<int32_t> best(on, c.rows * c.stages);
        CHECK_OK(on->choose_beams(new_distances, new_paths, c.rows, c.kept, c.stages, best));
        Codes expected_best;
        for (int64_t n = 0; n < c.rows; ++n) {
            Candidate least{infinity, Codes(static_cast<size_t>(c.stages), INT32_MAX), 0, 0.0f};
            for (int64_t i = 0; i < c.kept; ++i) {
                const float distance = expected_distances[static_cast<size_t>(n * c.kept + i)];
                const auto first = expected_paths.begin() + (n * c.kept + i) * c.stages;
                const Candidate sum{std::isnan(distance) ? infinity : distance, Codes(first, first + c.stages), 0, 0.0f};
                least = sum < least ? sum : least;
            }
            expected_best.insert(expected_best.end(), least.path.begin(), least.path.end());
        }
        CHECK(best.read() == expected_best);
    }
}

void shapes_that_do_not_fit_are_refused(Implementation& on) {
    const Array<float> distances(on, 8);
    const Array<int32_t> codes(on, 8), paths(on, 8), out(on, 64);
    const Array<int64_t> parents(on, 8);
    CHECK_FAILS(on->extend_beams(distances, codes, paths, 1, 2, 4, 3, 3, 2, parents, out, out, distances),
        VQ4J_INVALID_ARGUMENT, "stages = 3", "3");
    CHECK_FAILS(on->extend_beams(distances, codes, paths, 1, 2, 4, 3, 1, 9, parents, out, out, distances),
        VQ4J_INVALID_ARGUMENT, "beams * candidates = 8", "9");
    CHECK_FAILS(on->choose_beams(distances, paths, 1, 0, 3, out), VQ4J_INVALID_ARGUMENT, "beams");
}

}  // namespace
}  // namespace vq4j::testing

int main() {
    using namespace vq4j::testing;
    return run({
        TEST(rows_of_a_sample_draw_together_and_samples_uniformly),
        TEST(chosen_rows_draw_as_among_all),
        TEST(beams_go_on_with_the_least_distances_and_the_lowest_paths),
        TEST(shapes_that_do_not_fit_are_refused),
    });
}
