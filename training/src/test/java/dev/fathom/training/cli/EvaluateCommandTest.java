package dev.fathom.training.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.stage.MiniRun;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code fathom evaluate} as a user runs it, on a very small network of random weights. */
class EvaluateCommandTest {

  @TempDir private static Path shared;
  @TempDir private Path folder;

  private record Run(int code, String out, String err) {}

  @BeforeAll
  static void makeWeights() {
    Run run = fathom("smoke", "--tiny", "--out", shared.toString());
    assertEquals(0, run.code(), run.err());
  }

  @BeforeEach
  void makePictures() throws IOException {
    for (int i = 0; i < 3; i++) {
      int seed = i;
      BufferedImage picture = new BufferedImage(64, 48, BufferedImage.TYPE_INT_RGB);
      BufferedImage depth = new BufferedImage(32, 24, BufferedImage.TYPE_USHORT_GRAY);
      for (int y = 0; y < 48; y++) {
        for (int x = 0; x < 64; x++) {
          picture.setRGB(x, y, (x * 4) << 16 | (y * 5) << 8 | (seed * 80));
        }
      }
      for (int y = 0; y < 24; y++) {
        for (int x = 0; x < 32; x++) {
          // Millimetres; the first column has no reading.
          depth.getRaster().setSample(x, y, 0, x == 0 ? 0 : 1000 + 50 * y + 10 * seed * x);
        }
      }
      ImageIO.write(picture, "png", folder.resolve(i + ".png").toFile());
      ImageIO.write(depth, "png", folder.resolve(i + ".depth.png").toFile());
    }
  }

  @Test
  void printsATableAndWritesEverything() throws IOException {
    Path out = folder.resolve("new/out");
    Run run = evaluate("--out", out.toString(), "--flip", "--cap", "10");
    assertEquals(0, run.code(), run.err());
    assertTrue(run.out().startsWith("metric"), run.out());
    assertEquals(10, run.out().lines().count(), run.out());
    JsonNode json = new JsonMapper().readTree(Files.readString(out.resolve("evaluation.json")));
    assertTrue(json.get("fathom").stringValue().startsWith("fathom "));
    assertEquals("random_tiny.safetensors", json.get("weights").stringValue());
    assertEquals(folder.toString(), json.get("data").stringValue());
    assertEquals("relative", json.get("settings").get("protocol").stringValue());
    assertTrue(json.get("settings").get("flip").booleanValue());
    assertEquals(56, json.get("settings").get("input_size").intValue());
    assertEquals(3, json.get("evaluated").intValue());
    assertEquals(0, json.get("skipped").intValue());
    assertEquals(3, json.get("pictures").size());
    JsonNode first = json.get("pictures").get(0);
    assertEquals("0", first.get("id").stringValue());
    assertEquals(31 * 24, first.get("pixels").intValue());
    double sum = 0;
    for (JsonNode picture : json.get("pictures")) {
      sum += picture.get("abs_rel").doubleValue();
    }
    JsonNode mean = json.get("mean").get("abs_rel");
    assertEquals(sum / 3, mean.get("mean").doubleValue(), 1e-12);
    assertTrue(
        mean.get("low").doubleValue() <= sum / 3 && sum / 3 <= mean.get("high").doubleValue());
    assertEquals(9, json.get("mean").size());
    Run again = evaluate("--flip", "--cap", "10", "--format", "json");
    assertEquals(json, new JsonMapper().readTree(again.out()), "the same on every run");
  }

  @Test
  void picturesThatCannotBeComparedAreNamedAndTheRestGoesOn() throws IOException {
    Files.delete(folder.resolve("0.depth.png"));
    Files.writeString(folder.resolve("1.png"), "no picture");
    Run run = evaluate("--format", "json");
    assertEquals(2, run.code());
    assertTrue(run.err().contains("0.png: no depth map of it matches '{id}.depth.png'"), run.err());
    assertTrue(run.err().contains("1.png: "), run.err());
    assertTrue(run.err().contains("1 evaluated, 2 left out"), run.err());
    JsonNode json = new JsonMapper().readTree(run.out());
    assertEquals(1, json.get("evaluated").intValue());
    assertEquals("0", json.get("skipped_pictures").get(0).get("id").stringValue());
  }

  @Test
  void whereNothingIsLeftTheTableIsEmpty() {
    Run run = evaluate("--cap", "0.5");
    assertEquals(2, run.code());
    assertEquals("", run.out());
    assertTrue(run.err().contains("0: no valid pixel: none with a depth between"), run.err());
    assertTrue(run.err().contains("0 evaluated, 3 left out"), run.err());
  }

