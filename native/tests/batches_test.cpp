// Operations that run together in a batch.
#include <algorithm>
#include <future>
#include <thread>

#include "checks.hpp"

#ifdef VQ4J_HOST_RUN
#include <cuda_runtime.h>

#include "host_run/host_run.hpp"
#endif

namespace vq4j::testing {
namespace {

struct Counts {
    int64_t graphs_made;
    int64_t graphs_launched;
    int64_t nodes_updated;
    int64_t run_without_graph;
    int64_t waits;
    int64_t steps_run;

    static Counts now() {
        int64_t values[6] = {};
        vq4j_cuda_batch_counts(values);
        return {values[0], values[1], values[2], values[3], values[4], values[5]};
    }
};

int64_t begin(Implementation& on) {
    int64_t batch = -1;
    CHECK_OK(on->begin_batch(&batch));
    return batch;
}

void finish(Implementation& on, int64_t batch) {
    CHECK_OK(on->submit_batch(batch));
    CHECK_OK(on->finish_batch(batch));
}

constexpr int64_t codes_count = 37;
constexpr int64_t features = 19;

// A training step of a layer, all of its memory, and what the host wants of it.
class TrainingStep {
public:
    TrainingStep(Implementation& on, int64_t rows_count, unsigned seed)
        : on_(on), rows_count_(rows_count), z(on, random_floats(rows_count * features, seed)),
          grad(on, random_floats(rows_count * features, seed + 1)), codebook(on, random_floats(codes_count * features, 3)),
          packed(on, on->packed_codebook_bytes(codes_count, features)), codes(on, rows_count),
          output(on, rows_count * features), distances(on, rows_count), losses(on, 2), counts(on, codes_count),
          grad_rows(on, rows_count * features), grad_codebook(on, codes_count * features),
          first(on, Floats(static_cast<size_t>(codes_count * features))),
          second(on, Floats(static_cast<size_t>(codes_count * features))), steps(on, std::vector<int64_t>(2)) {}

    int32_t run(double learning_rate = 0.1) {
        Implementation& on = on_;
        CHECK_OK(on->pack_codebook(codebook, codes_count, features, packed));
        CHECK_OK(on->assign(z, rows_count_, 1, features, packed, codes_count, codes));
        CHECK_OK(on->commitment_loss(z, rows_count_, 1, features, codebook, codes, 1, distances, losses, losses + 1, output,
            nullptr));
        CHECK_OK(on->count_codes(codes, rows_count_, codes_count, counts));
        CHECK_OK(on->input_gradient(z, grad, rows_count_, 1, features, codebook, codes, 0.25f, grad_rows));
        CHECK_OK(on->codebook_gradient(z, grad, rows_count_, 1, features, codebook, codes, codes_count, 0.5f, 0.75f,
            grad_codebook));
        CHECK_OK(step(learning_rate));
        return on->fetch(fetched_losses, losses, sizeof fetched_losses);
    }

    // Unless a batch fails that has been submitted.
    int32_t step(double learning_rate, const std::vector<int64_t>& batches = {}) {
        Implementation& on = on_;
        float* const tensor[] = {codebook, grad_codebook, first, second};
        const int64_t count = codes_count * features;
        int64_t* const counter = steps;
        return on->adam_step(tensor, &count, &counter, 1, batches.data(), static_cast<int64_t>(batches.size()), learning_rate,
            0.9, 0.999, 1e-8, 0.0, 0);
    }

    int32_t run_in_batch(double learning_rate = 0.1) {
        const int64_t batch = begin(on_);
        run(learning_rate);
        finish(on_, batch);
        return 0;
    }

    // All that it has written.
    std::vector<unsigned char> result() const {
        std::vector<unsigned char> all;
        const auto append = [&](const auto& values) {
            const auto* const bytes = reinterpret_cast<const unsigned char*>(values.data());
            all.insert(all.end(), bytes, bytes + values.size() * sizeof values[0]);
        };
        append(codes.read());
        append(output.read());
        append(distances.read());
        append(losses.read());
        append(counts.read());
        append(grad_rows.read());
        append(grad_codebook.read());
        append(codebook.read());
        append(std::vector<double>(fetched_losses, fetched_losses + 2));
        return all;
    }

