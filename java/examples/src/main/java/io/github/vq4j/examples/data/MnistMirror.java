package io.github.vq4j.examples.data;

import io.github.vq4j.examples.Progress;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URLConnection;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.List;
import java.util.zip.GZIPInputStream;
import me.tongfei.progressbar.ProgressBar;

/** A web folder with the files, each compressed with gzip. */
record MnistMirror(URI folder) implements MnistSource {
    static final List<MnistSource> PUBLIC = List.of(
            new MnistMirror(URI.create("https://ossci-datasets.s3.amazonaws.com/mnist/")),
            new MnistMirror(URI.create("https://storage.googleapis.com/cvdf-datasets/mnist/")));

    /** Short: behind a firewall the demo goes on soon. */
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(4);

    private static final Duration READ_TIMEOUT = Duration.ofSeconds(15);

    @Override
    public String name() {
        return folder.getHost();
    }

    @Override
    public void fetch(MnistCache cache) throws IOException {
        for (MnistFile file : cache.files()) {
            if (!cache.has(file)) {
                download(file, cache);
            }
        }
    }

    private void download(MnistFile file, MnistCache cache) throws IOException {
        URLConnection connection =
                folder.resolve(file.fileName() + ".gz").toURL().openConnection();
        connection.setConnectTimeout((int) CONNECT_TIMEOUT.toMillis());
        connection.setReadTimeout((int) READ_TIMEOUT.toMillis());
        try {
            if (connection instanceof HttpURLConnection http && http.getResponseCode() != HttpURLConnection.HTTP_OK) {
                throw new IOException("HTTP status " + http.getResponseCode() + " for " + file.fileName());
            }
            long size = connection.getContentLengthLong();
            try (InputStream compressed =
                            ProgressBar.wrap(connection.getInputStream(), Progress.ofBytes(file.fileName(), size));
                    InputStream content = new GZIPInputStream(compressed)) {
                cache.store(file, content);
            }
        } catch (UnknownHostException unknown) {
            // Its message is the bare name of the host.
            throw new IOException("unknown host", unknown);
        }
    }
}
