package io.github.vq4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;

class ProgramTest {
    private final StringWriter err = new StringWriter();

    @Test
    void aFailureOfFilesIsALineThatSaysWhatIsWrong() {
        checkFails("error: there is no file some/where", () -> {
            throw new NoSuchFileException("some/where");
        });
        checkFails("error: no permission for some/where", () -> {
            throw new AccessDeniedException("some/where");
        });
        checkFails("error: Nul character not allowed", () -> Path.of("a\0b"));
    }

    @Command
    private record Failing(Callable<?> failure) implements Callable<Object> {
        @Override
        public Object call() throws Exception {
            return failure.call();
        }
    }

    private void checkFails(String message, Callable<?> failure) {
        err.getBuffer().setLength(0);
        int exitCode = Program.of(new Failing(failure))
                .setErr(new PrintWriter(err, true))
                .execute();
        assertEquals(CommandLine.ExitCode.SOFTWARE, exitCode);
        assertTrue(err.toString().startsWith(message), err.toString());
        assertEquals(1, err.toString().lines().count(), err.toString());
    }
}
