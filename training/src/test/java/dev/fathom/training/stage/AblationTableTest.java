package dev.fathom.training.stage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.config.RunConfig;
import dev.fathom.training.report.Report;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The table of an ablation, on its own page and in the report of the run beside it. */
class AblationTableTest {

  @TempDir private Path folder;

  @Test
  void theReportOfARunShowsTheAblationOfItsFolder() throws IOException {
    RunConfig config =
        MiniRun.config(folder, "pretrain.steps=1", "teacher.steps=1", "student.steps=1");
    Path run = folder.resolve("run");
    Path below = run.resolve("ablation");
    Comparison none =
        Comparison.of(
            config,
            new LinkedHashMap<>(),
            new Sources(1, new MiniRun.Quiet()),
            new MiniRun.Quiet());
    RunReport.write(config, run, none);
    assertFalse(Files.readString(run.resolve("report.html")).contains("student trained on"));

    Ablation ablation = new Ablation(config, below, List.of(1L), new MiniRun.Quiet());
    ablation.run();
    AblationReport.write(config, below, ablation);
    Report.Table table = AblationReport.read(below);
    assertNotNull(table);
    assertEquals(
        Ablation.ROWS.stream().map(Ablation.Row::label).toList(),
        table.rows().stream().map(Report.Row::label).toList());
    String page = Files.readString(below.resolve("ablation.html"));
    List<String> rows = page.lines().filter(line -> line.contains("scope=\"row\"")).toList();
    assertEquals(Ablation.ROWS.size(), rows.size());

    RunReport.write(config, run, none);
    String report = Files.readString(run.resolve("report.html"));
    assertTrue(report.contains("ablation/ablation.html"));
    IntStream.range(0, rows.size())
        .forEach(i -> assertTrue(report.contains(rows.get(i)), "as on its own page: " + i));
    assertFalse(Files.exists(below.resolve("report.html")), "the run's report has that name");
  }

  @Test
  void whatIsNoAblationIsLeftOut() throws IOException {
    assertNull(AblationReport.read(folder));
    for (String text : List.of("", "{", "[]", "{\"rows\": {}}", "{\"rows\": {\"a\": 1}}")) {
      Files.writeString(folder.resolve("ablation.json"), text);
      Report.Table table = AblationReport.read(folder);
      assertTrue(
          table == null || table.rows().getFirst().cells().stream().allMatch(c -> c == null), text);
    }
  }
}
