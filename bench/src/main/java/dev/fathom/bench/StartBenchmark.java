package dev.fathom.bench;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.imageio.ImageIO;

/**
 * From nothing to the first depth map: {@code bin/fathom predict} for one picture, from the start
 * of the process to its exit, in turns with one run of a network that is loaded already.
 */
final class StartBenchmark {

  private static final Path COMMAND = Path.of("bin", "fathom");

  private final Path weights;
  private final int threads;
  private final int rounds;

  /** Run from the root of the checkout, after {@code make}. */
  StartBenchmark(Path weights, int threads, int rounds) {
    this.weights = weights;
    this.threads = threads;
    this.rounds = rounds;
  }

  /** Runs it. */
  Report.Section measure() throws Exception {
    Path folder = Files.createTempDirectory("fathom-bench");
    try {
      Path picture = folder.resolve("picture.png");
      ImageIO.write(picture(), "png", picture.toFile());
      List<Double> starts = new ArrayList<>();
      Path output = folder.resolve("depth.bin");
      try (Runner.Child network = NetworkBenchmark.child("fathom", weights, threads, output)) {
        // The first start finds nothing in the page cache, and is not counted.
        start(picture, folder);
        for (int i = 0; i < rounds; i++) {
          starts.add(start(picture, folder));
          network.round();
        }
        return section(starts, network.times());
      }
    } finally {
      delete(folder);
    }
  }

  /** Seconds from start to exit. */
  private double start(Path picture, Path folder) throws IOException, InterruptedException {
    List<String> command =
        List.of(
            COMMAND.toAbsolutePath().toString(),
            "predict",
            picture.toString(),
            "--weights",
            weights.toAbsolutePath().toString(),
            "--threads",
            Integer.toString(threads),
            "--out",
            folder.toString());
    Path log = folder.resolve("log.txt");
    long begin = System.nanoTime();
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    int code = process.waitFor();
    double seconds = (System.nanoTime() - begin) / 1e9;
    if (code != 0) {
      throw new IOException(
          String.join(" ", command) + " failed: " + Files.readString(log, StandardCharsets.UTF_8));
    }
    return seconds;
  }

  private Report.Section section(List<Double> starts, List<Double> inferences) {
    Statistics start = Statistics.of(starts);
    Statistics inference = Statistics.of(inferences);
    Statistics ratio = Statistics.ofRatios(starts, inferences);
    Table table =
        new Table(
            "from start to exit", "best s:", "median s:", "inference s:", "ratio:", "least ratio:");
    table.row(
        "fathom predict, one picture",
        Table.number(start.least()),
        Table.number(start.median()),
        Table.number(inference.median()),
        Table.number(ratio.median()),
        Table.number(ratio.least()));
    Map<String, Object> figures = new LinkedHashMap<>();
    figures.put("starts", starts);
    figures.put("inferences", inferences);
    return new Report.Section(
        "First depth map, " + threads + " threads", table.markdown(), figures);
  }

  /** A picture that needs no resizing, so that both run the network at the same size. */
  private static BufferedImage picture() {
    int side = OperatorBenchmark.SIDE;
    float[] values = Inputs.image(side, side);
    BufferedImage picture = new BufferedImage(side, side, BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < side * side; i++) {
      picture.setRGB(i % side, i / side, (int) ((values[i] + 2) / 4 * 0xffffff));
    }
    return picture;
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> paths = Files.walk(folder)) {
      for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }
}