    Implementation& on_;
    int64_t rows_count_;
    Array<float> z;
    Array<float> grad;
    Array<float> codebook;
    Array<unsigned char> packed;
    Array<int32_t> codes;
    Array<float> output;
    Array<float> distances;
    Array<double> losses;
    Array<int64_t> counts;
    Array<float> grad_rows;
    Array<float> grad_codebook;
    Array<float> first;
    Array<float> second;
    Array<int64_t> steps;
    double fetched_losses[2] = {};
};

// ---- on both implementations -----------------------------------------------------------------------------------

void a_batch_has_the_bits_of_calls_one_by_one(Implementation& on) {
    TrainingStep alone(on, 301, 1);
    TrainingStep together(on, 301, 1);
    for (int step = 0; step < 4; ++step) {
        CHECK_OK(alone.run());
        together.run_in_batch();
        CHECK(alone.result() == together.result());
    }
}

void a_fetch_delivers_what_was_there_at_its_place(Implementation& on) {
    const Array<int32_t> values(on, std::vector<int32_t>{1, 2, 3});
    int32_t before[3] = {};
    int32_t after[3] = {};
    const int64_t batch = begin(on);
    CHECK_OK(on->fetch(before, values, sizeof before));
    CHECK_OK(on->fill_codes(7, 3, values));
    CHECK_OK(on->fetch(after, values, sizeof after));
    finish(on, batch);
    CHECK(before[0] == 1 && before[1] == 2 && before[2] == 3);
    CHECK(after[0] == 7 && after[1] == 7 && after[2] == 7);
}

void what_is_sent_arrives_at_its_place_as_it_was_then(Implementation& on) {
    const Array<int32_t> values(on, std::vector<int32_t>{1, 2, 3});
    const Array<int32_t> before(on, 3), between(on, 3);
    for (int32_t repeat = 0; repeat < 4; ++repeat) {
        int32_t sent[3] = {4, 5, repeat};
        const int64_t batch = begin(on);
        CHECK_OK(on->fill_codes(7, 3, values));
        CHECK_OK(on->copy(before, values, sizeof sent));
        CHECK_OK(on->send(values, sent, sizeof sent));
        CHECK_OK(on->copy(between, values, sizeof sent));
        std::fill(sent, sent + 3, 9);
        CHECK_OK(on->send(values, sent, 2 * sizeof(int32_t)));
        std::fill(sent, sent + 3, 0);
        finish(on, batch);
        CHECK(before.read() == std::vector<int32_t>({7, 7, 7}));
        CHECK(between.read() == std::vector<int32_t>({4, 5, repeat}));
        CHECK(values.read() == std::vector<int32_t>({9, 9, repeat}));
    }
    const int32_t alone[3] = {1, 2, 3};
    CHECK_OK(on->send(values, alone, sizeof alone));
    CHECK(values.read() == std::vector<int32_t>({1, 2, 3}));
}

void a_copy_to_the_host_in_a_batch_is_complete_when_it_returns(Implementation& on) {
    const Array<int32_t> values(on, std::vector<int32_t>{1, 2, 3});
    const int64_t batch = begin(on);
    CHECK_OK(on->fill_codes(7, 3, values));
    int32_t read[3] = {};
    CHECK_OK(on->copy(read, values, sizeof read));
    CHECK(read[0] == 7 && read[1] == 7 && read[2] == 7);
    const int32_t written[3] = {4, 5, 6};
    CHECK_OK(on->copy(values, written, sizeof written));
    finish(on, batch);
    CHECK(values.read() == std::vector<int32_t>({4, 5, 6}));
}

void wrong_arguments_fail_at_once(Implementation& on) {
    const Array<int32_t> values(on, std::vector<int32_t>{1});
    const int64_t batch = begin(on);
    CHECK_FAILS(on->fill_codes(7, 0, values), VQ4J_INVALID_ARGUMENT, "count >= 1");
    CHECK_OK(on->drop_batch(batch));
}

void a_commit_copies_at_its_place(Implementation& on) {
    const Array<int32_t> values(on, std::vector<int32_t>{1, 2, 3});
    const Array<int32_t> state(on, std::vector<int32_t>{9, 9, 9});
    const int64_t batch = begin(on);
    CHECK_OK(on->commit(state, values, 2 * sizeof(int32_t)));
    CHECK_OK(on->fill_codes(7, 3, values));
    finish(on, batch);
    CHECK(state.read() == std::vector<int32_t>({1, 2, 9}));
    CHECK_OK(on->commit(state, values, 3 * sizeof(int32_t)));
    CHECK(state.read() == std::vector<int32_t>({7, 7, 7}));
}

// Kernels count their blocks beside what is watched.
void a_commit_comes_after_kernels_that_count_their_blocks(Implementation& on) {
    const Array<float> z(on, random_floats(600 * features, 41));
    const Array<float> codebook(on, random_floats(codes_count * features, 42));
    const Array<int32_t> codes(on, std::vector<int32_t>(600, 1));
    const Array<float> distances(on, 600), state(on, Floats(600));
    const Array<double> means(on, 2);
    const int64_t batch = begin(on);
    CHECK_OK(on->commitment_loss(z, 600, 1, features, codebook, codes, 1, distances, means, means + 1, nullptr, nullptr));
    CHECK_OK(on->commit(state, distances, 600 * static_cast<int64_t>(sizeof(float))));
    finish(on, batch);
    CHECK(state.read() == distances.read());
}

// Copies that follow one another may be made together, but not those that need one another.
void copies_come_one_after_the_other(Implementation& on) {
    const Array<int32_t> values(on, std::vector<int32_t>{1, 2, 3, 4}), other(on, std::vector<int32_t>{5, 6, 7, 8});
    const Array<int32_t> third(on, std::vector<int32_t>{0, 0, 0, 0});
    int32_t fetched[4] = {};
    const int64_t batch = begin(on);
    CHECK_OK(on->copy(third, values, 3 * sizeof(int32_t)));
    CHECK_OK(on->copy(values, other, 4 * sizeof(int32_t)));
    CHECK_OK(on->copy(other, third, 2 * sizeof(int32_t)));
    CHECK_OK(on->copy(third + 3, values + 1, 1));
    CHECK_OK(on->fetch(fetched, other, sizeof fetched));
    finish(on, batch);
    CHECK(third.read() == std::vector<int32_t>({1, 2, 3, 6}));
    CHECK(values.read() == std::vector<int32_t>({5, 6, 7, 8}));
    CHECK(fetched[0] == 1 && fetched[1] == 2 && fetched[2] == 7 && fetched[3] == 8);
}

// One reads what another has written, one writes what another reads, and there are many.
void commits_come_one_after_the_other(Implementation& on) {
    const Array<int32_t> values(on, std::vector<int32_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    const Array<int32_t> first(on, 2), second(on, 2), third(on, 12);
    const int64_t batch = begin(on);
    CHECK_OK(on->commit(first, values, 2 * sizeof(int32_t)));
    CHECK_OK(on->commit(second, first, 2 * sizeof(int32_t)));
    CHECK_OK(on->commit(first, values + 4, sizeof(int32_t)));
    for (int64_t i = 0; i < 12; ++i) {
        CHECK_OK(on->commit(third + i, values + (11 - i), sizeof(int32_t)));
    }
    CHECK_OK(on->commit(third, values + 3, sizeof(int32_t)));
    CHECK_OK(on->fill_codes(0, 12, values));
    finish(on, batch);
    CHECK(first.read() == std::vector<int32_t>({5, 2}));
    CHECK(second.read() == std::vector<int32_t>({1, 2}));
    CHECK(third.read() == std::vector<int32_t>({4, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}));
}

// ---- on the device ---------------------------------------------------------------------------------------------

void the_host_waits_for_nothing_until_it_finishes(Implementation& on) {
    TrainingStep step(on, 64, 5);
    for (int repeat = 0; repeat < 3; ++repeat) {
        const int64_t waits = Counts::now().waits;
        const int64_t batch = begin(on);
        CHECK_OK(step.run());
        CHECK_OK(on->submit_batch(batch));
        CHECK(Counts::now().waits == waits);
        CHECK_OK(on->finish_batch(batch));
        CHECK(Counts::now().waits == waits + 1);
    }
}

void what_is_sent_is_not_waited_for(Implementation& on) {
    const Array<int32_t> values(on, 3);
    const int32_t sent[3] = {4, 5, 6};
    for (int repeat = 0; repeat < 3; ++repeat) {
        const Counts before = Counts::now();
        const int64_t batch = begin(on);
        CHECK_OK(on->send(values, sent, sizeof sent));
        CHECK_OK(on->submit_batch(batch));
        CHECK(Counts::now().waits == before.waits);
        CHECK(repeat < 2 || Counts::now().graphs_launched == before.graphs_launched + 1);
        CHECK_OK(on->finish_batch(batch));
    }
}

void a_shape_becomes_a_graph_when_it_comes_again(Implementation& on) {
    vq4j_cuda_set_uses_until_graph(2);
    TrainingStep step(on, 131, 6);
    const Counts start = Counts::now();
    step.run_in_batch();
    const Counts once = Counts::now();
    CHECK(once.graphs_made == start.graphs_made && once.run_without_graph == start.run_without_graph + 1);
    for (int repeat = 2; repeat < 6; ++repeat) {
        step.run_in_batch();
        const Counts now = Counts::now();
        CHECK(now.graphs_made == start.graphs_made + 1);
        CHECK(now.graphs_launched == start.graphs_launched + repeat - 1);
        CHECK(now.run_without_graph == once.run_without_graph);
    }
}

void a_graph_takes_other_memory_and_other_numbers(Implementation& on) {
    TrainingStep first(on, 97, 7);
    first.run_in_batch();
    first.run_in_batch();
    const Counts start = Counts::now();
    TrainingStep other(on, 97, 9);
    TrainingStep expected(on, 97, 9);
    other.run_in_batch(0.3);
    CHECK_OK(expected.run(0.3));
    CHECK(other.result() == expected.result());
    const Counts now = Counts::now();
    CHECK(now.graphs_made == start.graphs_made && now.graphs_launched == start.graphs_launched + 1);
    CHECK(now.nodes_updated > start.nodes_updated);
}

void a_graph_that_makes_room_is_not_waited_for(Implementation& on) {
    constexpr int64_t bytes_of_another_shape = 32 << 10;  // a block of threads more
    const Array<unsigned char> values(on, 100 * bytes_of_another_shape);
    const Counts start = Counts::now();
    const int64_t waits = start.waits;
    std::vector<int64_t> batches;
    for (int64_t count = 1; count <= 100; ++count) {
        for (int repeat = 0; repeat < 2; ++repeat) {
            batches.push_back(begin(on));
            CHECK_OK(on->clear(values, count * bytes_of_another_shape));
            CHECK_OK(on->submit_batch(batches.back()));
        }
    }
    CHECK(Counts::now().waits == waits);
    CHECK(Counts::now().graphs_made == start.graphs_made + 100);
    for (const int64_t batch : batches) {
        CHECK_OK(on->finish_batch(batch));
    }
}

void no_graphs_are_made_where_they_are_switched_off(Implementation& on) {
    vq4j_cuda_set_uses_until_graph(0);
    const Counts start = Counts::now();
    TrainingStep step(on, 71, 11);
    TrainingStep expected(on, 71, 11);
    for (int repeat = 0; repeat < 3; ++repeat) {
        step.run_in_batch();
        CHECK_OK(expected.run());
    }
    CHECK(step.result() == expected.result());
    CHECK(Counts::now().graphs_launched == start.graphs_launched);
    vq4j_cuda_set_uses_until_graph(2);
}

void what_is_wrong_with_data_is_the_result_of_finishing(Implementation& on) {
    for (int repeat = 0; repeat < 3; ++repeat) {
        TrainingStep step(on, 50, 12);
        Floats bad(static_cast<size_t>(50 * features), 1.0f);
        bad[5 * features + 2] = nan;
        const Array<float> bad_rows(on, bad);
        bad[2 * features] = infinity;
        const Array<float> worse_rows(on, bad);
        const int64_t batch = begin(on);
        CHECK_OK(step.run());
        CHECK_OK(on->assign(worse_rows, 50, 1, features, step.packed, codes_count, step.codes));
        CHECK_OK(on->assign(bad_rows, 50, 1, features, step.packed, codes_count, step.codes));
        CHECK_OK(on->submit_batch(batch));
        CHECK_FAILS(on->finish_batch(batch), VQ4J_NOT_FINITE, "z", "row 2");
    }
}

void a_copy_to_the_host_reports_what_was_wrong_before_it(Implementation& on) {
    Floats bad(static_cast<size_t>(8 * features), 1.0f);
    bad[3 * features] = nan;
    const Array<float> z(on, bad);
    const Array<float> codebook(on, random_floats(codes_count * features, 13));
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(codes_count, features));
    const Array<int32_t> codes(on, 8);
    const int64_t batch = begin(on);
    CHECK_OK(on->pack_codebook(codebook, codes_count, features, packed));
    CHECK_OK(on->assign(z, 8, 1, features, packed, codes_count, codes));
    int32_t read[8] = {};
    CHECK_FAILS(on->copy(read, codes, sizeof read), VQ4J_NOT_FINITE, "row 3");
    CHECK_OK(on->drop_batch(batch));
}

// It has been told that they are not there, and may have given up the memory they were to be copied to.
void what_was_to_be_fetched_is_forgotten_with_a_failure(Implementation& on) {
    const Array<float> codebook(on, random_floats(10, 1));
    const Array<int32_t> bad(on, std::vector<int32_t>{-5});
    const Array<float> out(on, 10);
    float fetched = 7.0f;
    float copied = 0.0f;
    const int64_t batch = begin(on);
    CHECK_OK(on->lookup(codebook, 1, bad, 1, 1, 10, out));
    CHECK_OK(on->fetch(&fetched, codebook, sizeof fetched));
    CHECK_FAILS(on->copy(&copied, codebook, sizeof copied), VQ4J_INVALID_ARGUMENT, "code -5 of row 0");
    finish(on, batch);
    CHECK(fetched == 7.0f);
}

void codes_out_of_range_are_named_when_the_batch_is_finished(Implementation& on) {
    const Array<float> codebook(on, random_floats(codes_count * features, 13));
    const Array<int32_t> codes(on, std::vector<int32_t>{0, 36, 37});
    const Array<float> out(on, 3 * features);
    const int64_t batch = begin(on);
    CHECK_OK(on->lookup(codebook, codes_count, codes, 3, 1, features, out));
    CHECK_OK(on->submit_batch(batch));
    CHECK_FAILS(on->finish_batch(batch), VQ4J_INVALID_ARGUMENT, "code 37 of row 2");
}

// Before the commits a check that finds nothing, more than a page of them, and more pages than a kernel takes; between them
// one that finds a code.
void what_a_batch_commits_after_a_failure_is_not_there(Implementation& on) {
    const Array<float> codebook(on, random_floats(codes_count * features, 13));
    const Array<float> out(on, 2 * features);
    const Array<int32_t> good(on, std::vector<int32_t>{0, 36});
    const Array<int32_t> wrong(on, std::vector<int32_t>{0, -5});
    const Array<int32_t> values(on, std::vector<int32_t>{4, 5, 6});
    for (const int checks : {1, 100, 1600}) {
        for (int repeat = 0; repeat < 3; ++repeat) {
            const Array<int32_t> first(on, std::vector<int32_t>(3)), second(on, std::vector<int32_t>(3)),
                third(on, std::vector<int32_t>(3));
            const int64_t failing = begin(on);
            CHECK(vq4j_cuda_checks() == 0);
            for (int i = 0; i < checks; ++i) {
                CHECK_OK(on->lookup(codebook, codes_count, good, 2, 1, features, out));
            }
            CHECK_OK(on->commit(first, values, 3 * sizeof(int32_t)));
            CHECK(vq4j_cuda_checks() == checks);
            CHECK_OK(on->lookup(codebook, codes_count, wrong, 2, 1, features, out));
            CHECK_OK(on->commit(second, values, 3 * sizeof(int32_t)));
            CHECK_OK(on->lookup(codebook, codes_count, good, 2, 1, features, out));
            CHECK_OK(on->commit(reinterpret_cast<unsigned char*>(&third[0]) + 1, values, 7));
            CHECK_OK(on->submit_batch(failing));
            CHECK_FAILS(on->finish_batch(failing), VQ4J_INVALID_ARGUMENT, "code -5 of row 1");
            CHECK(vq4j_cuda_failed_check() == checks);
            CHECK(vq4j_cuda_failed_check() == -1);
            CHECK(first.read() == std::vector<int32_t>({4, 5, 6}));
            CHECK(second.read() == std::vector<int32_t>(3));
            CHECK(third.read() == std::vector<int32_t>(3));

            const int64_t succeeding = begin(on);
            CHECK_OK(on->lookup(codebook, codes_count, good, 2, 1, features, out));
            CHECK_OK(on->commit(second, values, 3 * sizeof(int32_t)));
            finish(on, succeeding);
            CHECK(second.read() == std::vector<int32_t>({4, 5, 6}));
        }
    }
}

// Lookups of one code each; the one of number `wrong` is of a code out of range. What they read stays until the batch is
// finished.
struct Lookups {
    Array<float> codebook;
    Array<int32_t> good;
    Array<int32_t> bad;
    Array<float> out;

