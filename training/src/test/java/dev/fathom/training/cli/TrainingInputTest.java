package dev.fathom.training.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.stage.MiniRun;
import dev.fathom.training.stage.RunFolder;
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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What users get wrong in a run, and what is unusual but right. */
class TrainingInputTest {

  @TempDir private static Path shared;
  @TempDir private Path folder;
  private static Path whole;

  private record Run(int code, String out, String err) {}

  private static Run fathom(String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code = Fathom.run(new PrintWriter(out), new PrintWriter(err, true), arguments);
    return new Run(code, out.toString(), err.toString());
  }

  /** One run whose encoder, teacher and labels the others use. */
  @BeforeAll
  static void runOnce() {
    whole = shared.resolve("whole");
    Run run =
        fathom(
            "selftrain",
            "-q",
            "-c",
            MiniRun.file(shared).toString(),
            "-o",
            whole.toString(),
            "--set",
            "pretrain.steps=1",
            "--set",
            "teacher.steps=1",
            "--set",
            "student.steps=1");
    assertEquals(0, run.code(), run.err());
  }

  /** Runs a command with the encoder that is there, one step each, and further arguments. */
  private Run run(String command, String... arguments) {
    List<String> all =
        new ArrayList<>(List.of(command, "-q", "-c", MiniRun.file(folder).toString()));
    if (!List.of(arguments).contains("-o")) {
      all.addAll(List.of("-o", folder.resolve("run").toString()));
    }
    for (String setting :
        List.of(
            "model.encoder=" + whole.resolve("encoder/weights.safetensors"),
            "teacher.steps=1",
            "student.steps=1")) {
      all.add("--set");
      all.add(setting);
    }
    all.addAll(List.of(arguments));
    return fathom(all.toArray(String[]::new));
  }

  private static void assertOneLine(Run run, String... parts) {
    assertEquals(ExitCode.USER, run.code(), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().startsWith("fathom: "), run.err());
    assertFalse(run.err().contains("Exception"), run.err());
    for (String part : parts) {
      assertTrue(run.err().contains(part), part + " in: " + run.err());
    }
  }

  private Run withFile(String yaml) throws IOException {
    Path file = Files.writeString(folder.resolve("own.yaml"), yaml);
    return fathom("train", "-q", "-c", file.toString(), "-o", folder.resolve("run").toString());
  }

