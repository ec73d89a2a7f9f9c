package io.github.vq4j.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Map;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What a command says in the end, on standard output: a table, or JSON. */
final class Output {
    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(names = "--json", description = "Print the results as JSON.")
    private boolean json;

    /** Prints results by name, in their order. */
    void print(Map<String, Object> results) throws IOException {
        PrintWriter out = command.commandLine().getOut();
        if (json) {
            out.println(new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(results));
        } else {
            int width = results.keySet().stream().mapToInt(String::length).max().orElse(0);
            results.forEach((name, value) -> out.println(name + " ".repeat(width - name.length() + 2) + text(value)));
        }
        out.flush();
    }

    private static String text(Object value) {
        return value instanceof Double number ? String.format(java.util.Locale.ROOT, "%.6g", number) : value.toString();
    }
}
