package io.github.vq4j.docs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.commonmark.ext.gfm.tables.TablesExtension;
import org.commonmark.node.AbstractVisitor;
import org.commonmark.node.Heading;
import org.commonmark.node.Image;
import org.commonmark.node.Link;
import org.commonmark.node.Node;
import org.commonmark.node.Text;
import org.commonmark.parser.Parser;

/** A page in Markdown, as GitHub reads it. */
final class Page {
    private static final Parser PARSER =
            Parser.builder().extensions(List.of(TablesExtension.create())).build();

    private final Path file;
    private final Node document;

    private Page(Path file, Node document) {
        this.file = file;
        this.document = document;
    }

    static Page read(Path file) throws IOException {
        return new Page(file.normalize(), PARSER.parse(Files.readString(file)));
    }

    Path file() {
        return file;
    }

    Node document() {
        return document;
    }

    /** The first heading. */
    String title() {
        List<String> titles = new ArrayList<>();
        document.accept(new AbstractVisitor() {
            @Override
            public void visit(Heading heading) {
                titles.add(text(heading));
            }
        });
        if (titles.isEmpty()) {
            throw new IllegalArgumentException(file + ": need a heading");
        }
        return titles.get(0);
    }

    /** The links and pictures, which may be changed in place. */
    List<Node> links() {
        List<Node> links = new ArrayList<>();
        document.accept(new AbstractVisitor() {
            @Override
            public void visit(Link link) {
                links.add(link);
                visitChildren(link);
            }

            @Override
            public void visit(Image image) {
                links.add(image);
            }
        });
        return links;
    }

    /** Where a link or picture leads to. */
    static String destination(Node link) {
        return link instanceof Link text ? text.getDestination() : ((Image) link).getDestination();
    }

    private static String text(Node node) {
        StringBuilder text = new StringBuilder();
        node.accept(new AbstractVisitor() {
            @Override
            public void visit(Text part) {
                text.append(part.getLiteral());
            }

            @Override
            public void visit(org.commonmark.node.Code code) {
                text.append(code.getLiteral());
            }
        });
        return text.toString();
    }
}
