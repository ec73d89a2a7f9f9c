package io.github.vq4j.docs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The repository's pages and poms. */
final class Repository {
    static final Path ROOT = Path.of(System.getProperty("vq4j.docs.root")).toAbsolutePath();

    private Repository() {}

    /** The documentation and the pages beside the poms. */
    static List<Path> pages() throws IOException {
        List<Path> pages = new ArrayList<>();
        for (Path folder : List.of(ROOT, ROOT.resolve("docs"))) {
            try (Stream<Path> files = Files.list(folder)) {
                files.filter(file -> file.toString().endsWith(".md")).sorted().forEach(pages::add);
            }
        }
        return pages;
    }

    /** A file with its properties filled in, as far as the parent pom has them. */
    static List<String> filtered(Path file) throws IOException {
        String pom = Files.readString(ROOT.resolve("pom.xml"));
        List<String> lines = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            Matcher property = Pattern.compile(
                            "@([\\w.-]+)@|\\$\\{(project\\.version|(?:vq4j|djl|djl-libtorch)\\.[\\w.]+)}")
                    .matcher(line);
            String filled = property.replaceAll(each ->
                    Matcher.quoteReplacement(property(pom, each.group(1) != null ? each.group(1) : each.group(2))));
            lines.add(filled.replaceAll("(Args>) ", "$1"));
        }
        return lines;
    }

    private static String property(String pom, String name) {
        String tag = Pattern.quote(name.equals("project.version") ? "version" : name);
        Matcher value = Pattern.compile("<" + tag + ">([^<]*)</" + tag + ">|<" + tag + "/>")
                .matcher(pom);
        if (!value.find()) {
            return "@" + name + "@";
        }
        String found = value.group(1) == null ? "" : value.group(1);
        // A property may be made of another.
        Matcher other = Pattern.compile("\\$\\{([\\w.-]+)}").matcher(found);
        return other.replaceAll(each -> Matcher.quoteReplacement(property(pom, each.group(1))));
    }
}