  @Test
  void wrongConfigurationFiles() throws IOException {
    assertOneLine(withFile("teachr: {batch: 2}"), "own.yaml: unknown key 'teachr'", "teacher?");
    assertOneLine(
        withFile("data: {labelled: [{path: a}, {pth: b}]}"),
        "'data.labelled[1].pth'",
        "did you mean path");
    assertOneLine(
        withFile("data: {labelled: [{synth: {domain: [room]}}]}"),
        "'data.labelled[0].synth.domain'",
        "did you mean domains");
    assertOneLine(withFile("teacher: {batch: many}"), "own.yaml: 'teacher.batch'");
    assertOneLine(withFile("teacher: {batch: 1.5}"), "own.yaml: 'teacher.batch'");
    assertOneLine(withFile("teacher: {batch: 99999999999}"), "own.yaml: 'teacher.batch'");
    assertOneLine(withFile("teacher: 5"), "'teacher' must have keys below it");
    assertOneLine(withFile("data: {labelled: }"), "'data.labelled' has no value");
    assertOneLine(withFile("data: {labelled: [null]}"), "'data.labelled[0]' has no value");
    assertOneLine(withFile("model: {custom: {taps: 3}}"), "'model.custom.taps'");
    assertOneLine(withFile("seed: 1\nteacher: {batch: 2\nstudent: 1"), "own.yaml:");
    assertOneLine(withFile("seed: 1\nseed: 2\n"), "own.yaml");
    assertOneLine(withFile("- a\n"), "own.yaml: is not a mapping");
    assertOneLine(
        fathom("train", "-c", folder.resolve("none.yaml").toString()), "none.yaml: no such file");
    assertFalse(Files.exists(folder.resolve("run")));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "teacher.batch                              | --set teacher.batch: must be key=value",
        "=5                                         | must be key=value",
        "teacher.btach=2                            | did you mean batch?",
        "input.side=57                              | 'input.side': 57",
        "teacher.batch=0                            | 'teacher.batch': 0 is below 1",
        "teacher.head-rate=.nan                     | 'teacher.head-rate'",
        "teacher.schedule=cosine                    | 'teacher.schedule': 'cosine' is not known",
        "threads=-1                                 | 'threads'",
        "model.size=vitx                            | 'model.size'",
        "model.custom.taps=[0, 1, 2, 9]             | model",
        "model.custom.heads=7                       | model",
        "model.encoder=/none/encoder.safetensors    | /none/encoder.safetensors: no such file",
        "data.labelled=[]                           | data.labelled: no data set is given",
        "data.labelled=[{path: /none/pictures}]     | data.labelled[0]: /none/pictures: no such file or folder",
        "'data.test=[{path: /none/test}]'           | data.test[0]: /none/test: no such file or folder",
        "'data.validation=[{synth: {domains: [room], count: 1, side: 64}}, {path: /none/v}]' | data.validation[1]: /none/v: no such",
        "'data.unlabelled=[{path: /none/u}]'        | data.unlabelled[0]: /none/u: no such file or folder",
        "'data.test=[{path: src, depht: x}]'        | data.test[0].depht",
        "'data.labelled=[{synth: {count: 3}}]'      | data.labelled[0].synth: needs domains",
        "'data.labelled=[{synth: {domains: [sea], count: 1, side: 64}}]' | data.labelled[0].synth",
        "'data.labelled=[{synth: {domains: [room], side: 64}}]'          | data.labelled[0].synth",
        "'data.labelled=[{name: a}]'                | data.labelled[0]: needs a path",
      })
  void wrongSettings(String setting, String message) {
    assertOneLine(run("train", "--set", setting), message);
    assertFalse(Files.exists(folder.resolve("run/teacher")));
  }

  @Test
  void wrongEncoders() throws IOException {
    Path none = Files.writeString(folder.resolve("none.safetensors"), "no checkpoint");
    assertOneLine(run("train", "--set", "model.encoder=" + none), "none.safetensors");
    assertOneLine(run("train", "--set", "model.custom.embed-dim=128"), "weights.safetensors");
    assertOneLine(run("train", "--set", "model.encoder=" + folder), folder.toString());
    assertFalse(Files.exists(folder.resolve("run/teacher")));
  }

  @Test
  void wrongLabels() throws IOException {
    Path empty = Files.createDirectories(folder.resolve("empty"));
    String labels = whole.resolve("pseudo-labels").toString();
    assertOneLine(run("train", "--labels", labels), "--labels: goes with --student");
    assertOneLine(run("train", "--student"), "no pseudo-labels there");
    assertOneLine(
        run("train", "--student", "--labels", empty.toString()), empty + ": no finished shard");
    assertOneLine(
        run(
            "train",
            "--student",
            "--labels",
            labels,
            "--set",
            "data.unlabelled=[{synth: {domains: [park], count: 6, side: 64, seed: 12}}]"),
        "a pseudo-label of",
        "which is not in");
    assertFalse(Files.exists(folder.resolve("run/student")));
    Run good = run("train", "--student", "--labels", labels);
    assertEquals(0, good.code(), good.err());
  }

  /** What a later stage needs, missing when an earlier one is about to begin. */
  @Test
  void laterStagesAreLookedAtBeforeTheFirst() throws IOException {
    Path flat = folder.resolve("flat");
    pair(flat, "0", 70, 60, 0, false);
    String[] faults = {
      "data.test=[{path: '" + flat + "'}]",
      "data.validation=[{path: '" + flat + "'}]",
      "data.test=[{path: '" + flat + "', picture: '{id}.png', depth: '{id}.depth.png'}]",
    };
    String[] messages = {
      "data.test[0]: " + flat + " has no depth",
      "data.validation[0]: " + flat + " has no depth",
      "data.test[0]: " + flat + ": no picture has a depth map"
    };
    for (int i = 0; i < faults.length; i++) {
      assertOneLine(run("train", "--set", faults[i]), messages[i]);
      assertOneLine(run("selftrain", "--set", faults[i]), messages[i]);
      assertOneLine(
          run(
              "pseudo-label",
              "--weights",
              whole.resolve("teacher/weights.safetensors").toString(),
              "--set",
              faults[i]),
          messages[i]);
      assertOneLine(run("ablate", "--seeds", "1", "--set", faults[i]), messages[i]);
    }
    assertOneLine(
        run(
            "train",
            "--set",
            "model.encoder=null",
            "--set",
            "pretrain.sources=[{path: '" + flat + "'}]"),
        "pretrain.sources[0]: " + flat + " has no object classes");
    assertFalse(Files.exists(folder.resolve("run")), "nothing is begun");
  }

  @Test
  void foldersOfStagesThatCannotBeWritten() throws IOException {
    Path run = Files.createDirectories(folder.resolve("run"));
    Files.writeString(run.resolve("student"), "a file");
    assertOneLine(run("train"), run.resolve("student") + ": is not a folder");
    Files.delete(run.resolve("student"));
    Path sealed = Files.createDirectories(run.resolve("pseudo-labels"));
    if (sealed.toFile().setWritable(false) && !Files.isWritable(sealed)) {
      assertOneLine(run("train"), sealed + ": no file can be written there: permission denied");
    }
    assertFalse(Files.exists(run.resolve("teacher")));
  }

  @Test
  void noUnlabelledPictures() throws IOException {
    assertOneLine(run("selftrain", "--set", "data.unlabelled=[]"), "data.unlabelled");
    Path empty = Files.createDirectories(folder.resolve("empty"));
    assertOneLine(
        run("selftrain", "--set", "data.unlabelled=[{path: " + empty + "}]"), empty.toString());
    assertFalse(Files.exists(folder.resolve("run/teacher")), "found before anything is trained");
  }

  @Test
  void wrongFolders() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "x");
    assertOneLine(run("train", "-o", file.toString()), file.toString());
    assertOneLine(run("train", "-o", file.resolve("below").toString()), file.toString());
    assertOneLine(run("train", "-o", "/proc/fathom-run"), "/proc/fathom-run");
    Path used = folder.resolve("used");
    try (RunFolder open = RunFolder.open(used, MiniRun.config(folder))) {
      assertOneLine(run("train", "-o", open.path().toString()), "another run is at work");
    }
  }

  @Test
  void folderOfAnotherConfiguration() {
    // Nothing was made with the wrong one: the folder can still be used.
    assertOneLine(
        run("train", "--set", "data.labelled=[{path: /none/pictures}]"), "/none/pictures");
    assertEquals(0, run("train").code());
    assertOneLine(
        run("train", "--set", "teacher.batch=1"),
        "config.yaml: the run in this folder had another");
    Run again = run("train");
    assertEquals(0, again.code(), again.err());
  }

  private void pair(Path to, String id, int width, int height, int depthWidth, boolean valid)
      throws IOException {
    Files.createDirectories(to);
    BufferedImage picture = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        picture.setRGB(x, y, (x * 2) << 16 | (y * 3) << 8 | (x * y & 255));
      }
    }
    ImageIO.write(picture, "png", to.resolve(id + ".png").toFile());
    if (depthWidth > 0) {
      BufferedImage depth = new BufferedImage(depthWidth, height, BufferedImage.TYPE_USHORT_GRAY);
      BufferedImage mask = new BufferedImage(depthWidth, height, BufferedImage.TYPE_BYTE_GRAY);
      for (int y = 0; y < height; y++) {
        for (int x = 0; x < depthWidth; x++) {
          depth.getRaster().setSample(x, y, 0, 1000 + 10 * x + 5 * y);
          mask.getRaster().setSample(x, y, 0, valid ? 255 : 0);
        }
      }
      ImageIO.write(depth, "png", to.resolve(id + ".depth.png").toFile());
      ImageIO.write(mask, "png", to.resolve(id + ".mask.png").toFile());
    }
  }

  private static String labelled(Path set) {
    return "data.labelled=[{path: '"
        + set
        + "', picture: '{id}.png', depth: '{id}.depth.png', mask: '{id}.mask.png', scale: 0.001}]";
  }

  @Test
  void badPictures() throws IOException {
    Path other = folder.resolve("other");
    pair(other, "0", 70, 60, 64, true);
    pair(other, "1", 70, 60, 64, true);
    assertOneLine(
        run("train", "--set", labelled(other)),
        other.toString(),
        "2 of 2 samples are bad",
        "do not fit");
    Path invalid = folder.resolve("invalid");
    pair(invalid, "0", 70, 60, 70, false);
    pair(invalid, "1", 70, 60, 70, false);
    assertOneLine(
        run("train", "-o", folder.resolve("run2").toString(), "--set", labelled(invalid)),
        invalid.toString(),
        "no valid pixel");
    assertFalse(Files.exists(folder.resolve("run/teacher/weights.safetensors")));
  }

  @Test
  void onePictureIsEnoughAndABatchMayBeLarger() throws IOException {
    Path one = folder.resolve("one");
    pair(one, "0", 70, 60, 70, true);
    Run run =
        run(
            "train",
            "--set",
            labelled(one),
            "--set",
            "data.validation=[]",
            "--set",
            "teacher.batch=5");
    assertEquals(0, run.code(), run.err());
  }

  @Test
  void cutMixNeedsNoPartner() {
    Run run =
        run(
            "train",
            "--student",
            "--labels",
            whole.resolve("pseudo-labels").toString(),
            "--set",
            "student.unlabelled-per-labelled=1",
            "--set",
            "student.distortion.cutmix=1");
    assertEquals(0, run.code(), run.err());
  }

  /** 100x75 at the shorter side 56 is 75x56, and 70x56 in whole patches: not quite 4:3. */
  @Test
  void picturesWhoseSidesAreNoWholePatches() throws IOException {
    Path pictures = folder.resolve("pictures");
    for (int i = 0; i < 3; i++) {
      pair(pictures, "p" + i, 100, 75, 0, false);
    }
    Files.writeString(pictures.resolve("broken.png"), "no picture");
    Run run = run("selftrain", "--set", "data.unlabelled=[{path: '" + pictures + "'}]");
    assertEquals(0, run.code(), run.err());
    assertTrue(
        Files.readString(folder.resolve("run/pseudo-labels/bad-samples.tsv"))
            .contains("broken.png"));
    assertTrue(run.err().contains("1 of 4 unlabelled pictures have no pseudo-label"), run.err());
    assertTrue(
        Files.readString(folder.resolve("run/pseudo-labels/complete")).startsWith("3 disparities"));
  }
}
