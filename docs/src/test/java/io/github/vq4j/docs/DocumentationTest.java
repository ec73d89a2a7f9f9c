package io.github.vq4j.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.commonmark.node.Node;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What pages show is what tests compile and run: Java is a region of a test, poms are those of {@code java/it}, commands are
 * there. {@code -Dvq4j.docs.write=true} writes the blocks anew from where they come from.
 */
class DocumentationTest {
    private static final Path SNIPPETS = Path.of("docs/src/test/java/io/github/vq4j/docs");

    @TempDir
    private Path folder;

    @Test
    void everyBlockOfJavaIsARegionOfATest() throws IOException {
        for (Path page : Repository.pages()) {
            for (Block block : reversed(page)) {
                if (block.language().equals("java") && !checkPart(block)) {
                    require(block, "snippet", "File#region");
                    String[] parts = block.origin().value().split("#");
                    Path given = Path.of(parts[0] + ".java");
                    Path file = given.getNameCount() == 1 ? SNIPPETS.resolve(given) : given;
                    assertTrue(
                            parts[0].endsWith("Test") || parts[0].endsWith("Example"),
                            () -> block.place() + ": need a region of a test, got " + given);
                    check(block, Region.read(Repository.ROOT.resolve(file), parts[1]));
                }
            }
        }
    }

    @Test
    void everyBlockOfXmlIsThePomOfAProjectThatTheBuildRuns() throws IOException {
        for (Path page : Repository.pages()) {
            for (Block block : reversed(page)) {
                if (!block.language().equals("xml")) {
                    continue;
                }
                if (!checkPart(block)) {
                    require(block, "pom", "java/it/src/it/PROJECT/pom.xml");
                    check(
                            block,
                            Repository.filtered(
                                    Repository.ROOT.resolve(block.origin().value())));
                }
            }
        }
    }

    @Test
    void othersThanTheseAreMarkedAsUntested() throws IOException {
        for (Path page : Repository.pages()) {
            for (Block block : Block.of(page)) {
                if (!List.of("java", "xml", "sh", "").contains(block.language())) {
                    require(block, "untested", "why");
                }
            }
        }
    }

    /** {@code java/cli} runs those of the command line. */
    @Test
    void commandsAreOfThisRepository() throws IOException {
        String poms = Files.readString(Repository.ROOT.resolve("pom.xml"));
        for (Path page : Repository.pages()) {
            for (Block block : Block.of(page)) {
                if (!block.language().equals("sh")) {
                    continue;
                }
                for (String line : block.text()) {
                    String command = line.replaceAll("\\s+#.*", "");
                    assertTrue(
                            command.isBlank() || command.matches("(\\./mvnw|cmake|ctest|java)( .*)?"),
                            () -> block.place() + ": need a command that is known, got " + command);
                    Matcher profile = Pattern.compile("-P([\\w-]+)").matcher(command);
                    while (profile.find()) {
                        String id = "<id>" + profile.group(1) + "</id>";
                        assertTrue(poms.contains(id), () -> block.place() + ": need a profile " + id);
                    }
                }
            }
        }
    }

    @Test
    void artifactsOfGradleExist() throws IOException {
        List<String> pom = List.of(
                stripped(Files.readAllLines(Repository.ROOT.resolve("pom.xml"))).split("\n"));
        String version = pom.get(pom.indexOf("<artifactId>vq4j-parent</artifactId>") + 1);
        for (Path page : Repository.pages()) {
            for (Block block : Block.of(page)) {
                Matcher artifact = Pattern.compile("\"io\\.github\\.vq4j:([\\w-]+):([^\"]+)\"")
                        .matcher(String.join("\n", block.text()));
                while (artifact.find()) {
                    assertTrue(
                            pom.contains("<artifactId>" + artifact.group(1) + "</artifactId>"),
                            () -> block.place() + ": no artifact " + artifact.group(1));
                    assertEquals(version, "<version>" + artifact.group(2) + "</version>", block::place);
                }
            }
        }
    }

    @Test
    void theProgramOfTheReadmeIsThatOfTheConsumer() throws IOException {
        assertEquals(
                Files.readAllLines(Repository.ROOT.resolve("java/it/src/it/class-path/src/main/java/Example.java")),
                Region.read(Repository.ROOT.resolve(SNIPPETS).resolve("Example.java"), "example"));
    }

