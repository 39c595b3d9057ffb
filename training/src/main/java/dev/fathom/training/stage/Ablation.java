package dev.fathom.training.stage;

import dev.fathom.training.config.ConfigReader;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.evaluation.Bootstrap;
import dev.fathom.training.evaluation.Evaluation;
import dev.fathom.training.evaluation.Metric;
import dev.fathom.training.evaluation.PictureResult;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The paper's ablations (its tables 8 and 9) on the configured data: what unlabelled pictures,
 * their distortion and the alignment of features each give, and the margin of the alignment; over
 * several seeds. The encoder is pretrained once, as DINOv2 is given once.
 */
public final class Ablation {

  /**
   * A row of the table.
   *
   * @param label as in the paper
   * @param settings what differs from the configuration; null for the teacher
   */
  public record Row(String label, @Nullable List<String> settings) {}

  private static final String NO_DISTORTION = "student.distortion.enabled=false";
  private static final String NO_ALIGNMENT = "student.alignment.enabled=false";

  /** The rows, in the paper's order. */
  public static final List<Row> ROWS =
      List.of(
          new Row("labelled only", null),
          new Row("+ unlabelled, undistorted", List.of(NO_DISTORTION, NO_ALIGNMENT)),
          new Row("+ strong distortion", List.of(NO_ALIGNMENT)),
          new Row("+ feature alignment, alpha 0.85", List.of("student.alignment.margin=0.85")),
          new Row("alpha 1.00", List.of("student.alignment.margin=1.0")),
          new Row("alpha 0.70", List.of("student.alignment.margin=0.7")));

  /**
   * A number of the table.
   *
   * @param interval mean over pictures (each the mean over the seeds), and its 95 % bootstrap
   *     interval over pictures
   * @param bySeed the mean over pictures for each seed
   */
  public record Cell(Bootstrap.Interval interval, List<Double> bySeed) {}

  private final RunConfig config;
  private final Path folder;
  private final List<Long> seeds;
  private final StageListener listener;
  private final Sources sources;

  /** Comparisons by seed. */
  private final SequencedMap<Long, Comparison> comparisons = new LinkedHashMap<>();

  /**
   * An ablation in a folder.
   *
   * @param seeds of the runs; the configuration's own seed is that of the encoder
   */
  public Ablation(RunConfig config, Path folder, List<Long> seeds, StageListener listener) {
    this.config = config;
    this.folder = folder;
    this.seeds = List.copyOf(seeds);
    this.listener = listener;
    sources = new Sources(config.threads(), listener);
  }

  /** Runs or goes on with all trainings. */
  public void run() throws IOException {
    Path encoder;
    Preflight.check(
        config, folder, List.of(Stages.TEACHER, Stages.LABELS, Stages.STUDENT), null, listener);
    try (RunFolder shared = RunFolder.open(folder, config);
        Stages stages = new Stages(config, shared, sources, listener)) {
      encoder = stages.encoder();
      for (long seed : seeds) {
        comparisons.put(seed, seed(seed, encoder));
      }
    }
  }

  private Comparison seed(long seed, Path encoder) throws IOException {
    RunConfig own = ConfigReader.with(config, List.of("seed=" + seed, "model.encoder=" + encoder));
    Path home = folder.resolve("seed-" + seed);
    SequencedMap<String, Path> networks = new LinkedHashMap<>();
    Path labels;
    try (RunFolder run = RunFolder.open(home.resolve("teacher"), own);
        Stages stages = new Stages(own, run, sources, listener)) {
      listener.note("seed " + seed + ": " + ROWS.getFirst().label());
      Path teacher = stages.teacher();
      networks.put(ROWS.getFirst().label(), teacher);
      labels = stages.pseudoLabels(teacher);
    }
    for (int i = 1; i < ROWS.size(); i++) {
      Row row = ROWS.get(i);
      listener.note("seed " + seed + ": " + row.label());
      RunConfig changed =
          ConfigReader.with(own, row.settings() == null ? List.of() : row.settings());
      try (RunFolder run = RunFolder.open(home.resolve("student-" + i), changed);
          Stages stages = new Stages(changed, run, sources, listener)) {
        networks.put(row.label(), stages.student(labels));
      }
    }
    return Comparison.of(own, networks, sources, listener);
  }

  /**
   * A number of the table.
   *
   * @param label of the row
   * @param seen which test sets; null for all
   * @return null if there is no such test set
   */
  public @Nullable Cell cell(String label, @Nullable Boolean seen, Metric metric) {
    TreeMap<String, List<Double>> byPicture = new TreeMap<>();
    List<Double> bySeed = new ArrayList<>();
    for (Comparison comparison : comparisons.values()) {
      double sum = 0;
      int count = 0;
      for (Comparison.TestSet set : comparison.results()) {
        Evaluation evaluation = set.byNetwork().get(label);
        if (evaluation == null || (seen != null && !seen.equals(set.seen()))) {
          continue;
        }
        for (PictureResult picture : evaluation.pictures()) {
          double value = metric.of(picture.metrics());
          byPicture
              .computeIfAbsent(set.name() + "/" + picture.id(), _ -> new ArrayList<>())
              .add(value);
          sum += value;
          count++;
        }
      }
      if (count > 0) {
        bySeed.add(sum / count);
      }
    }
    if (byPicture.isEmpty()) {
      return null;
    }
    double[] values =
        byPicture.values().stream()
            .mapToDouble(
                list -> list.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN))
            .toArray();
    return new Cell(Bootstrap.interval(values, Bootstrap.RESAMPLES, config.seed()), bySeed);
  }

  /** The comparisons by seed, for reports. */
  public Map<Long, Comparison> comparisons() {
    return comparisons;
  }

  /** The seeds. */
  public List<Long> seeds() {
    return seeds;
  }
}
