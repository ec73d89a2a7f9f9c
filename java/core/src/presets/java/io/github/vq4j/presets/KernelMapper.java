package io.github.vq4j.presets;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.javacpp.tools.BuildEnabled;
import org.bytedeco.javacpp.tools.Info;
import org.bytedeco.javacpp.tools.InfoMap;
import org.bytedeco.javacpp.tools.InfoMapper;
import org.bytedeco.javacpp.tools.Logger;

/**
 * How JavaCPP's Parser reads the C API, the same for both implementations. Runs at build time only.
 *
 * <p>Java methods have the names of the operations in camel case, without the C prefix, and take every array as a JavaCPP
 * pointer: one signature an operation, which is also the one with the cheapest call.
 */
abstract class KernelMapper implements InfoMapper, BuildEnabled {
    private static final Pattern OPERATION = Pattern.compile("VQ4J_OPERATION\\((\\w+)\\)\\(");
    private static final Pattern NEXT_WORD = Pattern.compile("_(.)");

    private final String prefix;
    private final String stream;
    private final String ownHeader;
    private String includePath;
    private Charset charset;

    /**
     * @param prefix    of the C functions
     * @param stream    what the macro VQ4J_STREAM stands for
     * @param ownHeader the header with the functions that only this implementation has
     */
    KernelMapper(String prefix, String stream, String ownHeader) {
        this.prefix = prefix;
        this.stream = stream;
        this.ownHeader = ownHeader;
    }

    @Override
    public void init(Logger logger, Properties properties, String encoding) {
        includePath = properties.getProperty("platform.includepath", "");
        charset = encoding == null ? Charset.defaultCharset() : Charset.forName(encoding);
    }

    @Override
    public void map(InfoMap infoMap) {
        infoMap.put(new Info("VQ4J_OPERATION").cppText("#define VQ4J_OPERATION(name) " + prefix + "##name"));
        infoMap.put(new Info("VQ4J_STREAM").cppText("#define VQ4J_STREAM " + stream));
        infoMap.put(new Info("VQ4J_API").cppTypes().annotations());
        infoMap.put(new Info("float").valueTypes("float").pointerTypes("FloatPointer"));
        infoMap.put(new Info("double").valueTypes("double").pointerTypes("DoublePointer"));
        infoMap.put(new Info("uint8_t").cast().valueTypes("byte").pointerTypes("BytePointer"));
        infoMap.put(new Info("uint16_t").cast().valueTypes("short").pointerTypes("ShortPointer"));
        infoMap.put(new Info("uint32_t").cast().valueTypes("int").pointerTypes("IntPointer"));
        infoMap.put(new Info("int32_t", "int").valueTypes("int").pointerTypes("IntPointer"));
        infoMap.put(new Info("int64_t").cast().valueTypes("long").pointerTypes("LongPointer"));
        infoMap.put(new Info("uint64_t").cast().valueTypes("long").pointerTypes("LongPointer"));
        nameAfterOperations(infoMap, "vq4j/operations.h", OPERATION);
        nameAfterOperations(infoMap, ownHeader, Pattern.compile("\\b" + prefix + "(\\w+)\\("));
    }

    private void nameAfterOperations(InfoMap infoMap, String header, Pattern declaration) {
        Matcher names = declaration.matcher(read(header));
        while (names.find()) {
            String operation = names.group(1);
            infoMap.put(new Info(prefix + operation).javaNames(camelCase(operation)));
        }
    }

    private static String camelCase(String name) {
        return NEXT_WORD.matcher(name).replaceAll(word -> word.group(1).toUpperCase(Locale.ROOT));
    }

    private String read(String header) {
        for (String folder : includePath.split(File.pathSeparator)) {
            Path file = Path.of(folder, header);
            if (Files.exists(file)) {
                try {
                    return Files.readString(file, charset);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        }
        throw new IllegalStateException("no " + header + " on platform.includepath = " + includePath);
    }
}
