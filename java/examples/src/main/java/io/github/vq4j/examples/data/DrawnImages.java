package io.github.vq4j.examples.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * Images that need no file: an alphabet of glyphs, each of two or three curved strokes, written by an unsteady hand with
 * pens of different width. The same seed gives the same images on every machine: only arithmetic that Java fixes bit for
 * bit is used.
 */
public final class DrawnImages {
    private static final int SIDE = 28;
    private static final int GLYPHS = 24;
    private static final int SEGMENTS = 10;
    private static final int TRAINING_COUNT = 20_000;
    private static final int HELD_OUT_COUNT = 2_000;
    private static final long ALPHABET_SEED = 11;

    private final List<List<Stroke>> alphabet;

    /** Learns an alphabet. */
    public DrawnImages() {
        Random random = new Random(ALPHABET_SEED);
        alphabet = new ArrayList<>();
        for (int glyph = 0; glyph < GLYPHS; glyph++) {
            alphabet.add(glyph(random));
        }
    }

    /** A set as large as the demo needs. */
    public static ImageSet set() {
        DrawnImages drawn = new DrawnImages();
        return new ImageSet(drawn.draw(TRAINING_COUNT, 1), drawn.draw(HELD_OUT_COUNT, 2), "drawn by the program");
    }

    /**
     * Draws images, 28 x 28, of glyphs in random order.
     *
     * @param count at least 1
     * @param seed decides about all of them
     */
    public Images draw(int count, long seed) {
        Random random = new Random(seed);
        byte[] pixels = new byte[Math.multiplyExact(count, SIDE * SIDE)];
        for (int n = 0; n < count; n++) {
            draw(alphabet.get(random.nextInt(GLYPHS)), random, pixels, n * SIDE * SIDE);
        }
        return new Images(count, SIDE, SIDE, pixels);
    }

    private record Point(double x, double y) {
        Point moved(Random random, double distance) {
            return new Point(x + distance * between(random, -1, 1), y + distance * between(random, -1, 1));
        }
    }

    /** A cubic Bézier curve in the unit square. */
    private record Stroke(Point start, Point startControl, Point endControl, Point end) {
        Stroke shaken(Random random) {
            return new Stroke(
                    start.moved(random, 0.04),
                    startControl.moved(random, 0.08),
                    endControl.moved(random, 0.08),
                    end.moved(random, 0.04));
        }

        Point at(double t) {
            double s = 1 - t;
            double a = s * s * s;
            double b = 3 * s * s * t;
            double c = 3 * s * t * t;
            double d = t * t * t;
            return new Point(
                    a * start.x + b * startControl.x + c * endControl.x + d * end.x,
                    a * start.y + b * startControl.y + c * endControl.y + d * end.y);
        }
    }

    private static List<Stroke> glyph(Random random) {
        int strokes = 2 + random.nextInt(2);
        List<Stroke> glyph = new ArrayList<>();
        Point pen = anchor(random);
        for (int i = 0; i < strokes; i++) {
            // A pen is lifted between some strokes only.
            Point start = random.nextInt(3) == 0 ? anchor(random) : pen;
            Point end = anchor(random);
            while (end.equals(start)) {
                end = anchor(random);
            }
            glyph.add(new Stroke(start, start.moved(random, 0.4), end.moved(random, 0.4), end));
            pen = end;
        }
        return glyph;
    }

    /** A point of a coarse grid: glyphs begin and end their strokes at the top, the middle or the base line. */
    private static Point anchor(Random random) {
        return new Point(0.25 + 0.25 * random.nextInt(3), 0.2 + 0.3 * random.nextInt(3));
    }

    private static void draw(List<Stroke> glyph, Random random, byte[] pixels, int offset) {
        double radius = between(random, 0.8, 1.5);
        double scale = between(random, 0.85, 1.05) * SIDE;
        double slant = between(random, -0.25, 0.25);
        double left = between(random, -1.5, 1.5);
        double top = between(random, -1.5, 1.5);
        for (Stroke stroke : glyph) {
            Stroke shaken = stroke.shaken(random);
            Point from = null;
            for (int i = 0; i <= SEGMENTS; i++) {
                Point unit = shaken.at((double) i / SEGMENTS);
                Point to = new Point(
                        SIDE / 2.0 + left + scale * (unit.x - 0.5 - slant * (unit.y - 0.5)),
                        SIDE / 2.0 + top + scale * (unit.y - 0.5));
                if (from != null) {
                    drawLine(from, to, radius, pixels, offset);
                }
                from = to;
            }
        }
    }

    /** Ink by the distance of a pixel's centre to the line, so that edges are smooth. */
    private static void drawLine(Point from, Point to, double radius, byte[] pixels, int offset) {
        double dx = to.x - from.x;
        double dy = to.y - from.y;
        double lengthSquared = dx * dx + dy * dy;
        double reach = radius + 1;
        int lastX = pixel(Math.max(from.x, to.x) + reach);
        int lastY = pixel(Math.max(from.y, to.y) + reach);
        for (int y = pixel(Math.min(from.y, to.y) - reach); y <= lastY; y++) {
            for (int x = pixel(Math.min(from.x, to.x) - reach); x <= lastX; x++) {
                double px = x + 0.5 - from.x;
                double py = y + 0.5 - from.y;
                double along = lengthSquared == 0 ? 0 : (px * dx + py * dy) / lengthSquared;
                double t = Math.max(0, Math.min(1, along));
                double distance = Math.sqrt((px - t * dx) * (px - t * dx) + (py - t * dy) * (py - t * dy));
                int ink = (int) (255 * Math.max(0, Math.min(1, radius + 0.5 - distance)));
                int index = offset + y * SIDE + x;
                pixels[index] = (byte) Math.max(ink, Byte.toUnsignedInt(pixels[index]));
            }
        }
    }

    private static int pixel(double coordinate) {
        return (int) Math.max(0, Math.min(SIDE - 1, coordinate));
    }

    private static double between(Random random, double low, double high) {
        return low + (high - low) * random.nextDouble();
    }
}
