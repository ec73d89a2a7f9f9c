package io.github.vq4j.examples.figures;

import io.github.vq4j.Backend;
import io.github.vq4j.Optimizer;
import io.github.vq4j.VectorQuant;
import java.awt.Color;

/** The four ways to optimise a vector and its code that the paper compares. */
enum Scheme {
    /** Vector and code follow the gradient of task + commitment together. */
    JOINT("joint", false, 0, 0x7F7F7F),
    /** Before each of those steps the code takes one towards the vector, in the forward. */
    ALTERNATED("alternated", true, 0, 0xE69F00),
    /** The code receives the task's gradient as the vector does. */
    SYNCHRONISED("synchronised", false, 1, 0x0072B2),
    /** Alternated and synchronised. */
    BOTH("both", true, 1, 0xD55E00);

    private static final double BETA = 0.5;
    private static final double INNER_RATE = 0.1;

    private final String title;
    private final boolean alternated;
    private final double nu;
    private final Color colour;

    Scheme(String title, boolean alternated, double nu, int colour) {
        this.title = title;
        this.alternated = alternated;
        this.nu = nu;
        this.colour = new Color(colour);
    }

    String title() {
        return title;
    }

    Color colour() {
        return colour;
    }

    /** A layer of one code of two features that is trained this way. */
    VectorQuant layer() {
        VectorQuant.Builder layer =
                VectorQuant.builder(2, 1).dim(-1).beta(BETA).syncNu(nu).backend(Backend.cpu());
        if (alternated) {
            layer.alternated(Optimizer.sgd(INNER_RATE), 1, false);
        }
        return layer.build();
    }
}
