package dev.fathom.training.stage;

import dev.fathom.training.config.ConfigReader;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.evaluation.Evaluation;
import dev.fathom.training.evaluation.Metric;
import dev.fathom.training.report.HtmlReport;
import dev.fathom.training.report.JsonFiles;
import dev.fathom.training.report.MetricsLog;
import dev.fathom.training.report.Report;
import dev.fathom.training.report.Report.Best;
import dev.fathom.training.report.Report.Block;
import dev.fathom.training.report.Report.Cell;
import dev.fathom.training.report.Report.Column;
import dev.fathom.training.report.Report.LineChart;
import dev.fathom.training.report.Report.Row;
import dev.fathom.training.report.Report.Section;
import dev.fathom.training.report.Report.Series;
import dev.fathom.training.report.Report.Table;
import dev.fathom.training.report.Report.Wall;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What a run leaves for people and for programs: {@code report.html}, {@code metrics.json}. */
public final class RunReport {

  private static final String TEACHER = "teacher";
  private static final String STUDENT = "student";
  private static final double SMOOTHING = 0.9;

  private RunReport() {}

  /** Writes both files into the run's folder. */
  public static void write(RunConfig config, Path folder, Comparison comparison)
      throws IOException {
    JsonFiles.write(folder.resolve("metrics.json"), json(config, comparison));
    List<Section> sections = new ArrayList<>();
    sections.add(new Section("Result", result(comparison)));
    ablation(folder).ifPresent(sections::add);
    List<Block> curves = curves(folder);
    if (!curves.isEmpty()) {
      sections.add(new Section("Training", curves));
    }
    if (!comparison.wall().isEmpty()) {
      List<String> columns = new ArrayList<>(List.of("input", "truth"));
      columns.addAll(networks(comparison));
      sections.add(
          Section.of(
              "Pictures",
              new Wall(
                  "Test pictures that no network was trained on; disparity, bright is near",
                  columns,
                  comparison.wall())));
    }
    sections.add(
        Section.of("Configuration", new Report.Listing("config.yaml", ConfigReader.write(config))));
    HtmlReport.write(
        folder.resolve("report.html"),
        new Report(
            "Self-training of a depth network",
            config.model().size()
                + " at "
                + config.input().side()
                + " pixels, seed "
                + config.seed(),
            sections));
  }

  /** The table of {@code fathom ablate}, if it was run in the run's folder or in one below it. */
  private static Optional<Section> ablation(Path folder) {
    for (String name : List.of("", "ablation")) {
      Table table = AblationReport.read(folder.resolve(name));
      if (table != null) {
        String page = name.isEmpty() ? AblationReport.PAGE : name + "/" + AblationReport.PAGE;
        return Optional.of(
            Section.of(
                "Ablation", table, new Report.Paragraph("Written by fathom ablate: " + page)));
      }
    }
    return Optional.empty();
  }

  private static List<String> networks(Comparison comparison) {
    return comparison.results().isEmpty()
        ? List.of()
        : List.copyOf(comparison.results().getFirst().byNetwork().keySet());
  }

  private static List<Block> result(Comparison comparison) {
    List<Block> blocks = new ArrayList<>();
    List<Report.Figure> figures = new ArrayList<>();
    for (Boolean seen : new Boolean[] {true, false}) {
      Double teacher = mean(comparison, TEACHER, seen, Metric.ABS_REL);
      Double student = mean(comparison, STUDENT, seen, Metric.ABS_REL);
      if (teacher != null && student != null) {
        figures.add(
            new Report.Figure(
                "AbsRel on " + (seen ? "seen" : "unseen") + " domains",
                "%.4f to %.4f".formatted(teacher, student),
                "teacher to student, %+.1f %%".formatted(100 * (student / teacher - 1))));
      }
    }
    if (!figures.isEmpty()) {
      blocks.add(new Report.KeyFigures(figures));
    }
    for (Metric metric : List.of(Metric.ABS_REL, Metric.DELTA1)) {
      Best best = metric.higherIsBetter() ? Best.HIGHEST : Best.LOWEST;
      List<Column> columns = new ArrayList<>();
      for (Comparison.TestSet set : comparison.results()) {
        columns.add(new Column(label(set), best, 4));
      }
      List<Row> rows = new ArrayList<>();
      for (String network : networks(comparison)) {
        List<@Nullable Cell> cells = new ArrayList<>();
        for (Comparison.TestSet set : comparison.results()) {
          Evaluation evaluation = set.byNetwork().get(network);
          var interval = evaluation == null ? null : evaluation.means().get(metric);
          cells.add(interval == null ? null : Cell.of(interval));
        }
        rows.add(new Row(network, cells));
      }
      if (!columns.isEmpty()) {
        blocks.add(
            new Table(
                metric.label()
                    + (metric.higherIsBetter() ? ", higher is better" : ", lower is better")
                    + "; mean over pictures with its 95 % confidence interval",
                "network",
                columns,
                rows));
      }
    }
    if (blocks.isEmpty()) {
      blocks.add(new Report.Paragraph("The configuration names no test sets."));
    }
    return blocks;
  }

