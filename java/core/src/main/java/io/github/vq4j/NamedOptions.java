package io.github.vq4j;

import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The options of a layer by name, as text: filled from a builder, or read back into one. A builder visits every option
 * in one method, which serves both ways: it is given the value that the option has, and gives back the one that it is
 * to have. An option that is not there to be read keeps its value.
 */
final class NamedOptions {
    private final Map<String, String> values = new TreeMap<>();
    private final TreeSet<String> unread = new TreeSet<>();
    private final boolean reads;

    /** To be filled. */
    NamedOptions() {
        reads = false;
    }

    /** To be read. */
    NamedOptions(Map<String, String> values) {
        this.values.putAll(values);
        unread.addAll(values.keySet());
        reads = true;
    }

    /** All options by name. */
    Map<String, String> values() {
        return Collections.unmodifiableMap(values);
    }

    boolean reads() {
        return reads;
    }

    String text(String name, String value) {
        unread.remove(name);
        if (!reads) {
            values.put(name, value);
        }
        return values.getOrDefault(name, value);
    }

    int integer(String name, int value) {
        return (int) number(name, value, Integer.MIN_VALUE, Integer.MAX_VALUE);
    }

    long number(String name, long value) {
        return number(name, value, Long.MIN_VALUE, Long.MAX_VALUE);
    }

    double real(String name, double value) {
        String text = text(name, Double.toString(value));
        try {
            return Double.parseDouble(text);
        } catch (NumberFormatException notANumber) {
            throw unusable(name, "a number", text);
        }
    }

    boolean flag(String name, boolean value) {
        String text = text(name, Boolean.toString(value));
        if (!text.equals("true") && !text.equals("false")) {
            throw unusable(name, "true or false", text);
        }
        return text.equals("true");
    }

    <E extends Enum<E>> E choice(String name, E value) {
        String text = text(name, value.name());
        E[] choices = value.getDeclaringClass().getEnumConstants();
        return Arrays.stream(choices)
                .filter(choice -> choice.name().equals(text))
                .findFirst()
                .orElseThrow(() -> unusable(name, "one of " + Arrays.toString(choices), text));
    }

    /** An option that there has to be. */
    int required(String name) {
        if (!values.containsKey(name)) {
            throw new IllegalArgumentException("need option " + name + ", got none");
        }
        return integer(name, 0);
    }

    /** Refuses options that nobody has asked for. */
    void checkAllRead() {
        if (!unread.isEmpty()) {
            throw new IllegalArgumentException("need options that this version knows, got " + unread);
        }
    }

    IllegalArgumentException unusable(String name, String needed, String text) {
        return new IllegalArgumentException("need option " + name + " = " + needed + ", got \"" + text + "\"");
    }

    private long number(String name, long value, long least, long most) {
        String text = text(name, Long.toString(value));
        try {
            long number = Long.parseLong(text);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException notANumber) {
            throw unusable(name, "a whole number", text);
        }
        throw unusable(name, "a whole number from " + least + " to " + most, text);
    }
}
