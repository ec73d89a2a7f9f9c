package io.github.vq4j.benchmarks;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What a comparison has measured, as its JSON file has it.
 *
 * @param date of the run
 * @param commit of the sources, with "-dirty" where they had been changed; "unknown" outside of a checkout
 * @param machine it ran on
 * @param threads of every contender
 * @param rounds samples of a median
 * @param grid "short" or "full"
 * @param contenders name of each, and its version or why it was not measured
 * @param flopsPeak most floating-point operations a second that fused multiply-adds reached in the run
 * @param copyRate most bytes read and written a second by a copy in the run
 * @param rows what was measured
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
record Report(
        String date,
        String commit,
        Machine machine,
        int threads,
        int rounds,
        String grid,
        Map<String, String> contenders,
        @Nullable Double flopsPeak,
        @Nullable Double copyRate,
        List<Row> rows) {
    Report {
        Objects.requireNonNull(commit, "no commit");
        Objects.requireNonNull(machine, "no machine");
        Objects.requireNonNull(contenders, "no contenders");
        Objects.requireNonNull(rows, "no rows");
    }

    /** Our name among the contenders. */
    static final String OURS = "vq4j";

    /**
     * One operation at one size.
     *
     * @param operation one of {@link Operation#label}
     * @param rows N
     * @param codes K; 0 where there are none
     * @param features D
     * @param data "normal", or what data was read
     * @param flops floating-point operations of a call; 0 for kernels whose bound is the memory
     * @param bytes that a call has to read and write at least; 0 for kernels whose bound is arithmetic
     * @param flopsPeak operations a second of fused multiply-adds, measured between the samples of this row
     * @param copyRate bytes a second of a copy, measured between the samples of this row
     * @param results one a contender, ours first
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Row(
            String operation,
            long rows,
            long codes,
            long features,
            String data,
            double flops,
            double bytes,
            @Nullable Double flopsPeak,
            @Nullable Double copyRate,
            List<Result> results) {
        /** The result of a contender; null if it was not measured. */
        @Nullable
        Result of(String contender) {
            return results.stream()
                    .filter(result -> result.contender().equals(contender))
                    .findFirst()
                    .orElse(null);
        }

        /** How many times as long as ours a result took; null where one of the two is missing. */
        @Nullable
        Double timesOurs(Result result) {
            Result ours = of(OURS);
            return ours == null || ours.seconds() == null || result.seconds() == null
                    ? null
                    : result.seconds() / ours.seconds();
        }

        /** Operations a second; null where arithmetic is not the bound, or nothing was measured. */
        @Nullable
        Double flopsRate(Result result) {
            return flops == 0 || result.seconds() == null ? null : flops / result.seconds();
        }

        /** Bytes a second; null where the memory is not the bound, or nothing was measured. */
        @Nullable
        Double bytesRate(Result result) {
            return bytes == 0 || result.seconds() == null ? null : bytes / result.seconds();
        }

        /** The share of the peak, or of the copy's rate, that a result reaches; null where that was not measured. */
        @Nullable
        Double share(Result result) {
            if (flopsRate(result) != null) {
                return flopsPeak == null ? null : flopsRate(result) / flopsPeak;
            }
            return bytesRate(result) == null || copyRate == null ? null : bytesRate(result) / copyRate;
        }
    }

    /**
     * What one contender did in a row.
     *
     * @param contender its name
     * @param seconds of a call, the median of the rounds; null if it was not measured
     * @param peakMemoryBytes by which the first call raised the resident memory, what it returned included
     * @param equalToFloat64 share of the codes that are those of exact distances; of a sample of the rows
     * @param sameBits whether two calls gave the same bits
     * @param objective of k-means: mean squared error of an element
     * @param note what else has to be known, for example why it was not measured
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Result(
            String contender,
            @Nullable Double seconds,
            @Nullable Long peakMemoryBytes,
            @Nullable Double equalToFloat64,
            @Nullable Boolean sameBits,
            @Nullable Double objective,
            @Nullable String note) {}

    /** Reads a file of {@link #write}. */
    static Report read(Path file) throws IOException {
        byte[] text = Files.readAllBytes(file);
        try {
            return new ObjectMapper().readValue(text, Report.class);
        } catch (JsonProcessingException other) {
            throw new IOException(
                    file + ": need what compare of this version wrote, got " + other.getOriginalMessage(), other);
        }
    }

    /** Writes to another name first, so that there is never half a file. */
    void write(Path file) throws IOException {
        Path target = file.toAbsolutePath();
        Path temporary = target.resolveSibling(target.getFileName() + ".part");
        new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValue(temporary.toFile(), this);
        Files.move(temporary, target, StandardCopyOption.REPLACE_EXISTING);
    }
}