    explicit Lookups(Implementation& on)
        : codebook(on, random_floats(codes_count * features, 13)), good(on, std::vector<int32_t>{0}),
          bad(on, std::vector<int32_t>{-5}), out(on, features) {}
};

int64_t submit_lookups(Implementation& on, const Lookups& lookups, int checks, int wrong) {
    const int64_t batch = begin(on);
    for (int i = 0; i < checks; ++i) {
        CHECK_OK(on->lookup(lookups.codebook, codes_count, i == wrong ? lookups.bad : lookups.good, 1, 1, features,
            lookups.out));
    }
    CHECK_OK(on->submit_batch(batch));
    return batch;
}

// The batches are looked at on the device, several of them, and of several pages; the host waits only for more of them
// than a kernel takes.
void a_step_is_not_made_where_a_batch_before_it_fails(Implementation& on) {
    const Lookups lookups(on);
    TrainingStep step(on, 20, 14);
    TrainingStep expected(on, 20, 14);
    CHECK_OK(step.run());
    CHECK_OK(expected.run());
    struct Case {
        std::vector<int> checks;  // of each batch
        size_t failing;
        int wrong;
        bool waits;
    };
    const int none = -1;
    for (const Case& each : {Case{{1, 3}, 0, none, false}, {{1, 3}, 0, 0, false}, {{1, 3}, 1, 2, false},
             {{150, 70, 1}, 0, 140, false}, {{150, 70, 1}, 1, 64, false}, {{150, 70, 1}, 2, none, false},
             {{700, 700, 700}, 2, none, true}, {{700, 700, 700}, 2, 699, true}, {{700, 700, 700}, 0, 5, true}}) {
        std::vector<int64_t> batches;
        for (size_t i = 0; i < each.checks.size(); ++i) {
            batches.push_back(submit_lookups(on, lookups, each.checks[i], i == each.failing ? each.wrong : none));
        }
        const Counts start = Counts::now();
        CHECK_OK(step.step(0.1, batches));
        CHECK_OK(step.step(0.1, {}));
        CHECK((Counts::now().waits > start.waits) == each.waits);
        CHECK_OK(expected.step(0.1));
        if (each.wrong == none) {
            CHECK_OK(expected.step(0.1));
        }
        CHECK(step.steps.read() == expected.steps.read());
        CHECK(step.codebook.read() == expected.codebook.read());
        CHECK(step.first.read() == expected.first.read());
        for (size_t i = 0; i < batches.size(); ++i) {
            const int32_t status = on->finish_batch(batches[i]);
            CHECK(status == (i == each.failing && each.wrong != none ? VQ4J_INVALID_ARGUMENT : VQ4J_OK));
        }
        CHECK_FAILS(step.step(0.1, batches), VQ4J_INVALID_ARGUMENT, "has not been submitted to this stream");
    }
}

void more_checks_than_a_page_holds(Implementation& on) {
    const Array<float> codebook(on, random_floats(codes_count * features, 13));
    const Array<float> out(on, 2 * features);
    const Array<int32_t> good(on, std::vector<int32_t>{0, 36});
    const Array<int32_t> wrong(on, std::vector<int32_t>{0, -5});
    for (int repeat = 0; repeat < 3; ++repeat) {
        const int64_t batch = begin(on);
        for (int i = 0; i < 150; ++i) {
            CHECK_OK(on->lookup(codebook, codes_count, i == 140 ? wrong : good, 2, 1, features, out));
        }
        CHECK_OK(on->submit_batch(batch));
        CHECK_FAILS(on->finish_batch(batch), VQ4J_INVALID_ARGUMENT, "code -5 of row 1");
    }
}

void a_batch_longer_than_a_graph_runs_in_parts(Implementation& on) {
    const Array<int32_t> values(on, std::vector<int32_t>(3));
    const int64_t batch = begin(on);
    for (int32_t i = 0; i < 3000; ++i) {
        CHECK_OK(on->fill_codes(i, 3, values));
    }
    finish(on, batch);
    CHECK(values.read() == std::vector<int32_t>(3, 2999));
}

void memory_given_back_while_a_batch_is_open_stays_until_it_runs(Implementation& on) {
    const Array<int32_t> sum(on, std::vector<int32_t>(4));
    for (int repeat = 0; repeat < 3; ++repeat) {
        const int64_t batch = begin(on);
        {
            const Array<int32_t> part(on, 4);
            CHECK_OK(on->fill_codes(5, 4, part));
            CHECK_OK(on->put_codes(part, 4, 1, 1, 0, 1, sum));
        }
        finish(on, batch);
        CHECK(sum.read() == std::vector<int32_t>(4, 6));
    }
}

void a_dropped_batch_runs_nothing(Implementation& on) {
    const Array<int32_t> values(on, std::vector<int32_t>{1, 2, 3});
    const int64_t batch = begin(on);
    CHECK_OK(on->fill_codes(7, 3, values));
    CHECK_OK(on->drop_batch(batch));
    CHECK(values.read() == std::vector<int32_t>({1, 2, 3}));
}

void a_thread_has_one_batch_and_it_is_finished_once(Implementation& on) {
    const int64_t batch = begin(on);
    int64_t second = 0;
    CHECK_FAILS(on->begin_batch(&second), VQ4J_INVALID_ARGUMENT, "is open on this thread");
    CHECK_FAILS(on->finish_batch(batch), VQ4J_INVALID_ARGUMENT, "has not been submitted");
    finish(on, batch);
    CHECK_FAILS(on->finish_batch(batch), VQ4J_INVALID_ARGUMENT, "is finished");
    CHECK_FAILS(on->submit_batch(batch), VQ4J_INVALID_ARGUMENT, "is not open");
    CHECK_FAILS(on->drop_batch(batch), VQ4J_INVALID_ARGUMENT, "is not open");
}

void batches_are_submitted_before_others_are_finished(Implementation& on) {
    const Array<int32_t> values(on, std::vector<int32_t>(2));
    int32_t fetched[3][2] = {};
    int64_t batches[3] = {};
    for (int32_t i = 0; i < 3; ++i) {
        batches[i] = begin(on);
        CHECK_OK(on->fill_codes(i + 1, 2, values));
        CHECK_OK(on->fetch(fetched[i], values, sizeof fetched[i]));
        CHECK_OK(on->submit_batch(batches[i]));
    }
    for (int32_t i = 2; i >= 0; --i) {
        CHECK_OK(on->finish_batch(batches[i]));
        CHECK(fetched[i][0] == i + 1 && fetched[i][1] == i + 1);
    }
}

void threads_have_batches_of_their_own(Implementation& on) {
    TrainingStep a(on, 90, 21);
    TrainingStep b(on, 90, 22);
    TrainingStep expected_a(on, 90, 21);
    TrainingStep expected_b(on, 90, 22);
    std::thread other([&] {
        for (int repeat = 0; repeat < 4; ++repeat) {
            b.run_in_batch();
        }
    });
    for (int repeat = 0; repeat < 4; ++repeat) {
        a.run_in_batch();
    }
    other.join();
    for (int repeat = 0; repeat < 4; ++repeat) {
        CHECK_OK(expected_a.run());
        CHECK_OK(expected_b.run());
    }
    CHECK(a.result() == expected_a.result());
    CHECK(b.result() == expected_b.result());
}

void k_means_waits_once_for_several_moves(Implementation& on) {
    const int64_t rows_count = 400;
    const Array<float> z(on, random_floats(rows_count * features, 31));
    const Array<float> codebook(on, random_floats(codes_count * features, 32));
    const Array<int32_t> codes(on, rows_count);
    const Array<double> objective(on, 1);
    const Array<int64_t> moves(on, 1);
    const Counts start = Counts::now();
    CHECK_OK(on->lloyd(z, rows_count, 1, features, codes_count, 6, 0.0, codebook, codes, objective, moves));
    const Counts now = Counts::now();
    CHECK(moves.read() == std::vector<int64_t>{6});
    CHECK(now.waits == start.waits + 1);
    const Counts before = Counts::now();
    CHECK_OK(on->lloyd(z, rows_count, 1, features, codes_count, 1000, 0.0, codebook, codes, objective, moves));
    const Counts after = Counts::now();
    const int64_t made = moves.read()[0];
    CHECK(made > 8 && made < 1000);
    CHECK(after.waits == before.waits + made / 8 + 1);
    CHECK(after.graphs_launched >= before.graphs_launched + made / 8 - 1);
}

// Moves after the last one of a batch are none: the same as one move at a time.
void k_means_ends_within_a_batch_as_between_them(Implementation& on) {
    const int64_t rows_count = 120;
    const Array<float> z(on, random_floats(rows_count * features, 31));
    const Array<int32_t> codes(on, rows_count);
    const Array<double> objective(on, 1);
    const Array<int64_t> moves(on, 1);
    for (const double tolerance : {0.0, 3e-2}) {
        const Array<float> codebook(on, random_floats(codes_count * features, 32));
        CHECK_OK(on->lloyd(z, rows_count, 1, features, codes_count, 100, tolerance, codebook, codes, objective, moves));
        const int64_t made = moves.read()[0];
        const Doubles reached = objective.read();
        const std::vector<int32_t> assigned = codes.read();
        const Array<float> step_by_step(on, random_floats(codes_count * features, 32));
        for (int64_t move = 0; move < made; ++move) {
            CHECK_OK(on->lloyd(z, rows_count, 1, features, codes_count, 1, 0.0, step_by_step, codes, objective, moves));
            CHECK(moves.read()[0] == 1);
        }
        CHECK(step_by_step.read() == codebook.read());
        CHECK(objective.read() == reached);
        CHECK(codes.read() == assigned);
    }
}

void seeding_waits_once_or_with_its_batch(Implementation& on) {
    const int64_t rows_count = 300;
    Floats values = random_floats(rows_count * features, 35);
    const Array<float> z(on, values);
    values[7 * features + 1] = nan;
    const Array<float> bad_z(on, values);
    const Array<float> alone(on, codes_count * features);
    const Array<float> in_batch(on, codes_count * features);
    int64_t waits = Counts::now().waits;
    CHECK_OK(on->seed_codebook(z, rows_count, 1, features, codes_count, 5, alone));
    CHECK(Counts::now().waits == waits + 1);
    const int64_t batch = begin(on);
    waits = Counts::now().waits;
    CHECK_OK(on->seed_codebook(z, rows_count, 1, features, codes_count, 5, in_batch));
    CHECK_OK(on->submit_batch(batch));
    CHECK(Counts::now().waits == waits);
    CHECK_OK(on->finish_batch(batch));
    CHECK(in_batch.read() == alone.read());
    CHECK_FAILS(on->seed_codebook(bad_z, rows_count, 1, features, codes_count, 5, alone), VQ4J_NOT_FINITE, "z", "row 7");
    const int64_t failing = begin(on);
    CHECK_OK(on->seed_codebook(bad_z, rows_count, 1, features, codes_count, 5, alone));
    CHECK_OK(on->submit_batch(failing));
    CHECK_FAILS(on->finish_batch(failing), VQ4J_NOT_FINITE, "z", "row 7");
}

void k_means_in_a_batch_is_what_it_is_alone(Implementation& on) {
    const int64_t rows_count = 300;
    const Array<float> z(on, random_floats(rows_count * features, 33));
    std::vector<Floats> results;
    for (const bool in_batch : {false, true}) {
        const Array<float> codebook(on, random_floats(codes_count * features, 34));
        const Array<int32_t> codes(on, rows_count);
        const Array<double> objective(on, 1);
        const Array<int64_t> moves(on, 1);
        const int64_t batch = in_batch ? begin(on) : 0;
        CHECK_OK(on->lloyd(z, rows_count, 1, features, codes_count, 4, 0.0, codebook, codes, objective, moves));
        if (in_batch) {
            finish(on, batch);
        }
        results.push_back(codebook.read());
    }
    CHECK(results[0] == results[1]);
}

#ifdef VQ4J_HOST_RUN
void a_graph_that_the_driver_refuses_is_run_kernel_by_kernel(Implementation& on) {
    for (const bool made_before : {false, true}) {
        TrainingStep step(on, made_before ? 83 : 89, 13);
        TrainingStep expected(on, made_before ? 83 : 89, 13);
        int runs = 0;
        const auto run_both = [&] {
            step.run_in_batch(0.1 * ++runs);
            CHECK_OK(expected.run(0.1 * runs));
        };
        for (int repeat = 0; made_before && repeat < 3; ++repeat) {
            run_both();
        }
        const Counts start = Counts::now();
        host_run::refuse_graphs(true);
        for (int repeat = 0; repeat < 3; ++repeat) {
            run_both();
        }
        host_run::refuse_graphs(false);
        CHECK(Counts::now().graphs_launched == start.graphs_launched);
        CHECK(Counts::now().run_without_graph == start.run_without_graph + 3);
        CHECK(step.result() == expected.result());
    }
}

void memory_comes_and_goes_in_the_order_of_its_stream(Implementation& on) {
    void* const stream = reinterpret_cast<void*>(uintptr_t{64});
    const int64_t waits = Counts::now().waits;
    void* const memory = vq4j_cuda_allocate(stream, 40);
    CHECK(memory != nullptr);
    CHECK_OK(vq4j_cuda_clear(stream, memory, 40));
    vq4j_cuda_release(stream, memory);
    vq4j_cuda_release(stream, nullptr);
    CHECK(Counts::now().waits == waits);
}

// From here on: the process remembers that there was a stream beside the default one.
void memory_that_other_streams_use_is_given_back_once_all_are_done(Implementation& on) {
    void* const stream = reinterpret_cast<void*>(uintptr_t{64});
    void* const memory = vq4j_cuda_allocate(nullptr, 40);
    CHECK_OK(vq4j_cuda_clear(stream, memory, 40));
    const int64_t waits = Counts::now().waits;
    vq4j_cuda_release_when_idle(memory);
    vq4j_cuda_release_when_idle(nullptr);
    CHECK(Counts::now().waits == waits + 1);
}

// Nothing can be put on a stream that may have been destroyed.
void memory_of_a_forgotten_stream_is_given_back_once_all_are_done(Implementation& on) {
    void* const stream = reinterpret_cast<void*>(uintptr_t{64});
    void* const memory = vq4j_cuda_allocate(stream, 40);
    CHECK_OK(vq4j_cuda_forget_stream(stream));
    const int64_t waits = Counts::now().waits;
    vq4j_cuda_release(stream, memory);
    CHECK(Counts::now().waits == waits + 1);
}

// Those that were begun later cannot name it.
void memory_waits_for_the_batches_that_were_open_and_no_others(Implementation& on) {
    std::promise<void> is_open;
    std::promise<void> may_finish;
    std::thread other;
    const auto bytes_in_use = [&] {
        CHECK_OK(vq4j_cuda_synchronize_device());
        return host_run::device_memory_bytes();
    };
    void* const memory = vq4j_cuda_allocate(nullptr, 4000);
    const int64_t first = begin(on);
    const size_t bytes = bytes_in_use();
    vq4j_cuda_release(nullptr, memory);
    CHECK(bytes_in_use() == bytes);
    other = std::thread([&] {
        const int64_t second = begin(on);
        is_open.set_value();
        may_finish.get_future().wait();
        CHECK_OK(vq4j_cuda_drop_batch(second));
    });
    is_open.get_future().wait();
    CHECK_OK(vq4j_cuda_drop_batch(first));
    CHECK(bytes_in_use() == bytes - 4000);
    may_finish.set_value();
    other.join();
}

// Graphs and memory of the operations at once, the pages of what was found when the last batch is finished.
void what_is_kept_of_a_stream_is_given_back_when_it_is_forgotten(Implementation& on) {
    const Lookups lookups(on);
    const Array<float> sums(on, codes_count * features);
    void* const stream = reinterpret_cast<void*>(uintptr_t{128});
    const auto begin_on_stream = [&] {
        int64_t batch = 0;
        CHECK_OK(vq4j_cuda_begin_batch(stream, &batch));
        return batch;
    };
    const auto bytes_in_use = [&] {
        CHECK_OK(vq4j_cuda_synchronize_device());
        return host_run::device_memory_bytes();
    };
    for (const bool finished_before : {false, true}) {
        const size_t bytes = bytes_in_use();
        int64_t batch = 0;
        for (int repeat = 0; repeat < 3; ++repeat) {
            if (repeat > 0) {
                CHECK_OK(vq4j_cuda_finish_batch(batch));
            }
            batch = begin_on_stream();
            CHECK_OK(vq4j_cuda_lookup(stream, lookups.codebook, codes_count, repeat < 2 ? lookups.good : lookups.bad, 1, 1,
                features, lookups.out));
            CHECK_OK(vq4j_cuda_scatter(stream, lookups.codebook, 1, 1, features, lookups.good, codes_count, sums));
            CHECK_FAILS(vq4j_cuda_forget_stream(stream), VQ4J_INVALID_ARGUMENT, "is open on the stream");
            CHECK_OK(vq4j_cuda_submit_batch(batch));
        }
        CHECK(bytes_in_use() > bytes);
        if (finished_before) {
            CHECK_FAILS(vq4j_cuda_finish_batch(batch), VQ4J_INVALID_ARGUMENT, "code -5 of row 0");
        }
        CHECK_OK(vq4j_cuda_forget_stream(stream));
        if (!finished_before) {
            CHECK(bytes_in_use() > bytes);
            CHECK_FAILS(vq4j_cuda_finish_batch(batch), VQ4J_INVALID_ARGUMENT, "code -5 of row 0");
        }
        CHECK(bytes_in_use() == bytes);
        CHECK_OK(vq4j_cuda_forget_stream(stream));
    }
}
#endif

#ifdef VQ4J_HOST_RUN
void the_device_that_was_current_is_so_again(Implementation& on) {
    const auto is_current = [](int expected) {
        int device = -1;
        return cudaGetDevice(&device) == cudaSuccess && device == expected;
    };
    for (const int before : {0, 1}) {
        CHECK(cudaSetDevice(before) == cudaSuccess);
        CHECK_OK(vq4j_cuda_leave_device());
        CHECK(is_current(before));
        for (int repeat = 0; repeat < 2; ++repeat) {
            CHECK_OK(vq4j_cuda_use_device(1 - before));
            CHECK_OK(vq4j_cuda_use_device(before));
            CHECK_OK(vq4j_cuda_use_device(1 - before));
            CHECK(is_current(1 - before));
            CHECK_FAILS(vq4j_cuda_use_device(7), VQ4J_DEVICE_ERROR, "use device");
            CHECK_OK(vq4j_cuda_leave_device());
            CHECK(is_current(before));
        }
    }
    CHECK(cudaSetDevice(0) == cudaSuccess);
}
#endif

void the_device_of_memory_is_known(Implementation& on) {
    const Array<float> of_device(on, 10);
    const float of_host = 0.0f;
    int32_t device = 5;
    CHECK_OK(vq4j_cuda_device_of(of_device, &device));
    CHECK(device == 0);
    CHECK_OK(vq4j_cuda_device_of(&of_host, &device));
    CHECK(device == -1);
    int32_t devices = 0;
    CHECK_OK(vq4j_cuda_device_count(&devices));
    for (int32_t each = 0; each < devices; ++each) {
        CHECK_OK(vq4j_cuda_use_device(each));
        void* const memory = on->allocate(40);
        CHECK_OK(vq4j_cuda_leave_device());
        CHECK_OK(vq4j_cuda_device_of(memory, &device));
        CHECK(device == each);
        on->release(memory);
    }
}

}  // namespace
}  // namespace vq4j::testing

