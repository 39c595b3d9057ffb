package dev.fathom.training.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.yaml.YAMLMapper;

/** Defaults, a file and settings, one over the other. */
class ConfigReaderTest {

  @TempDir private Path folder;

  @Test
  void theDefaultsAreThoseOfThePaper() {
    RunConfig config = ConfigReader.read(null, List.of());
    assertEquals(518, config.input().side());
    assertEquals(20, config.teacher().epochs());
    assertEquals(5e-6, config.student().encoderRate());
    assertEquals(5e-5, config.student().headRate());
    assertEquals(2, config.student().unlabelledPerLabelled());
    assertEquals(0.85, config.student().alignment().margin());
    assertNull(config.model().encoder());
  }

  @Test
  void settingsGoOverTheFileAndTheFileOverTheDefaults() throws IOException {
    Path file =
        Files.writeString(
            folder.resolve("own.yaml"),
            "teacher:\n  batch: 3\n  steps: 7\nmodel:\n  custom: {taps: [1, 2]}\n");
    RunConfig config =
        ConfigReader.read(
            file,
            List.of(
                "teacher.batch=4",
                "teacher.batch=5",
                "student.distortion.blur-sigma=[0.1, 1]",
                "model.encoder=a.safetensors",
                "student.unlabelled=false"));
    assertEquals(5, config.teacher().batch());
    assertEquals(7, config.teacher().steps());
    assertEquals(0.5, config.teacher().flip());
    assertEquals(List.of(1, 2), config.model().custom().taps(), "a list is replaced, not merged");
    assertEquals(192, config.model().custom().embedDim());
    assertEquals(List.of(0.1, 1.0), config.student().distortion().blurSigma());
    assertEquals("a.safetensors", config.model().encoder());
    assertEquals(false, config.student().unlabelled());
    assertNull(ConfigReader.read(null, List.of("model.encoder=null")).model().encoder());
  }

  @Test
  void whatIsWrittenIsReadAgain() throws IOException {
    RunConfig config =
        ConfigReader.read(
            null,
            List.of(
                "data.labelled=[{name: a, path: b, scale: 0.001}]",
                "data.test=[{synth: {domains: [room], count: 2, first: 0, seed: 5, side: 64}}]"));
    String text = ConfigReader.write(config);
    assertEquals(config, ConfigReader.parse(text));
    Path file = Files.writeString(folder.resolve("config.yaml"), text);
    assertEquals(config, ConfigReader.read(file, List.of()), "a run's own file can be used again");
    assertEquals(
        ConfigReader.read(null, List.of()),
        ConfigReader.read(
            Files.writeString(folder.resolve("defaults.yaml"), ConfigReader.defaultsText()),
            List.of()));
    assertEquals(
        ConfigReader.read(null, List.of()),
        ConfigReader.read(Files.writeString(folder.resolve("empty.yaml"), "# none\n"), List.of()));
  }

  @Test
  void whatAnEarlierVersionWroteIsCompleted() {
    String[] cycling = {"cycle-momentum", "base-momentum", "max-momentum"};
    String linear = ConfigReader.write(ConfigReader.read(null, List.of()));
    assertEquals(linear, ConfigReader.completed(without(linear, cycling), "old"));
    // A one-cycle run of that time left beta1 alone.
    String oneCycle =
        ConfigReader.write(ConfigReader.read(null, List.of("teacher.schedule=one-cycle")));
    assertEquals(
        oneCycle.replace("cycle-momentum: true", "cycle-momentum: false"),
        ConfigReader.completed(without(oneCycle, cycling), "old"));
    assertEquals(oneCycle, ConfigReader.completed(oneCycle, "new"));
    assertThrows(UserException.class, () -> ConfigReader.completed("teecher: 1", "old"));
  }

  private static String without(String yaml, String... keys) {
    return yaml.lines()
        .filter(line -> Stream.of(keys).noneMatch(key -> line.strip().startsWith(key + ":")))
        .collect(Collectors.joining("\n", "", "\n"));
  }

  /** The comments of the defaults are the documentation of the keys. */
  @Test
  void theDefaultsHaveEveryKeyOfTheRecordsAndNoOther() {
    YAMLMapper yaml = new YAMLMapper();
    String written = ConfigReader.write(ConfigReader.read(null, List.of()));
    assertEquals(
        keys(yaml.readTree(written), ""), keys(yaml.readTree(ConfigReader.defaultsText()), ""));
  }

  private static Set<String> keys(JsonNode node, String path) {
    Set<String> keys = new TreeSet<>();
    node.properties()
        .forEach(entry -> {
          String key = path + "/" + entry.getKey();
          keys.add(key);
          keys.addAll(keys(entry.getValue(), key));
        });
    return keys;
  }
}