  @Test
  void wrongInputIsOneLine() throws IOException {
    Path file = Files.writeString(folder.resolve("file.txt"), "x");
    List<List<String>> wrong =
        List.of(
            List.of("--data", folder.resolve("none").toString()),
            List.of("--data", file.toString()),
            List.of("--data", shared.toString(), "--picture", "{id}.jpg"),
            List.of("--data", folder.toString(), "--depth", "depth.png"),
            List.of("--data", folder.toString(), "--depth", "{id}/{id}.png"),
            List.of("--data", folder.toString(), "--depth-scale", "0"),
            List.of("--data", folder.toString(), "--depth-scale", "x"),
            List.of("--data", folder.toString(), "--kind", "height"),
            List.of("--data", folder.toString(), "--cap", "-1"),
            List.of("--data", folder.toString(), "--crop", "middle"),
            List.of("--data", folder.toString(), "--format", "xml"),
            List.of("--data", folder.toString(), "--protocol", "absolute"),
            List.of("--data", folder.toString(), "--protocol", "metric"),
            List.of("--data", folder.toString(), "--resamples", "0"),
            List.of());
    for (List<String> arguments : wrong) {
      List<String> all = new ArrayList<>(List.of("evaluate", "--quiet", "--weights", weights()));
      all.addAll(arguments);
      Run run = fathom(all.toArray(String[]::new));
      assertEquals(2, run.code(), arguments + ": " + run.err());
      assertEquals(1, run.err().lines().count(), arguments + ": " + run.err());
      assertTrue(run.err().startsWith("fathom: "), run.err());
      assertFalse(run.err().contains("Exception"), run.err());
    }
  }

  @Test
  void masksListsAndFractionsAreUnderstood() throws IOException {
    for (int i = 0; i < 3; i++) {
      BufferedImage mask = new BufferedImage(32, 24, BufferedImage.TYPE_BYTE_GRAY);
      for (int y = 0; y < 12; y++) {
        for (int x = 0; x < 32; x++) {
          mask.getRaster().setSample(x, y, 0, 255);
        }
      }
      ImageIO.write(mask, "png", folder.resolve(i + ".mask.png").toFile());
    }
    Run run = evaluate("--mask", "{id}.mask.png", "--depth-scale", "1/1000", "--format", "json");
    assertEquals(0, run.code(), run.err());
    JsonNode first = new JsonMapper().readTree(run.out()).get("pictures").get(0);
    assertEquals(31 * 12, first.get("pixels").intValue());
  }

  @Test
  void renderedScenesAndTestSetsOfAConfiguration() throws IOException {
    Run rendered =
        network("--synth", "room,hills", "--count", "2", "--size", "64", "--input-size", "56");
    assertEquals(0, rendered.code(), rendered.err());
    assertEquals(4, new JsonMapper().readTree(rendered.out()).get("evaluated").intValue());
    String config = MiniRun.file(folder).toString();
    Run configured = network("--config", config, "--test", "hills");
    assertEquals(0, configured.code(), configured.err());
    JsonNode json = new JsonMapper().readTree(configured.out());
    assertEquals(2, json.get("evaluated").intValue());
    assertEquals(56, json.get("settings").get("input_size").intValue());
    assertEquals(80, json.get("settings").get("cap").doubleValue());
    Path limited = folder.resolve("limited.yaml");
    Files.writeString(limited, MiniRun.YAML.replace("{pictures: 1}", "{pictures: 1, limit: 1}"));
    Run one = network("--config", limited.toString(), "--test", "hills");
    assertEquals(1, new JsonMapper().readTree(one.out()).get("evaluated").intValue(), one.err());
    for (List<String> wrong :
        List.of(
            List.of("--config", config),
            List.of("--config", config, "--test", "snow"),
            List.of("--config", folder.resolve("none.yaml").toString()),
            List.of("--config", config, "--data", folder.toString()),
            List.of("--synth", "sea"),
            List.of("--synth", "room", "--count", "0"),
            List.of("--synth", "room", "--test", "hills"),
            List.of("--data", folder.toString(), "--size", "64"))) {
      Run run = network(wrong.toArray(String[]::new));
      assertEquals(2, run.code(), wrong + ": " + run.err());
      assertEquals(1, run.err().lines().count(), wrong + ": " + run.err());
    }
  }

  private static Run network(String... arguments) {
    List<String> all = new ArrayList<>(List.of("evaluate", "-q", "--format", "json", "--weights"));
    all.add(weights());
    all.addAll(List.of(arguments));
    return fathom(all.toArray(String[]::new));
  }

  private static String weights() {
    return shared.resolve("random_tiny.safetensors").toString();
  }

  private Run evaluate(String... arguments) {
    List<String> all =
        new ArrayList<>(
            List.of(
                "evaluate",
                "--weights",
                weights(),
                "--data",
                folder.toString(),
                "--input-size",
                "56"));
    all.addAll(List.of(arguments));
    if (!all.contains("--depth-scale")) {
      all.addAll(List.of("--depth-scale", "0.001"));
    }
    return fathom(all.toArray(String[]::new));
  }

  private static Run fathom(String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code = Fathom.run(new PrintWriter(out), new PrintWriter(err, true), arguments);
    return new Run(code, out.toString(), err.toString());
  }
}