int main() {
    using namespace vq4j::testing;
    const int of_both = run({TEST(a_batch_has_the_bits_of_calls_one_by_one),
                                TEST(a_fetch_delivers_what_was_there_at_its_place),
                                TEST(what_is_sent_arrives_at_its_place_as_it_was_then),
                                TEST(a_copy_to_the_host_in_a_batch_is_complete_when_it_returns),
                                TEST(wrong_arguments_fail_at_once), TEST(a_commit_copies_at_its_place),
                                TEST(a_commit_comes_after_kernels_that_count_their_blocks),
                                TEST(copies_come_one_after_the_other),
                                TEST(commits_come_one_after_the_other)},
        {cpu("portable", 1), cuda()});
    const int of_device = run({TEST(the_host_waits_for_nothing_until_it_finishes),
                                  TEST(what_is_sent_is_not_waited_for),
                                  TEST(a_shape_becomes_a_graph_when_it_comes_again),
                                  TEST(a_graph_takes_other_memory_and_other_numbers),
                                  TEST(a_graph_that_makes_room_is_not_waited_for),
                                  TEST(no_graphs_are_made_where_they_are_switched_off),
                                  TEST(what_is_wrong_with_data_is_the_result_of_finishing),
                                  TEST(a_copy_to_the_host_reports_what_was_wrong_before_it),
                                  TEST(codes_out_of_range_are_named_when_the_batch_is_finished),
                                  TEST(what_was_to_be_fetched_is_forgotten_with_a_failure),
                                  TEST(what_a_batch_commits_after_a_failure_is_not_there),
                                  TEST(a_step_is_not_made_where_a_batch_before_it_fails),
                                  TEST(more_checks_than_a_page_holds), TEST(a_batch_longer_than_a_graph_runs_in_parts),
                                  TEST(memory_given_back_while_a_batch_is_open_stays_until_it_runs),
                                  TEST(a_dropped_batch_runs_nothing), TEST(a_thread_has_one_batch_and_it_is_finished_once),
                                  TEST(batches_are_submitted_before_others_are_finished),
                                  TEST(threads_have_batches_of_their_own), TEST(k_means_waits_once_for_several_moves),
                                  TEST(k_means_ends_within_a_batch_as_between_them),
                                  TEST(seeding_waits_once_or_with_its_batch),
                                  TEST(k_means_in_a_batch_is_what_it_is_alone), TEST(the_device_of_memory_is_known)},
        {cuda()});
    int of_host_run = 0;
#ifdef VQ4J_HOST_RUN
    of_host_run = run({TEST(the_device_that_was_current_is_so_again),
                          TEST(a_graph_that_the_driver_refuses_is_run_kernel_by_kernel),
                          TEST(memory_waits_for_the_batches_that_were_open_and_no_others),
                          TEST(memory_comes_and_goes_in_the_order_of_its_stream),
                          TEST(memory_that_other_streams_use_is_given_back_once_all_are_done),
                          TEST(memory_of_a_forgotten_stream_is_given_back_once_all_are_done),
                          TEST(what_is_kept_of_a_stream_is_given_back_when_it_is_forgotten)},
        {cuda()});
#endif
    return of_both != 0 || of_device != 0 || of_host_run != 0;
}
