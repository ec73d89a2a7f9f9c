package io.github.vq4j.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "plot",
        description = "Draws the health of codebooks over training from the file of CodebookHealth.writeCsv.",
        mixinStandardHelpOptions = true)
final class PlotCommand implements Callable<Integer> {
    @Parameters(paramLabel = "CSV", description = "What CodebookHealth.writeCsv wrote.")
    private Path csv;

    @Option(
            names = {"-o", "--output"},
            required = true,
            paramLabel = "PNG",
            description = "Where to write the picture (.png).")
    private Path output;

    @Override
    public Integer call() throws IOException {
        PngFile.checkName(output);
        OutputPath.of(output, csv);
        HealthPicture.write(new HealthCurves(csv), output);
        return 0;
    }
}