  private static String label(Comparison.TestSet set) {
    return set.name() + (set.seen() == null ? "" : set.seen() ? " (seen)" : " (unseen)");
  }

  /** The mean over test sets; null if there are none. */
  static @Nullable Double mean(
      Comparison comparison, String network, @Nullable Boolean seen, Metric metric) {
    double sum = 0;
    int count = 0;
    for (Comparison.TestSet set : comparison.results()) {
      Evaluation evaluation = set.byNetwork().get(network);
      if (evaluation == null || (seen != null && !seen.equals(set.seen()))) {
        continue;
      }
      var interval = evaluation.means().get(metric);
      if (interval != null) {
        sum += interval.mean();
        count++;
      }
    }
    return count == 0 ? null : sum / count;
  }

  private static List<Block> curves(Path folder) throws IOException {
    List<Block> blocks = new ArrayList<>();
    for (String stage : List.of(Stages.ENCODER, Stages.TEACHER, Stages.STUDENT)) {
      Path file = StageLog.file(folder.resolve(stage));
      if (!Files.exists(file)) {
        continue;
      }
      List<MetricsLog.Entry> log = MetricsLog.read(file);
      List<Series> series = new ArrayList<>();
      for (String key : List.of("loss", "labelled", "unlabelled", "alignment", "validation-loss")) {
        if (log.stream().anyMatch(entry -> entry.values().containsKey(key))) {
          series.add(Series.of(key, log, key));
        }
      }
      if (!series.isEmpty()) {
        blocks.add(
            new LineChart(
                stage.substring(0, 1).toUpperCase(Locale.ROOT) + stage.substring(1),
                "step",
                "loss",
                false,
                SMOOTHING,
                series));
      }
    }
    return blocks;
  }

  private static Map<String, Object> json(RunConfig config, Comparison comparison) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("seed", config.seed());
    Map<String, Object> sets = new LinkedHashMap<>();
    for (Comparison.TestSet set : comparison.results()) {
      Map<String, Object> entry = new LinkedHashMap<>();
      if (set.seen() != null) {
        entry.put("seen", set.seen());
      }
      set.byNetwork()
          .forEach((network, evaluation) -> {
            Map<String, Object> metrics = new LinkedHashMap<>();
            metrics.put("pictures", evaluation.pictures().size());
            metrics.put("skipped", evaluation.skipped().size());
            evaluation.means().forEach((metric, mean) -> metrics.put(metric.key(), mean));
            entry.put(network, metrics);
          });
      sets.put(set.name(), entry);
    }
    json.put("test_sets", sets);
    Map<String, Object> means = new LinkedHashMap<>();
    for (String network : networks(comparison)) {
      Map<String, Object> groups = new LinkedHashMap<>();
      put(groups, "seen", mean(comparison, network, true, Metric.ABS_REL));
      put(groups, "unseen", mean(comparison, network, false, Metric.ABS_REL));
      put(groups, "all", mean(comparison, network, null, Metric.ABS_REL));
      means.put(network, groups);
    }
    json.put("mean_abs_rel", means);
    return json;
  }

  private static void put(Map<String, Object> map, String key, @Nullable Double value) {
    if (value != null) {
      map.put(key, value);
    }
  }
}
