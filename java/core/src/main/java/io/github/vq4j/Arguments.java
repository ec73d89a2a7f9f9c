package io.github.vq4j;

/** Checks of options: the error names the option, the value seen and what is needed. */
final class Arguments {
    private Arguments() {}

    static int atLeastOne(String name, int value) {
        if (value < 1) {
            throw new IllegalArgumentException("need " + name + " >= 1, got " + value);
        }
        return value;
    }

    static int notNegative(String name, int value) {
        if (value < 0) {
            throw new IllegalArgumentException("need " + name + " >= 0, got " + value);
        }
        return value;
    }

    /** Refuses the first number that is a NaN or an infinity, by its place. */
    static void allFinite(String name, float[] values) {
        for (int i = 0; i < values.length; i++) {
            if (!Float.isFinite(values[i])) {
                throw new IllegalArgumentException(
                        "need finite numbers in " + name + ", got " + values[i] + " at position " + i);
            }
        }
    }

    static double notNegative(String name, double value) {
        if (!(value >= 0) || Double.isInfinite(value)) {
            throw new IllegalArgumentException("need " + name + " >= 0 and finite, got " + value);
        }
        return value;
    }

    static double inUnitInterval(String name, double value) {
        if (!(value >= 0 && value <= 1)) {
            throw new IllegalArgumentException("need " + name + " in [0, 1], got " + value);
        }
        return value;
    }

    static double belowOne(String name, double value) {
        if (!(value >= 0 && value < 1)) {
            throw new IllegalArgumentException("need " + name + " in [0, 1), got " + value);
        }
        return value;
    }

    static void divides(String partName, int part, String wholeName, int whole) {
        if (whole % part != 0) {
            throw new IllegalArgumentException(
                    "need " + partName + " to divide " + wholeName + " = " + whole + ", got " + part);
        }
    }

    /** The number of elements of a shape that fits in an array. */
    static int product(long... shape) {
        long size = 1;
        for (long axis : shape) {
            size = Math.multiplyExact(size, axis);
        }
        return Math.toIntExact(size);
    }
}
