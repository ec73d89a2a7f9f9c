package io.github.vq4j;

import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/**
 * Reads JSON from its beginning to its end, the caller saying what has to come next. It builds nothing of what it reads
 * and does not recurse: how deep it goes and what is kept is the caller's decision, never the text's.
 */
final class JsonReader {
    private final String text;
    private int at;

    JsonReader(String text) {
        this.text = text;
    }

    /** Reads an object; {@code member} is called after each name, and reads the value. */
    void readObject(Consumer<String> member) {
        expect('{');
        if (!skip('}')) {
            do {
                String name = readString();
                expect(':');
                member.accept(name);
            } while (skip(','));
            expect('}');
        }
    }

    /** Reads an array; {@code element} is called before each element, and reads it. */
    void readArray(Runnable element) {
        expect('[');
        if (!skip(']')) {
            do {
                element.run();
            } while (skip(','));
            expect(']');
        }
    }

    /** Reads a whole number, at least 0. */
    long readCount() {
        skipSpace();
        int begin = at;
        long value = 0;
        while (at < text.length() && isDigit(text.charAt(at))) {
            int digit = text.charAt(at) - '0';
            if (value > (Long.MAX_VALUE - digit) / 10) {
                throw malformed("a number below 2^63", begin);
            }
            value = value * 10 + digit;
            at++;
        }
        if (at == begin || (at - begin > 1 && text.charAt(begin) == '0')) {
            throw malformed("a whole number", begin);
        }
        return value;
    }

    /** Reads a string. */
    String readString() {
        expect('"');
        int begin = at;
        while (at < text.length() && text.charAt(at) != '"' && text.charAt(at) != '\\') {
            checkPrintable();
            at++;
        }
        if (at < text.length() && text.charAt(at) == '"') {
            return text.substring(begin, at++);
        }
        StringBuilder value = new StringBuilder(text.substring(begin, at));
        while (at < text.length() && text.charAt(at) != '"') {
            checkPrintable();
            char next = text.charAt(at++);
            value.append(next == '\\' ? readEscape() : next);
        }
        expect('"');
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(value)) {
            throw malformed("whole surrogate pairs in a string", begin);
        }
        return value.toString();
    }

    /** Checks that nothing but white space is left. */
    void readEnd() {
        skipSpace();
        if (at < text.length()) {
            throw malformed("the end", at);
        }
    }

    private char readEscape() {
        int begin = at - 1;
        char kind = at < text.length() ? text.charAt(at++) : ' ';
        return switch (kind) {
            case '"', '\\', '/' -> kind;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> readHex(begin);
            default -> throw malformed("an escape sequence", begin);
        };
    }

    private char readHex(int begin) {
        int value = 0;
        for (int i = 0; i < 4; i++) {
            int digit = at < text.length() ? Character.digit(text.charAt(at++), 16) : -1;
            if (digit < 0) {
                throw malformed("four hexadecimal digits after \\u", begin);
            }
            value = value << 4 | digit;
        }
        return (char) value;
    }

    private void checkPrintable() {
        if (text.charAt(at) < ' ') {
            throw malformed("control characters escaped in a string", at);
        }
    }

    private void expect(char wanted) {
        if (!skip(wanted)) {
            throw malformed("'" + wanted + "'", at);
        }
    }

    private boolean skip(char wanted) {
        skipSpace();
        boolean found = at < text.length() && text.charAt(at) == wanted;
        if (found) {
            at++;
        }
        return found;
    }

    private void skipSpace() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private static boolean isDigit(char character) {
        return character >= '0' && character <= '9';
    }

    private IllegalArgumentException malformed(String needed, int where) {
        String got = where < text.length()
                ? "\"" + text.substring(where, Math.min(text.length(), where + 20)) + "\""
                : "the end";
        return new IllegalArgumentException("need " + needed + " at character " + where + " of the header, got " + got);
    }
}
