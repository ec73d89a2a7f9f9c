package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.VectorQuant;
import java.util.Arrays;
import java.util.stream.Collectors;

/** The five ways to train the codebook that are compared; each adds one technique to the one before. */
enum Method {
    BASELINE("baseline", "baseline"),
    KMEANS("kmeans", "+ k-means init"),
    SYNC("sync", "+ synchronised (nu 2)"),
    AFFINE("affine", "+ affine (lr 2)"),
    REPLACEMENT("replacement", "+ replacement (20)");

    private static final double SYNC_NU = 2;
    private static final double AFFINE_LR = 2;
    private static final int REPLACE_FREQ = 20;

    private final String key;
    private final String title;

    Method(String key, String title) {
        this.key = key;
        this.title = title;
    }

    /** Its name on the command line and in the report. */
    String key() {
        return key;
    }

    /** Its name in tables and pictures. */
    String title() {
        return title;
    }

    /** The title with blanks behind it, so that bars of all methods line up. */
    String paddedTitle() {
        return String.format("%-21s", title);
    }

    /** Switches its techniques on. */
    VectorQuant.Builder configure(VectorQuant.Builder layer) {
        return layer.kmeansInit(includes(KMEANS))
                .syncNu(includes(SYNC) ? SYNC_NU : 0)
                .affineLr(includes(AFFINE) ? AFFINE_LR : 0)
                .replaceFreq(includes(REPLACEMENT) ? REPLACE_FREQ : 0);
    }

    /** The method with a name. */
    static Method of(String key) {
        return Arrays.stream(values())
                .filter(method -> method.key.equals(key))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("need one of " + keys() + ", got " + key));
    }

    /** All names. */
    static String keys() {
        return Arrays.stream(values()).map(Method::key).collect(Collectors.joining(", "));
    }

    private boolean includes(Method technique) {
        return compareTo(technique) >= 0;
    }
}
