package io.github.vq4j.jars;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a shared library says of itself, read from its ELF file (64 bits, little-endian; elf(5) has the layout).
 *
 * @param machine "x86_64" or "aarch64"
 * @param exported names of the symbols that it defines for others
 * @param needed file names of the libraries that it needs
 * @param runpath where they are searched first, or ""
 * @param versions what it needs of them, such as "GLIBC_2.34"
 * @param stays whether it stays in the process once it is loaded
 */
record SharedLibrary(
        String machine,
        Set<String> exported,
        List<String> needed,
        String runpath,
        Set<String> versions,
        boolean stays) {
    private static final int SECTION_STRINGS = 3;
    private static final int SECTION_DYNAMIC = 6;
    private static final int SECTION_SYMBOLS = 11;
    private static final int SECTION_VERSIONS_NEEDED = 0x6ffffffe;
    private static final int TAG_NEEDED = 1;
    private static final int TAG_RPATH = 15;
    private static final int TAG_RUNPATH = 29;
    private static final int TAG_FLAGS_1 = 0x6ffffffb;
    private static final int FLAG_NODELETE = 8;

    /** A section's offset and size, and the offset of the strings that it refers to. */
    private record Section(int type, int offset, int size, int strings) {}

    static SharedLibrary read(byte[] file) {
        ByteBuffer elf = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        if (elf.getInt(0) != 0x464c457f || elf.get(4) != 2 || elf.get(5) != 1) {
            throw new IllegalArgumentException("need an ELF file of 64 bits, little-endian");
        }
        String machine =
                switch (elf.getShort(18)) {
                    case 62 -> "x86_64";
                    case 183 -> "aarch64";
                    default -> "machine " + elf.getShort(18);
                };
        Set<String> exported = new TreeSet<>();
        List<String> needed = new ArrayList<>();
        Set<String> versions = new TreeSet<>();
        String runpath = "";
        boolean stays = false;
        for (Section section : sections(elf)) {
            switch (section.type) {
                case SECTION_SYMBOLS -> addExported(elf, section, exported);
                case SECTION_VERSIONS_NEEDED -> addVersions(elf, section, versions);
                case SECTION_DYNAMIC -> {
                    for (int entry = section.offset; entry < section.offset + section.size; entry += 16) {
                        long tag = elf.getLong(entry);
                        String text = tag == TAG_NEEDED || tag == TAG_RPATH || tag == TAG_RUNPATH
                                ? string(elf, section.strings + (int) elf.getLong(entry + 8))
                                : "";
                        if (tag == TAG_FLAGS_1) {
                            stays = (elf.getLong(entry + 8) & FLAG_NODELETE) != 0;
                        } else if (tag == TAG_NEEDED) {
                            needed.add(text);
                        } else if (!text.isEmpty()) {
                            runpath = text;
                        }
                    }
                }
                default -> {}
            }
        }
        return new SharedLibrary(machine, exported, needed, runpath, versions, stays);
    }

    private static List<Section> sections(ByteBuffer elf) {
        int headers = (int) elf.getLong(40);
        int headerSize = elf.getShort(58);
        int count = elf.getShort(60);
        List<Section> found = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int header = headers + i * headerSize;
            int linked = headers + elf.getInt(header + 40) * headerSize;
            int strings = elf.getInt(linked + 4) == SECTION_STRINGS ? (int) elf.getLong(linked + 24) : 0;
            found.add(new Section(
                    elf.getInt(header + 4), (int) elf.getLong(header + 24), (int) elf.getLong(header + 32), strings));
        }
        return found;
    }

    /** Symbols that have a section (others are imported) and are not local. */
    private static void addExported(ByteBuffer elf, Section section, Set<String> exported) {
        for (int symbol = section.offset; symbol < section.offset + section.size; symbol += 24) {
            boolean local = elf.get(symbol + 4) >> 4 == 0;
            if (!local && elf.getShort(symbol + 6) != 0) {
                exported.add(string(elf, section.strings + elf.getInt(symbol)));
            }
        }
    }

    /** One list of versions for each library. */
    private static void addVersions(ByteBuffer elf, Section section, Set<String> versions) {
        int library = section.offset;
        for (int next = -1; next != 0; library += next) {
            int version = library + elf.getInt(library + 8);
            for (int step = -1; step != 0; version += step) {
                versions.add(string(elf, section.strings + elf.getInt(version + 8)));
                step = elf.getInt(version + 12);
            }
            next = elf.getInt(library + 12);
        }
    }

    private static String string(ByteBuffer elf, int offset) {
        int end = offset;
        while (elf.get(end) != 0) {
            end++;
        }
        return new String(elf.array(), offset, end - offset, StandardCharsets.UTF_8);
    }
}