    @Test
    void everyLinkInTheRepositoryLeadsToAFile() throws IOException {
        for (Path file : Repository.pages()) {
            for (Node link : Page.read(file).links()) {
                String destination = Page.destination(link);
                if (!Site.isElsewhere(destination) && !destination.startsWith("#") && !destination.equals(Site.API)) {
                    Path target = file.resolveSibling(Site.withoutAnchor(destination));
                    assertTrue(Files.isRegularFile(target), () -> file + ": no file for the link " + destination);
                }
            }
        }
    }

    @Test
    void theSiteHasEveryPageAndEveryLinkLeadsSomewhere() throws IOException {
        Site site = new Site(Repository.ROOT, folder);
        site.write();
        TreeSet<String> names = new TreeSet<>();
        try (Stream<Path> files = site.files()) {
            files.forEach(file -> names.add(folder.relativize(file).toString()));
        }
        long pages = names.stream().filter(name -> name.endsWith(".html")).count();
        assertEquals(Repository.pages().size(), pages, () -> "pages without a link to them; there are " + names);
        for (String name : names) {
            if (name.endsWith(".html")) {
                checkLinks(name, names);
            }
        }
    }

    private void checkLinks(String name, TreeSet<String> names) throws IOException {
        Matcher links = Pattern.compile("(?:href|src)=\"([^\"]*)\"").matcher(Files.readString(folder.resolve(name)));
        while (links.find()) {
            String link = links.group(1);
            String target = Site.withoutAnchor(link);
            if (Site.isElsewhere(link) || target.equals(Site.API)) {
                continue;
            }
            String file = target.isEmpty() ? name : target;
            assertTrue(names.contains(file), () -> name + ": no file for " + link);
            if (link.contains("#")) {
                String anchor = link.substring(link.indexOf('#') + 1);
                assertTrue(
                        Files.readString(folder.resolve(file)).contains("id=\"" + anchor + "\""),
                        () -> name + ": no heading for " + link);
            }
        }
    }

    @Test
    void picturesAreSmall() throws IOException {
        try (Stream<Path> pictures = Files.list(Repository.ROOT.resolve("docs/pictures"))) {
            for (Path picture : pictures.toList()) {
                assertTrue(Files.size(picture) < 150_000, picture::toString);
            }
        }
    }

    // ---- helpers -----------------------------------------------------------------------------------------------

    /** The last block first, so that writing one leaves the lines of the others. */
    private static List<Block> reversed(Path page) throws IOException {
        List<Block> blocks = new ArrayList<>(Block.of(page));
        Collections.reverse(blocks);
        return blocks;
    }

    /** Whether a block is a part of a file of a consumer; fails if it says so and is not. */
    private static boolean checkPart(Block block) throws IOException {
        if (!block.origin().kind().equals("part of")) {
            return false;
        }
        String file = block.origin().value();
        assertTrue(
                file.equals("pom.xml") || file.startsWith("java/it/src/it/"),
                () -> block.place() + ": need a part of pom.xml or of a project in java/it");
        String all = stripped(Repository.filtered(Repository.ROOT.resolve(file)));
        // Dependencies need not stand side by side.
        for (String part : stripped(block.text()).split("(?<=</dependency>\n)")) {
            assertTrue(all.contains(part), () -> block.place() + ": not in " + file + ": " + part);
        }
        return true;
    }

    private static void require(Block block, String kind, String value) {
        assertEquals(
                kind,
                block.origin().kind(),
                () -> block.place() + ": need a line <!-- " + kind + ": " + value + " --> above the block");
    }

    private static void check(Block block, List<String> expected) throws IOException {
        if (block.text().equals(expected)) {
            return;
        }
        if (Boolean.getBoolean("vq4j.docs.write")) {
            block.replace(expected);
            return;
        }
        for (int i = 0; i < Math.max(expected.size(), block.text().size()); i++) {
            String wanted = i < expected.size() ? expected.get(i) : "the end";
            String seen = i < block.text().size() ? block.text().get(i) : "the end";
            if (!wanted.equals(seen)) {
                fail(block.file() + ":" + (block.line() + 1 + i) + ": need \"" + wanted + "\" as in "
                        + block.origin().value() + ", got \"" + seen + "\"; -Dvq4j.docs.write=true writes it");
            }
        }
    }

    private static String stripped(List<String> lines) {
        StringBuilder all = new StringBuilder();
        lines.forEach(line -> all.append(line.strip()).append('\n'));
        return all.toString();
    }
}
