package dev.fathom.training.stage;

import dev.fathom.nn.checkpoint.AtomicFile;
import dev.fathom.training.config.ConfigReader;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.evaluation.Bootstrap;
import dev.fathom.training.evaluation.Metric;
import dev.fathom.training.report.HtmlReport;
import dev.fathom.training.report.JsonFiles;
import dev.fathom.training.report.Report;
import dev.fathom.training.report.Report.Best;
import dev.fathom.training.report.Report.Column;
import dev.fathom.training.report.Report.Section;
import dev.fathom.training.report.Report.Table;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The ablation as a page, as Markdown and as JSON. */
public final class AblationReport {

  /** A column: which test sets, which metric. */
  private record Part(String label, String key, @Nullable Boolean seen, Metric metric) {}

  private static final List<Part> PARTS =
      List.of(
          new Part("AbsRel, unseen", "abs_rel_unseen", false, Metric.ABS_REL),
          new Part("delta1, unseen", "delta1_unseen", false, Metric.DELTA1),
          new Part("AbsRel, seen", "abs_rel_seen", true, Metric.ABS_REL),
          new Part("delta1, seen", "delta1_seen", true, Metric.DELTA1));

  private AblationReport() {}

  /** The page's file; another name than that of a run's report, which may be in the same folder. */
  static final String PAGE = "ablation.html";

  private static final String JSON = "ablation.json";

  /** Writes {@code ablation.html}, {@code ablation.md} and {@code ablation.json}. */
  public static void write(RunConfig config, Path folder, Ablation ablation) throws IOException {
    JsonFiles.write(folder.resolve(JSON), json(ablation));
    byte[] text = markdown(ablation).getBytes(StandardCharsets.UTF_8);
    AtomicFile.write(folder.resolve("ablation.md"), out -> out.write(ByteBuffer.wrap(text)));
    HtmlReport.write(
        folder.resolve(PAGE),
        new Report(
            "What unlabelled pictures give",
            "seeds " + seeds(ablation),
            List.of(
                Section.of("Ablation", table(ablation)),
                Section.of(
                    "Configuration",
                    new Report.Listing("config.yaml", ConfigReader.write(config))))));
  }

  /**
   * The table of an ablation that was written before.
   *
   * @param folder of the ablation
   * @return null if there is none, or it cannot be read
   */
  static @Nullable Table read(Path folder) {
    Path file = folder.resolve(JSON);
    if (!Files.exists(file)) {
      return null;
    }
    try {
      JsonNode written = JsonMapper.shared().readTree(Files.readAllBytes(file));
      List<Report.Row> rows = new ArrayList<>();
      for (var row : written.path("rows").properties()) {
        List<Report.@Nullable Cell> cells = new ArrayList<>();
        for (Part part : PARTS) {
          JsonNode interval = row.getValue().path(part.key()).path("interval");
          cells.add(
              interval.isMissingNode()
                  ? null
                  : Report.Cell.of(
                      new Bootstrap.Interval(
                          interval.required("mean").doubleValue(),
                          interval.required("low").doubleValue(),
                          interval.required("high").doubleValue())));
        }
        rows.add(new Report.Row(row.getKey(), cells));
      }
      return rows.isEmpty() ? null : table(rows);
    } catch (IOException | JacksonException _) {
      // A report without it is better than none.
      return null;
    }
  }

  private static String seeds(Ablation ablation) {
    return ablation.seeds().stream().map(String::valueOf).collect(Collectors.joining(", "));
  }

  private static Table table(Ablation ablation) {
    List<Report.Row> rows = new ArrayList<>();
    for (Ablation.Row row : Ablation.ROWS) {
      List<Report.@Nullable Cell> cells = new ArrayList<>();
      for (Part part : PARTS) {
        Ablation.Cell cell = ablation.cell(row.label(), part.seen(), part.metric());
        cells.add(cell == null ? null : Report.Cell.of(cell.interval()));
      }
      rows.add(new Report.Row(row.label(), cells));
    }
    return table(rows);
  }

  private static Table table(List<Report.Row> rows) {
    List<Column> columns = new ArrayList<>();
    for (Part part : PARTS) {
      columns.add(
          new Column(part.label(), part.metric().higherIsBetter() ? Best.HIGHEST : Best.LOWEST, 4));
    }
    return new Table(
        "Mean over the test pictures, each the mean over the seeds, with its 95 % bootstrap interval",
        "student trained on", columns, rows);
  }

  private static String markdown(Ablation ablation) {
    StringBuilder text = new StringBuilder("| student trained on |");
    PARTS.forEach(part -> text.append(' ').append(part.label()).append(" |"));
    text.append("\n|-|").append("-|".repeat(PARTS.size())).append('\n');
    for (Ablation.Row row : Ablation.ROWS) {
      text.append("| ").append(row.label()).append(" |");
      for (Part part : PARTS) {
        Ablation.Cell cell = ablation.cell(row.label(), part.seen(), part.metric());
        text.append(' ').append(cell == null ? "-" : markdown(cell)).append(" |");
      }
      text.append('\n');
    }
    return text.append("\nMean over the test pictures (each the mean over the seeds ")
        .append(seeds(ablation))
        .append(") with its 95 % bootstrap interval; in brackets the mean of each seed.\n")
        .toString();
  }

  private static String markdown(Ablation.Cell cell) {
    String bySeed =
        cell.bySeed().stream()
            .map(value -> String.format(Locale.ROOT, "%.4f", value))
            .collect(Collectors.joining(", "));
    return String.format(
        Locale.ROOT,
        "%.4f, %.4f to %.4f (%s)",
        cell.interval().mean(),
        cell.interval().low(),
        cell.interval().high(),
        bySeed);
  }

  private static Map<String, Object> json(Ablation ablation) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("seeds", ablation.seeds());
    Map<String, Object> rows = new LinkedHashMap<>();
    for (Ablation.Row row : Ablation.ROWS) {
      Map<String, Object> cells = new LinkedHashMap<>();
      for (Part part : PARTS) {
        Ablation.Cell cell = ablation.cell(row.label(), part.seen(), part.metric());
        if (cell != null) {
          cells.put(part.key(), cell);
        }
      }
      rows.put(row.label(), cells);
    }
    json.put("rows", rows);
    Map<String, Object> bySet = new LinkedHashMap<>();
    ablation
        .comparisons()
        .forEach((seed, comparison) -> {
          Map<String, Object> sets = new LinkedHashMap<>();
          for (Comparison.TestSet set : comparison.results()) {
            Map<String, Object> networks = new LinkedHashMap<>();
            set.byNetwork()
                .forEach((network, evaluation) -> {
                  var mean = evaluation.means().get(Metric.ABS_REL);
                  if (mean != null) {
                    networks.put(network, mean.mean());
                  }
                });
            sets.put(set.name(), networks);
          }
          bySet.put("seed " + seed, sets);
        });
    json.put("abs_rel_by_seed_and_test_set", bySet);
    return json;
  }
}
