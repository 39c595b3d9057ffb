package dev.fathom.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ReportTest {

  private static final Family.Layer FC1 = new Family.Layer(Family.LINEAR, "fc1");
  private static final Family.Layer NORM1 = new Family.Layer(Family.NORM, "norm1");
  private static final Peak PEAK = new Peak(200e9, 20e9);

  @Test
  void aRateIsHeldAgainstThePeakOfItsKind() {
    Measurement linear = measurement(FC1, "fathom", Operator.Unit.FLOP, 1e9, 10, 20);
    assertEquals("100 GFLOP/s", linear.rateText());
    assertEquals("50 %", linear.shareText());
    Measurement norm = measurement(NORM1, "fathom", Operator.Unit.BYTE, 1e7, 1);
    assertEquals("10.0 GB/s", norm.rateText());
    assertEquals("50 %", norm.shareText());
    Measurement call = measurement(NORM1, "fathom", Operator.Unit.CALL, 1, 50e-6);
    assertEquals("50.0 ns", call.rateText());
    assertEquals("", call.shareText());
  }

  @Test
  void peersStandInTheRowOfTheSameWork() {
    Report report = new Report(Map.of("cores", "2"));
    report.add(measurement(FC1, "fathom", Operator.Unit.FLOP, 1e9, 10));
    report.add(measurement(FC1, "openblas", Operator.Unit.FLOP, 1e9, 20));
    report.add(measurement(NORM1, "fathom", Operator.Unit.BYTE, 1e7, 1));
    List<String> rows = report.markdown().lines().filter(line -> line.startsWith("| ")).toList();
    assertEquals(3, rows.size(), report::markdown);
    assertTrue(rows.get(1).contains("time ratio 0.500"), report::markdown);
    assertTrue(!rows.get(2).contains("time ratio"), report::markdown);
    assertTrue(report.markdown().contains("- cores: 2\n"), report::markdown);
  }

  @Test
  void bothFilesAreWritten(@TempDir Path folder) throws IOException {
    Report report = new Report(Map.of("cores", "2"));
    report.note("no openblas");
    report.add(measurement(FC1, "fathom", Operator.Unit.FLOP, 1e9, 10, 30));
    report.add(new Report.Section("Network", "text\n", Map.of("best", 0.5)));
    report.write(folder.resolve("new").resolve("v1.2"));
    assertEquals(report.markdown(), Files.readString(folder.resolve("new/v1.2.md")));
    JsonNode json = JsonMapper.shared().readTree(Files.readString(folder.resolve("new/v1.2.json")));
    assertEquals("2", json.at("/machine/cores").asString());
    assertEquals(20, json.at("/operators/0/median").asDouble());
    assertEquals(0.5, json.at("/operators/0/share").asDouble());
    assertEquals(0.5, json.at("/sections/Network/best").asDouble());
    assertEquals("no openblas", json.at("/notes/0").asString());
  }

  @Test
  void figuresSurviveTheirFile(@TempDir Path folder) throws IOException {
    Figures figures =
        new Figures("[1370,384] x [384,1536] + bias", Operator.Unit.FLOP, 1.6e9, PEAK);
    figures.write(folder.resolve("figures"));
    assertEquals(figures, Figures.read(folder.resolve("figures")));
  }

  private static Measurement measurement(
      Family.Layer layer, String library, Operator.Unit unit, double work, double... times) {
    Figures figures = new Figures("shape", unit, work, PEAK);
    return Measurement.of(
        layer,
        "vits",
        2,
        "auto",
        library,
        figures,
        Statistics.of(DoubleStream.of(times).boxed().toList()));
  }
}
