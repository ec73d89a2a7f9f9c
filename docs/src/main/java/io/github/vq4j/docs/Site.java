package io.github.vq4j.docs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import org.commonmark.ext.gfm.tables.TablesExtension;
import org.commonmark.ext.heading.anchor.HeadingAnchorExtension;
import org.commonmark.node.Image;
import org.commonmark.node.Link;
import org.commonmark.node.Node;
import org.commonmark.renderer.html.HtmlRenderer;

/**
 * Makes a site of the pages in {@code docs} and beside it: HTML without scripts, in one folder. The navigation has the pages
 * that {@code docs/README.md} links to, in that order. Links to other files lead to copies of these.
 */
public final class Site {
    /** Where the Javadoc is, from the site's folder. */
    static final String API = "api/index.html";

    private static final String FRONT = "docs/README.md";
    private static final HtmlRenderer RENDERER = HtmlRenderer.builder()
            .extensions(List.of(TablesExtension.create(), HeadingAnchorExtension.create()))
            .build();
    private static final List<String> MODULES = List.of("core", "torch", "djl", "spark");

    private final Path root;
    private final Path output;

    Site(Path root, Path output) {
        this.root = root.toAbsolutePath().normalize();
        this.output = output.toAbsolutePath().normalize();
    }

    /**
     * Writes the site and the Javadoc.
     *
     * @param arguments the folder of the repository, and that of the site
     */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 2) {
            throw new IllegalArgumentException("need the folders of the repository and of the site");
        }
        Site site = new Site(Path.of(arguments[0]), Path.of(arguments[1]));
        site.write();
        site.writeJavadoc();
        System.out.println("the documentation is " + site.output.resolve("index.html"));
    }

    /** Writes the pages, and what they show and link to. */
    void write() throws IOException {
        Map<Path, Page> pages = pages();
        String style = resource("style.css");
        Files.createDirectories(output);
        Files.writeString(output.resolve("style.css"), style);
        for (Page page : pages.values()) {
            for (Node link : page.links()) {
                rewrite(link, page, pages);
            }
            Files.writeString(output.resolve(name(page.file())), html(page, pages));
        }
    }

    /** The Javadoc of the modules that are there. */
    void writeJavadoc() {
        List<String> command = new ArrayList<>(List.of(
                "-quiet",
                "-notimestamp",
                "-Xdoclint:none",
                "-d",
                output.resolve("api").toString(),
                "-windowtitle",
                "vq4j",
                "-classpath",
                System.getProperty("java.class.path"),
                "-exclude",
                "io.github.vq4j.internal",
                "-sourcepath"));
        List<String> sources = MODULES.stream()
                .map(module -> root.resolve("java").resolve(module).resolve("src/main/java"))
                .filter(Files::isDirectory)
                .map(Path::toString)
                .toList();
        command.add(String.join(java.io.File.pathSeparator, sources));
        command.addAll(List.of("-subpackages", "io.github.vq4j"));
        int status = ToolProvider.findFirst("javadoc")
                .orElseThrow(() ->
                        new IllegalStateException("need a JDK with javadoc, got " + System.getProperty("java.home")))
                .run(System.out, System.err, command.toArray(new String[0]));
        if (status != 0) {
            throw new IllegalStateException("javadoc ended with " + status);
        }
    }

    /** The front page, what it links to, and what those pages do, by file. */
    private Map<Path, Page> pages() throws IOException {
        Map<Path, Page> pages = new LinkedHashMap<>();
        Deque<Path> next = new ArrayDeque<>(List.of(root.resolve(FRONT)));
        while (!next.isEmpty()) {
            Path file = next.remove();
            if (pages.containsKey(file)) {
                continue;
            }
            Page page = Page.read(file);
            pages.put(file, page);
            for (Node link : page.links()) {
                String destination = Page.destination(link);
                if (link instanceof Link
                        && !isElsewhere(destination)
                        && withoutAnchor(destination).endsWith(".md")) {
                    next.add(file.resolveSibling(withoutAnchor(destination)).normalize());
                }
            }
        }
        return pages;
    }

    private void rewrite(Node node, Page page, Map<Path, Page> pages) throws IOException {
        String destination = Page.destination(node);
        if (isElsewhere(destination) || destination.startsWith("#") || destination.equals(API)) {
            return;
        }
        Path target = page.file().resolveSibling(withoutAnchor(destination)).normalize();
        String anchor = destination.substring(withoutAnchor(destination).length());
        if (pages.containsKey(target)) {
            ((Link) node).setDestination(name(target) + anchor);
        } else if (node instanceof Image image) {
            image.setDestination(copied(target, "pictures"));
        } else if (Files.isRegularFile(target)) {
            ((Link) node).setDestination(copied(target, "files"));
        } else {
            throw new IllegalArgumentException(page.file() + ": need a link to a file, got " + destination);
        }
    }

    private String copied(Path file, String folder) throws IOException {
        Path copy = output.resolve(folder).resolve(file.getFileName());
        Files.createDirectories(copy.getParent());
        Files.copy(file, copy, StandardCopyOption.REPLACE_EXISTING);
        return folder + "/" + file.getFileName();
    }

    private String html(Page page, Map<Path, Page> pages) {
        StringBuilder navigation = new StringBuilder();
        pages.values()
                .forEach(each -> navigation.append(String.format(
                        "<li><a href=\"%s\"%s>%s</a></li>%n",
                        name(each.file()), each == page ? " class=\"here\"" : "", escaped(each.title()))));
        navigation.append(String.format("<li><a href=\"%s\">Javadoc</a></li>%n", API));
        return """
                <!DOCTYPE html>
                <html lang="en">
                <head>
                <meta charset="utf-8">
                <meta name="viewport" content="width=device-width, initial-scale=1">
                <title>%s</title>
                <link rel="stylesheet" href="style.css">
                </head>
                <body>
                <nav>
                <ul>
                %s</ul>
                </nav>
                <main>
                %s</main>
                </body>
                </html>
                """.formatted(escaped(page.title()), navigation, RENDERER.render(page.document()));
    }

    /** The front page is index.html, the README of the project vq4j.html. */
    private String name(Path file) {
        String path = root.relativize(file).toString().replace('\\', '/');
        if (path.equals(FRONT)) {
            return "index.html";
        }
        return path.equals("README.md")
                ? "vq4j.html"
                : file.getFileName().toString().replace(".md", ".html").toLowerCase(java.util.Locale.ROOT);
    }

    static boolean isElsewhere(String destination) {
        return destination.matches("[a-z]+:.*");
    }

    static String withoutAnchor(String destination) {
        int anchor = destination.indexOf('#');
        return anchor < 0 ? destination : destination.substring(0, anchor);
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }

    private static String resource(String name) throws IOException {
        try (var stream = Site.class.getResourceAsStream(name)) {
            if (stream == null) {
                throw new IOException("need the resource " + name);
            }
            return new String(stream.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
        }
    }

    /** The files of the site, for tests. */
    Stream<Path> files() throws IOException {
        return Files.walk(output).filter(Files::isRegularFile);
    }
}
