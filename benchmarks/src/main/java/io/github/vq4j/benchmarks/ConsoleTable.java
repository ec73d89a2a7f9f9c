package io.github.vq4j.benchmarks;

import java.util.Locale;

/** A report as text: a block an operation and size, a line a contender. */
record ConsoleTable(Report report) {
    private static final String LINE = "  %-30s %9s %14s %6s %8s %11s %10s %9s %10s  %s%n";

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        Machine machine = report.machine();
        text.append(String.format(
                Locale.ROOT,
                "%s, %d cores, %s, %.0f GiB; %s; %s%n",
                machine.processor(),
                machine.cores(),
                machine.instructionSet(),
                machine.memoryBytes() / (double) (1 << 30),
                machine.system(),
                machine.jdk()));
        text.append(String.format(
                Locale.ROOT,
                "%s, commit %s, %s grid, %d threads, medians of %d rounds%n",
                report.date(),
                report.commit(),
                report.grid(),
                report.threads(),
                report.rounds()));
        if (report.flopsPeak() != null) {
            text.append("fused multiply-adds: ")
                    .append(Figures.flops(report.flopsPeak()))
                    .append('\n');
        }
        if (report.copyRate() != null) {
            text.append("copy, read and written: ")
                    .append(Figures.bytesRate(report.copyRate()))
                    .append('\n');
        }
        report.contenders()
                .forEach((name, description) ->
                        text.append(name).append(": ").append(description).append('\n'));
        text.append('\n');
        text.append(String.format(
                LINE, "", "time", "rate", "limit", "ratio", "memory", "float64", "same bits", "objective", ""));
        report.rows().forEach(row -> append(text, row));
        text.append('\n')
                .append(
                        "limit: share of the fused multiply-adds, or of the copy's rate, in the same rounds. ratio: time over")
                .append(" vq4j's.\n")
                .append(
                        "memory: growth of the resident memory by the first call. float64: codes equal to those of exact")
                .append(" distances.\n")
                .append("Training steps count the operations of their assignment, k-means those of plain moves.\n");
        return text.toString();
    }

    private static void append(StringBuilder text, Report.Row row) {
        text.append(String.format(
                Locale.ROOT,
                "%s  N = %d  K = %d  D = %d  %s%n",
                row.operation(),
                row.rows(),
                row.codes(),
                row.features(),
                row.data()));
        for (Report.Result result : row.results()) {
            Double flops = row.flopsRate(result);
            Double bytes = row.bytesRate(result);
            Double share = row.share(result);
            Double times = row.timesOurs(result);
            text.append(String.format(
                            LINE,
                            result.contender(),
                            result.seconds() == null ? "" : Figures.time(result.seconds()),
                            flops != null ? Figures.flops(flops) : bytes != null ? Figures.bytesRate(bytes) : "",
                            share == null ? "" : Figures.percent(share),
                            times == null || result.contender().equals(Report.OURS) ? "" : Figures.times(times),
                            Figures.mebibytes(result.peakMemoryBytes()),
                            result.equalToFloat64() == null ? "" : Figures.finePercent(result.equalToFloat64()),
                            result.sameBits() == null ? "" : result.sameBits() ? "yes" : "NO",
                            result.objective() == null ? "" : String.format(Locale.ROOT, "%.5f", result.objective()),
                            result.note() == null ? "" : result.note())
                    .stripTrailing());
            text.append('\n');
        }
    }
}
