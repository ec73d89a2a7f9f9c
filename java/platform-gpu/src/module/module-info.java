module io.github.vq4j.platform.gpu {
    requires transitive io.github.vq4j.platform;
    requires io.github.vq4j.core.linux.x86_64.gpu;
}
