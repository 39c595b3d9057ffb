package dev.fathom.training.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MetricsLogTest {

  @TempDir private Path folder;

  @Test
  void everyLineIsThereAsSoonAsItIsWritten() throws IOException {
    Path file = folder.resolve("run/metrics.jsonl");
    try (MetricsLog log = MetricsLog.open(file, 0)) {
      log.write(1, values("epoch", 0, "loss", 0.25));
      assertEquals("{\"step\":1,\"epoch\":0,\"loss\":0.25}\n", Files.readString(file));
      log.write(2, values("epoch", 0, "loss", Double.NaN));
      assertEquals("{\"step\":2,\"epoch\":0,\"loss\":null}", Files.readAllLines(file).get(1));
    }
    List<MetricsLog.Entry> entries = MetricsLog.read(file);
    assertEquals(new MetricsLog.Entry(1, Map.of("epoch", 0.0, "loss", 0.25)), entries.getFirst());
    assertEquals(Map.of("epoch", 0.0, "loss", Double.NaN), entries.get(1).values());
  }

  @Test
  void goingOnFromAStepDropsWhatCameAfterIt() throws IOException {
    Path file = folder.resolve("metrics.jsonl");
    try (MetricsLog log = MetricsLog.open(file, 0)) {
      for (int step = 1; step <= 5; step++) {
        log.write(step, values("loss", 1.0 / step));
      }
    }
    try (MetricsLog log = MetricsLog.open(file, 3)) {
      log.write(4, values("loss", 7));
    }
    assertEquals(
        List.of(1L, 2L, 3L, 4L),
        MetricsLog.read(file).stream().map(MetricsLog.Entry::step).toList());
    assertEquals(7, MetricsLog.read(file).get(3).values().get("loss"));
    try (var files = Files.list(folder)) {
      assertEquals(1, files.count(), "no temporary file stays");
    }
  }

  @Test
  void aNewRunStartsEmpty() throws IOException {
    Path file = folder.resolve("metrics.jsonl");
    Files.writeString(file, "{\"step\":1,\"loss\":2}\n");
    MetricsLog.open(file, 0).close();
    assertEquals("", Files.readString(file));
  }

  @Test
  void aTornLastLineIsDroppedAndAWholeOneWithoutItsEndIsKept() throws IOException {
    Path file = folder.resolve("metrics.jsonl");
    String line = "{\"step\":1,\"loss\":0.5}";
    for (int cut = 1; cut < line.length(); cut++) {
      Files.writeString(file, line + "\n" + line.substring(0, cut).replace("1", "2"));
      assertEquals(1, MetricsLog.read(file).size(), "cut at " + cut);
      MetricsLog.open(file, 9).close();
      assertEquals(line + "\n", Files.readString(file), "cut at " + cut);
    }
    Files.writeString(file, line + "\n" + line.replace("1", "2"));
    try (MetricsLog log = MetricsLog.open(file, 9)) {
      log.write(10, values("loss", 0));
    }
    assertEquals(
        List.of(1L, 2L, 10L), MetricsLog.read(file).stream().map(MetricsLog.Entry::step).toList());
  }

  @Test
  void aFileThatIsNoLogIsLeftAsItIs() throws IOException {
    Path file = folder.resolve("notes.txt");
    String text = "some notes\nthat someone keeps\n";
    Files.writeString(file, text);
    UserException refused =
        assertThrows(UserException.class, () -> MetricsLog.open(file, 0).close());
    assertEquals(file + ": line 1 is not one of a log of metrics", refused.getMessage());
    assertEquals(text, Files.readString(file));
  }

  @Test
  void aLogThatDoesNotExistIsEmpty() throws IOException {
    assertTrue(MetricsLog.read(folder.resolve("none.jsonl")).isEmpty());
  }

  @Test
  void otherFieldsAreIgnoredWhenRead() throws IOException {
    Path file = folder.resolve("metrics.jsonl");
    Files.writeString(
        file,
        "{\"step\":1,\"note\":\"text\",\"list\":[1],\"loss\":2}\n",
        StandardOpenOption.CREATE);
    assertEquals(Map.of("loss", 2.0), MetricsLog.read(file).getFirst().values());
  }

  private static Map<String, Number> values(Object... namesAndNumbers) {
    Map<String, Number> values = new LinkedHashMap<>();
    for (int i = 0; i < namesAndNumbers.length; i += 2) {
      values.put((String) namesAndNumbers[i], (Number) namesAndNumbers[i + 1]);
    }
    return values;
  }
}
