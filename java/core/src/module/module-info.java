module io.github.vq4j.core {
    requires transitive org.bytedeco.javacpp;
    requires org.slf4j;
    requires static transitive org.jspecify;

    exports io.github.vq4j;
    exports io.github.vq4j.internal to org.bytedeco.javacpp;
    exports io.github.vq4j.presets to org.bytedeco.javacpp;
}
