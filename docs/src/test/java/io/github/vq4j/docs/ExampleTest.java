package io.github.vq4j.docs;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** The program of the README. */
class ExampleTest {
    @Test
    void runs() {
        PrintStream before = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        try {
            Example.main(new String[0]);
        } finally {
            System.setOut(before);
        }
        String out = printed.toString(StandardCharsets.UTF_8);
        assertTrue(out.contains("step  75  loss ") && out.contains("code of the first row: "), out);
    }
}
