package io.github.vq4j.jars;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;
import org.xml.sax.SAXException;

/**
 * A module that others can depend on: one of the root pom's that does not set maven.deploy.skip.
 *
 * @param folder its folder
 * @param artifactId its name in Maven
 * @param jars its jars by classifier, the main one's being ""; empty for a module that is only a pom
 */
record PublishedModule(Path folder, String artifactId, Map<String, Path> jars) {
    static final Path ROOT = Path.of(System.getProperty("vq4j.root"));
    static final String VERSION = System.getProperty("vq4j.version");

    static final List<PublishedModule> ALL = all();

    /** The jars that come onto class paths. */
    Map<String, Path> programJars() {
        Map<String, Path> found = new TreeMap<>(jars);
        found.keySet().removeAll(List.of("sources", "javadoc"));
        return found;
    }

    /** The artifactIds that a pom's dependencyManagement names. */
    static List<String> managedBy(Path pom) {
        List<String> found = new ArrayList<>();
        NodeList dependencies = parse(pom).getElementsByTagName("dependency");
        for (int i = 0; i < dependencies.getLength(); i++) {
            found.add(child((Element) dependencies.item(i), "artifactId"));
        }
        return found;
    }

    private static List<PublishedModule> all() {
        List<PublishedModule> found = new ArrayList<>();
        Element list = (Element)
                parse(ROOT.resolve("pom.xml")).getElementsByTagName("modules").item(0);
        NodeList modules = list.getElementsByTagName("module");
        for (int i = 0; i < modules.getLength(); i++) {
            Path folder = ROOT.resolve(modules.item(i).getTextContent().strip());
            Element project = parse(folder.resolve("pom.xml")).getDocumentElement();
            if (!"true".equals(text(project, "maven.deploy.skip"))) {
                String artifactId = child(project, "artifactId");
                boolean onlyPom = "pom".equals(child(project, "packaging"));
                found.add(new PublishedModule(folder, artifactId, onlyPom ? Map.of() : jars(folder, artifactId)));
            }
        }
        return List.copyOf(found);
    }

    private static Map<String, Path> jars(Path folder, String artifactId) {
        String name = artifactId + "-" + VERSION;
        Map<String, Path> found = new TreeMap<>();
        try (Stream<Path> files = Files.list(folder.resolve("target"))) {
            for (Path file : (Iterable<Path>) files::iterator) {
                String fileName = file.getFileName().toString();
                if (fileName.startsWith(name) && fileName.endsWith(".jar")) {
                    String rest = fileName.substring(name.length(), fileName.length() - ".jar".length());
                    found.put(rest.isEmpty() ? "" : rest.substring(1), file);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("need the packaged jars of " + artifactId, e);
        }
        return found;
    }

    private static Document parse(Path pom) {
        try {
            return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(pom.toFile());
        } catch (ParserConfigurationException | SAXException | IOException e) {
            throw new IllegalStateException("cannot read " + pom, e);
        }
    }

    /** The text of a child, or "". */
    private static String child(Element parent, String name) {
        for (Node node = parent.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (node.getNodeName().equals(name)) {
                return node.getTextContent().strip();
            }
        }
        return "";
    }

    /** The text of the first element of a name, or "". */
    private static String text(Element project, String name) {
        NodeList found = project.getElementsByTagName(name);
        return found.getLength() == 0 ? "" : found.item(0).getTextContent().strip();
    }
}
