package dev.fathom.training.cli;

import dev.fathom.training.UserException;
import dev.fathom.training.config.ConfigReader;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.DataSets;
import dev.fathom.training.data.DataSpec;
import dev.fathom.training.stage.Comparison;
import dev.fathom.training.stage.Sources;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/**
 * The options of a command that looks at pictures with depth: files, a test set of a run's
 * configuration, or rendered scenes.
 */
final class DataOptions {

  private static final String PICTURE = "{id}.png";
  private static final String DEPTH = "{id}.depth.png";

  @Option(
      names = "--data",
      paramLabel = "PATH",
      description =
          "Pictures and their depth maps: a folder, a list (.csv, .tsv), or shards (.tar).")
  private @Nullable String data;

  @Option(
      names = "--picture",
      paramLabel = "PATTERN",
      description = "Where a picture is below the folder. Default: " + PICTURE + ".")
  private @Nullable String picture;

  @Option(
      names = "--depth",
      paramLabel = "PATTERN",
      description =
          "Where its depth map is (PNG of 8 or 16 bits, PFM, NPY, EXR). Default: " + DEPTH + ".")
  private @Nullable String depth;

  @Option(
      names = "--kind",
      paramLabel = "KIND",
      description =
          "What the maps' numbers are: depth, disparity or inverse-depth. Default: what the file"
              + " says, else depth.")
  private @Nullable String kind;

  @Option(
      names = "--depth-scale",
      paramLabel = "S",
      description =
          "What they are multiplied by to give metres: 0.001 for millimetres, 1/256 for KITTI."
              + " Default: 1.")
  private @Nullable String scale;

  @Option(
      names = "--mask",
      paramLabel = "PATTERN",
      description = "Where masks are, 0 where the depth is not valid. Default: there are none.")
  private @Nullable String mask;

  @Option(
      names = "--sky",
      paramLabel = "PATTERN",
      description = "Where masks of the sky are, not 0 where it is. Default: there are none.")
  private @Nullable String sky;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description =
          "Instead of --data: a test set of a run's configuration, with its input size and cap.")
  private @Nullable Path config;

  @Option(names = "--test", paramLabel = "NAME", description = "Which one. Default: the only one.")
  private @Nullable String test;

  @Option(
      names = "--synth",
      split = ",",
      paramLabel = "DOMAIN",
      description = "Instead of --data: rendered scenes ('fathom synth --list').")
  private List<String> synth = new ArrayList<>();

  @Option(names = "--count", paramLabel = "N", description = "Scenes of each domain. Default: 100.")
  private @Nullable Integer count;

  @Option(
      names = "--first",
      paramLabel = "N",
      description = "Number of the first scene. Default: 0.")
  private @Nullable Integer first;

  @Option(names = "--size", paramLabel = "S", description = "Their side in pixels. Default: 140.")
  private @Nullable Integer size;

  @Option(names = "--seed", paramLabel = "N", description = "Of the scenes. Default: 0.")
  private @Nullable Long seed;

  private @Nullable RunConfig read;

  /**
   * The run's configuration, if one was named.
   *
   * @throws UserException if it is wrong
   */
  @Nullable RunConfig config() {
    if (config != null && read == null) {
      read = ConfigReader.read(config, List.of());
    }
    return read;
  }

  /** Whether the numbers are disparities, which have no unit. */
  boolean disparity() {
    String own = kind;
    RunConfig run = config();
    if (run != null) {
      own = chosen(run).kind();
    }
    return own != null
        && own.strip().equalsIgnoreCase(DataSpec.Kind.DISPARITY.name().toLowerCase(Locale.ROOT));
  }

  /**
   * Opens the set.
   *
   * @throws UserException if none or several were named, an option belongs to another, or the set
   *     cannot be opened
   */
  DataSet open() {
    int named = (data == null ? 0 : 1) + (config == null ? 0 : 1) + (synth.isEmpty() ? 0 : 1);
    if (named != 1) {
      throw new UserException(
          "--data",
          (named == 0 ? "no data set is named" : "several data sets are named")
              + ": give one of --data, --config, --synth");
    }
    onlyWith("--data", data != null, files());
    onlyWith("--config", config != null, Collections.singletonMap("--test", test));
    onlyWith("--synth", !synth.isEmpty(), scenes());
    if (data != null) {
      return DataSets.openEveryPicture(DataSpec.parse(entries(data), Path.of("")));
    }
    RunConfig run = config();
    if (run != null) {
      DataSet set = Sources.describe("data.test", chosen(run));
      Sources.requireTruth("data.test", set);
      return Comparison.limited(set, run);
    }
    RunConfig.Synth scenes =
        new RunConfig.Synth(
            synth,
            Objects.requireNonNullElse(count, 100),
            Objects.requireNonNullElse(first, 0),
            Objects.requireNonNullElse(seed, 0L),
            Objects.requireNonNullElse(size, 140));
    return Sources.synth("--synth", scenes);
  }

  private Map<String, Object> entries(String path) {
    String lower = path.toLowerCase(Locale.ROOT);
    boolean list = lower.endsWith(".csv") || lower.endsWith(".tsv");
    Map<String, Object> entries = new LinkedHashMap<>();
    entries.put("path", path);
    put(entries, "picture", picture != null || list ? picture : PICTURE);
    put(entries, "depth", depth != null || list ? depth : DEPTH);
    put(entries, "mask", mask);
    put(entries, "sky", sky);
    put(entries, "kind", kind);
    put(entries, "scale", scale);
    return entries;
  }

  private static void put(Map<String, Object> entries, String key, @Nullable Object value) {
    if (value != null) {
      entries.put(key, value);
    }
  }

  private Map<String, @Nullable Object> files() {
    Map<String, @Nullable Object> options = new LinkedHashMap<>();
    options.put("--picture", picture);
    options.put("--depth", depth);
    options.put("--kind", kind);
    options.put("--depth-scale", scale);
    options.put("--mask", mask);
    options.put("--sky", sky);
    return options;
  }

  private Map<String, @Nullable Object> scenes() {
    Map<String, @Nullable Object> options = new LinkedHashMap<>();
    options.put("--count", count);
    options.put("--first", first);
    options.put("--size", size);
    options.put("--seed", seed);
    return options;
  }

  private static void onlyWith(
      String option, boolean given, Map<String, ? extends @Nullable Object> others) {
    others.forEach((other, value) -> {
      if (value != null && !given) {
        throw new UserException(other, "goes with " + option + " only");
      }
    });
  }

  private RunConfig.Source chosen(RunConfig run) {
    List<RunConfig.Source> tests = run.data().test();
    if (test == null && tests.size() == 1) {
      return tests.getFirst();
    }
    List<String> names =
        tests.stream().map(source -> Objects.requireNonNullElse(source.name(), "")).toList();
    int at = test == null ? -1 : names.indexOf(test);
    if (at < 0) {
      throw new UserException(
          "--test",
          (test == null ? "is needed" : "no test set is called '" + test + "'")
              + "; the configuration has "
              + (names.isEmpty() ? "none" : String.join(", ", names)));
    }
    return tests.get(at);
  }
}
