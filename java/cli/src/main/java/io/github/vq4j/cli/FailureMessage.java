package io.github.vq4j.cli;

import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;

/** What went wrong, in words: the messages of some failures of files are a path and nothing else. */
public final class FailureMessage {
    private FailureMessage() {}

    /** The message of a failure. */
    public static String of(Exception failure) {
        if (failure instanceof NoSuchFileException missing) {
            return "there is no file " + missing.getFile();
        }
        return failure instanceof AccessDeniedException denied && denied.getReason() == null
                ? "no permission for " + denied.getFile()
                : failure.getMessage();
    }
}
