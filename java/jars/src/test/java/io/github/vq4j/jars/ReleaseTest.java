package io.github.vq4j.jars;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

/** So that the comparison of the API is not forgotten with the first release. */
class ReleaseTest {
    @Test
    void theApiIsComparedWithTheLastRelease() throws Exception {
        assumeTrue(
                PublishedModule.ROOT.resolve(".git").toFile().exists(), "not a checkout: no tags to know releases by");
        Process git = new ProcessBuilder("git", "tag", "--list", "v[0-9]*", "--sort=-version:refname", "--merged")
                .directory(PublishedModule.ROOT.toFile())
                .redirectErrorStream(true)
                .start();
        List<String> tags = new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .toList();
        assertEquals(0, git.waitFor(), tags.toString());
        assumeTrue(!tags.isEmpty(), "no release to compare the API with: no tag v<version>");
        assertEquals(
                tags.get(0), "v" + System.getProperty("vq4j.released"), "the property vq4j.released of the root pom");
    }
}
