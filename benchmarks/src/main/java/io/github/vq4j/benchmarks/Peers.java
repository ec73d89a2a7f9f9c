package io.github.vq4j.benchmarks;

import io.github.vq4j.Backend;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** The peers that are there, on equal threads. */
final class Peers implements AutoCloseable {
    /** A peer that can be asked for. */
    enum Peer {
        /** libtorch, in this process. */
        LIBTORCH,
        /** FAISS, in a child process. */
        FAISS,
        /** Spark ML, in this process. */
        SPARK
    }

    private static final String NOT_ASKED_FOR = "not measured: not asked for";

    private final int threads;
    private final boolean libtorch;
    private final String libtorchDescription;
    private final FaissProcess.Started faiss;
    private final @Nullable SparkKMeans spark;
    private final String sparkDescription;

    /** Starts those that are asked for; Spark with {@code kmeans} only. */
    Peers(Set<Peer> asked, int threads, boolean kmeans) throws IOException {
        this.threads = threads;
        Backend.setCpuThreads(threads);
        libtorch = asked.contains(Peer.LIBTORCH);
        if (libtorch) {
            torch.set_num_threads(threads);
        }
        libtorchDescription =
                libtorch ? Loader.getVersion("org.bytedeco", "pytorch") + " in this process" : NOT_ASKED_FOR;
        faiss = asked.contains(Peer.FAISS)
                ? FaissProcess.start(threads)
                : new FaissProcess.Started(null, NOT_ASKED_FOR);
        spark = asked.contains(Peer.SPARK) && kmeans ? new SparkKMeans(threads) : null;
        sparkDescription = spark == null ? NOT_ASKED_FOR : spark.description();
    }

    int threads() {
        return threads;
    }

    boolean libtorch() {
        return libtorch;
    }

    @Nullable
    FaissProcess faiss() {
        return faiss.process();
    }

    @Nullable
    SparkKMeans spark() {
        return spark;
    }

    /** The version of each, or why it is not measured. */
    Map<String, String> descriptions() {
        Map<String, String> all = new LinkedHashMap<>();
        all.put(Report.OURS, Backend.cpu().description());
        all.put("libtorch", libtorchDescription);
        all.put("FAISS", faiss.description());
        all.put("Spark ML", sparkDescription);
        all.put("GPU", "not measured");
        return all;
    }

    @Override
    public void close() throws IOException {
        if (spark != null) {
            spark.close();
        }
        if (faiss.process() != null) {
            faiss.process().close();
        }
    }
}
