module io.github.vq4j.platform {
    requires transitive io.github.vq4j.core;
    requires io.github.vq4j.core.linux.x86_64;
    requires org.bytedeco.javacpp.linux.x86_64;
}
