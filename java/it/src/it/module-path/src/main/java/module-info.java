/** A program of modules. */
module io.github.vq4j.consumer {
    requires io.github.vq4j.platform;
}
