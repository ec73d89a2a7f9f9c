package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.examples.data.Images;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;

/** Draws held-out images over what each run makes of them, a row a run. */
final class ReconstructionsPicture {
    /** Images in a row. */
    static final int COLUMNS = 16;

    private static final int ENLARGEMENT = 2;
    private static final int GAP = 6;
    private static final int LABEL_WIDTH = 180;

    private final int height;
    private final int width;
    private final BufferedImage picture;
    private final Graphics2D graphics;

    private ReconstructionsPicture(int height, int width, int rows, int columns) {
        this.height = height;
        this.width = width;
        picture = new BufferedImage(
                LABEL_WIDTH + columns * (width * ENLARGEMENT + GAP) + GAP,
                rows * (height * ENLARGEMENT + GAP) + GAP,
                BufferedImage.TYPE_INT_RGB);
        graphics = picture.createGraphics();
        graphics.setColor(Color.WHITE);
        graphics.fillRect(0, 0, picture.getWidth(), picture.getHeight());
        graphics.setColor(Color.BLACK);
        graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 14));
        graphics.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
    }

    /** Writes the picture as PNG. */
    static void write(Images heldOut, List<RunResult> runs, Path file) throws IOException {
        int columns = Math.min(COLUMNS, heldOut.count());
        ReconstructionsPicture drawing =
                new ReconstructionsPicture(heldOut.height(), heldOut.width(), runs.size() + 1, columns);
        drawing.addRow(0, "original", heldOut.scaledRange(0, columns));
        for (int i = 0; i < runs.size(); i++) {
            drawing.addRow(i + 1, runs.get(i).method().title(), runs.get(i).reconstructions());
        }
        drawing.graphics.dispose();
        ImageIO.write(drawing.picture, "png", file.toFile());
    }

    private void addRow(int row, String label, float[] values) {
        int top = GAP + row * (height * ENLARGEMENT + GAP);
        int baseLine =
                top + height * ENLARGEMENT / 2 + graphics.getFontMetrics().getAscent() / 2;
        graphics.drawString(label, GAP, baseLine);
        int size = height * width;
        for (int n = 0; n < values.length / size; n++) {
            int left = LABEL_WIDTH + GAP + n * (width * ENLARGEMENT + GAP);
            graphics.drawImage(image(values, n * size), left, top, width * ENLARGEMENT, height * ENLARGEMENT, null);
        }
    }

    private BufferedImage image(float[] values, int from) {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_BYTE_GRAY);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int level = Math.round((values[from + y * width + x] + 1) * 127.5f);
                image.getRaster().setSample(x, y, 0, level);
            }
        }
        return image;
    }
}
