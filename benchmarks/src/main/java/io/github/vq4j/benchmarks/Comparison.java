package io.github.vq4j.benchmarks;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;

/**
 * How contenders are measured: all on the same data in alternating rounds, so that a change of the machine's speed meets
 * all of them, with the machine's own limit measured between their samples.
 */
final class Comparison {
    /** The threads of the contender before come to rest: OpenBLAS's spin for 2^26 cycles, some 30 ms, after a call. */
    private static final long PAUSE_MILLISECONDS = 60;

    private static final int WARM_UP_SAMPLES = 5;

    private final int threads;
    private final int rounds;
    private final double sampleSeconds;
    private final double limitSeconds;
    private final Map<String, Double> workRates = new HashMap<>();
    private double flopsPeak;
    private double copyRate;

    /**
     * A protocol.
     *
     * @param threads of every contender
     * @param rounds samples of a median
     * @param sampleSeconds that the calls of one sample fill at least
     * @param limitSeconds a contender that would take longer for one call is left out
     */
    Comparison(int threads, int rounds, double sampleSeconds, double limitSeconds) {
        this.threads = threads;
        this.rounds = rounds;
        this.sampleSeconds = sampleSeconds;
        this.limitSeconds = limitSeconds;
    }

    int threads() {
        return threads;
    }

    /** The most that fused multiply-adds have reached so far; 0 before the first row. */
    double flopsPeak() {
        return flopsPeak;
    }

    /** The most that a copy has reached so far; 0 before the first row of the memory. */
    double copyRate() {
        return copyRate;
    }

    /**
     * What is measured.
     *
     * @param operation what a call does
     * @param rows N
     * @param codes K
     * @param features D
     * @param data where the rows come from
     * @param flops of a call, if arithmetic is its bound; else 0
     * @param bytes of a call, if the memory is its bound; else 0
     * @param exact to compare codes with; null where results are not codes
     * @param objective to judge codebooks with; null where results are not codebooks
     */
    record Task(
            Operation operation,
            long rows,
            long codes,
            long features,
            String data,
            double flops,
            double bytes,
            @Nullable ExactCodes exact,
            @Nullable Objective objective) {
        /** The codes of rows, which are compared with those of exact distances. */
        static Task ofCodes(Operation operation, Matrix rows, Matrix codebook, String data) {
            double flops = 2.0 * rows.rows() * codebook.rows() * rows.columns();
            return new Task(
                    operation,
                    rows.rows(),
                    codebook.rows(),
                    rows.columns(),
                    data,
                    flops,
                    0,
                    new ExactCodes(rows, codebook),
                    null);
        }

        /** What the time of a call grows with. */
        double work() {
            return Math.max(1, Math.max(flops, bytes));
        }

        Report.Row row(@Nullable Double flopsPeak, @Nullable Double copyRate, List<Report.Result> results) {
            return new Report.Row(
                    operation.label(), rows, codes, features, data, flops, bytes, flopsPeak, copyRate, results);
        }
    }

    /** Measures contenders, ours first; they stay open. */
    Report.Row measure(Task task, List<? extends Contender> contenders) {
        Map<Contender, Report.Result> results = new HashMap<>();
        List<Contender> able = new ArrayList<>();
        for (Contender contender : contenders) {
            double expected = expectedSeconds(task, contender);
            if (expected > limitSeconds) {
                String note = String.format(
                        Locale.ROOT,
                        "not measured: about %.0f s a call, more than --limit = %.0f s",
                        expected,
                        limitSeconds);
                results.put(contender, new Report.Result(contender.name(), null, null, null, null, null, note));
            } else {
                results.put(contender, firstCalls(task, contender));
                able.add(contender);
            }
        }
        try (Limit limit = task.flops() > 0 ? Limit.ofArithmetic(threads) : Limit.ofMemory(task.bytes(), threads)) {
            Map<Contender, double[]> samples = new HashMap<>();
            double[] limits = new double[rounds];
            for (int round = 0; round < rounds; round++) {
                limits[round] = calm(limit::rate);
                for (Contender contender : able) {
                    samples.computeIfAbsent(contender, any -> new double[rounds])[round] =
                            calm(() -> contender.seconds(sampleSeconds));
                }
            }
            for (Contender contender : able) {
                double seconds = median(samples.get(contender));
                workRates.put(rateKey(task, contender), task.work() / seconds);
                results.put(contender, withSeconds(results.get(contender), seconds));
            }
            List<Report.Result> inOrder = contenders.stream().map(results::get).toList();
            double most = Arrays.stream(limits).max().orElseThrow();
            if (task.flops() > 0) {
                // Other threads, or two of its own on one core, can only make it less.
                flopsPeak = Math.max(flopsPeak, most);
                return task.row(flopsPeak, null, inOrder);
            }
            copyRate = Math.max(copyRate, most);
            return task.row(null, most, inOrder);
        }
    }

    /** Two calls for their results and their memory, which also warm up. */
    private Report.Result firstCalls(Task task, Contender contender) {
        contender.restart();
        Long growth = contender.memoryGrowth();
        int[] first = contender.result();
        contender.restart();
        double seconds = contender.seconds(0);
        int[] second = contender.result();
        if (seconds < sampleSeconds) {
            contender.seconds(WARM_UP_SAMPLES * sampleSeconds);
        }
        return new Report.Result(
                contender.name(),
                null,
                growth,
                task.exact() == null ? null : task.exact().shareEqual(first),
                Arrays.equals(first, second),
                task.objective() == null ? null : task.objective().of(Bits.numbers(first)),
                null);
    }

    private static Report.Result withSeconds(Report.Result result, double seconds) {
        return new Report.Result(
                result.contender(),
                seconds,
                result.peakMemoryBytes(),
                result.equalToFloat64(),
                result.sameBits(),
                result.objective(),
                result.note());
    }

    /** At the rate of the last size that was measured; 0 if there was none. */
    private double expectedSeconds(Task task, Contender contender) {
        Double rate = workRates.get(rateKey(task, contender));
        return rate == null ? 0 : task.work() / rate;
    }

    private static String rateKey(Task task, Contender contender) {
        return contender.name() + " " + task.operation();
    }

    private static double calm(DoubleSupplier measurement) {
        try {
            Thread.sleep(PAUSE_MILLISECONDS);
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", stop);
        }
        return measurement.getAsDouble();
    }

    static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /** Closes contenders, the last first. */
    static void close(List<? extends Contender> contenders) {
        List<Contender> reversed = new ArrayList<>(contenders);
        java.util.Collections.reverse(reversed);
        for (Contender contender : reversed) {
            contender.close();
        }
    }
}
