package dev.fathom.training.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.picture.DepthFile;
import dev.fathom.training.picture.DepthReader;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code fathom predict} as a user runs it, on a very small network of random weights. */
class PredictCommandTest {

  @TempDir private static Path shared;
  @TempDir private Path folder;

  private record Run(int code, String out, String err) {}

  @BeforeAll
  static void makeWeights() {
    Run run = fathom("smoke", "--tiny", "--out", shared.toString());
    assertEquals(0, run.code(), run.err());
  }

  @Test
  void writesEveryFormat() throws IOException {
    Path out = folder.resolve("new/out");
    Run run =
        predict(
            out,
            shared.resolve("street.png").toString(),
            "--format",
            "png,png16,pfm,npy,exr,ply",
            "--side-by-side");
    assertEquals(0, run.code(), run.err());
    for (String suffix :
        List.of(
            "_depth.png",
            "_depth16.png",
            "_depth.pfm",
            "_depth.npy",
            "_depth.exr",
            "_points.ply",
            "_side.png")) {
      assertTrue(Files.size(out.resolve("street" + suffix)) > 1000, suffix);
    }
    DepthFile npy = DepthReader.read(out.resolve("street_depth.npy"));
    assertEquals(640, npy.width());
    assertEquals(426, npy.height());
    assertArrayEquals(npy.values(), DepthReader.read(out.resolve("street_depth.pfm")).values());
    assertArrayEquals(npy.values(), DepthReader.read(out.resolve("street_depth.exr")).values());
    BufferedImage side = ImageIO.read(out.resolve("street_side.png").toFile());
    assertEquals(2 * 640 + 50, side.getWidth());
    assertEquals(
        ImageIO.read(shared.resolve("street.png").toFile()).getRGB(300, 200),
        side.getRGB(300, 200));
    assertEquals(7, files(out).size(), "nothing but the results: " + files(out));
  }

  @Test
  void rawSizeKeepsTheNetworksSize() throws IOException {
    Run run =
        predict(
            folder,
            shared.resolve("street.png").toString(),
            "--raw-size",
            "--format",
            "npy,ply",
            "--side-by-side");
    assertEquals(0, run.code(), run.err());
    DepthFile npy = DepthReader.read(folder.resolve("street_depth.npy"));
    assertEquals(84, npy.width());
    assertEquals(56, npy.height());
  }

  @Test
  void aBrokenPictureIsReportedAndTheRestGoesOn() throws IOException {
    Path in = Files.createDirectory(folder.resolve("in"));
    Files.copy(shared.resolve("street.png"), in.resolve("a.png"));
    Files.writeString(in.resolve("b.jpg"), "no picture");
    Files.createFile(in.resolve("c.png"));
    Files.copy(shared.resolve("street.png"), in.resolve("d.png"));
    Path out = folder.resolve("out");
    Run run = predict(out, in.toString());
    assertEquals(2, run.code());
    assertTrue(run.err().contains("b.jpg: "), run.err());
    assertTrue(run.err().contains("c.png: "), run.err());
    assertTrue(run.err().contains("2 done, 2 failed"), run.err());
    assertEquals(List.of("a_depth.png", "d_depth.png"), files(out));
  }

  @Test
  void resultsOfAnEarlierRunAreNoPictures() throws IOException {
    Path mixed = Files.createDirectory(folder.resolve("mixed"));
    Files.copy(shared.resolve("street.png"), mixed.resolve("a.png"));
    Files.copy(shared.resolve("street.png"), mixed.resolve("b_depth.png"));
    assertEquals(0, predict(mixed, mixed.toString(), "--side-by-side").code());
    List<String> first = files(mixed);
    assertTrue(first.contains("b_depth_depth.png"), "a picture in its own right: " + first);
    Run again = predict(mixed, mixed.toString(), "--side-by-side");
    assertEquals(0, again.code(), again.err());
    assertTrue(again.err().contains("4 of the pictures are results"), again.err());
    assertEquals(first, files(mixed));
  }

  @Test
  void takesAFolderAsHuggingFaceLaysItOut() throws IOException {
    Path weights = Files.createDirectory(folder.resolve("weights"));
    String street = shared.resolve("street.png").toString();
    String out = folder.resolve("out").toString();
    String[] arguments = {
      "predict", street, "--weights", weights.toString(), "--out", out, "--input-size", "56"
    };
    Run empty = fathom(arguments);
    assertEquals(2, empty.code());
    assertTrue(empty.err().contains("the folder has no model.safetensors"), empty.err());
    Files.copy(Path.of(weights()), weights.resolve("model.safetensors"));
    Run run = fathom(arguments);
    assertEquals(0, run.code(), run.err());
  }

  @Test
  void aTargetThatCannotBeWrittenIsTheUsers() {
    Path nowhere = folder.resolve("none/tiny.pth");
    Run run = fathom("convert", weights(), nowhere.toString());
    assertEquals(2, run.code());
    assertEquals(
        "fathom: %s: there is no folder %s\n".formatted(nowhere, nowhere.getParent()), run.err());
  }

  @Test
  void saysWhatToDoWithoutWeights() {
    Run run = fathom("predict", "x.png", "--out", folder.toString());
    assertEquals(2, run.code());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(run.err().contains("fathom weights download"), run.err());
  }

  @Test
  void wrongInputIsOneLine() throws IOException {
    Path text = Files.writeString(folder.resolve("weights.pth"), "not a checkpoint");
    Path empty = Files.createDirectory(folder.resolve("empty"));
    String street = shared.resolve("street.png").toString();
    String weights = weights();
    String out = folder.resolve("out").toString();
    List<List<String>> wrong =
        List.of(
            List.of(street, "--weights", text.toString()),
            List.of(street, "--weights", folder.resolve("none.pth").toString()),
            List.of(street, "--weights", weights, "--model", "vits"),
            List.of(street, "--weights", weights, "--model", "vitx"),
            List.of(street, "--weights", weights, "--release", "v3"),
            List.of(street, "--weights", weights, "--threads", "0"),
            List.of(street, "--weights", weights, "--input-size", "-3"),
            List.of(street, "--weights", weights, "--max-depth", "-1"),
            List.of(street, "--weights", weights, "--format", "bmp"),
            List.of(street, "--weights", weights, "--colormap", "rainbow"),
            List.of(street, "--weights", weights, "--fov", "180"),
            List.of(street, "--weights", weights, "--fov", "60", "--focal", "500"),
            List.of(empty.toString(), "--weights", weights),
            List.of(folder.resolve("none.jpg").toString(), "--weights", weights));
    for (List<String> arguments : wrong) {
      List<String> all = new ArrayList<>(List.of("predict", "--out", out));
      all.addAll(arguments);
      Run run = fathom(all.toArray(String[]::new));
      assertEquals(2, run.code(), arguments + ": " + run.err());
      assertEquals(1, run.err().lines().count(), arguments + ": " + run.err());
      assertTrue(run.err().startsWith("fathom: "), run.err());
      assertFalse(run.err().contains("Exception"), run.err());
    }
  }

  @Test
  void anOutputFolderThatIsAFileIsRefusedAtOnce() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));
    Run run = predict(file, shared.resolve("street.png").toString());
    assertEquals(2, run.code());
    assertEquals(1, run.err().lines().count(), run.err());
    assertEquals("fathom: " + file + ": is not a folder", run.err().strip());
  }

  @Test
  void convertKeepsTheDepth() throws IOException {
    Path torch = folder.resolve("tiny.pth");
    Run convert = fathom("convert", weights(), torch.toString());
    assertEquals(0, convert.code(), convert.err());
    String street = shared.resolve("street.png").toString();
    Path a = folder.resolve("a");
    Path b = folder.resolve("b");
    assertEquals(0, predict(a, street, "--format", "npy").code());
    Run run =
        fathom(
            "predict",
            street,
            "--weights",
            torch.toString(),
            "--out",
            b.toString(),
            "--input-size",
            "56",
            "--format",
            "npy");
    assertEquals(0, run.code(), run.err());
    assertEquals(-1, Files.mismatch(a.resolve("street_depth.npy"), b.resolve("street_depth.npy")));
    Run again = fathom("convert", weights(), torch.toString());
    assertEquals(2, again.code());
    assertTrue(again.err().contains("--force"), again.err());
    Run unknown = fathom("convert", weights(), "tiny.txt");
    assertEquals(
        "fathom: TARGET: the name must end with .safetensors, .pth, .pt or .bin: tiny.txt",
        unknown.err().strip());
  }

  @Test
  void infoDescribesACheckpoint() {
    Run run = fathom("info", weights());
    assertEquals(0, run.code(), run.err());
    assertTrue(run.out().contains("embed dim 64, 4 blocks"), run.out());
    Run machine = fathom("info");
    assertEquals(0, machine.code(), machine.err());
    assertTrue(machine.out().contains("libfathom.so"), machine.out());
  }

  private static String weights() {
    return shared.resolve("random_tiny.safetensors").toString();
  }

  private static Run predict(Path out, String... arguments) {
    List<String> all =
        new ArrayList<>(
            List.of(
                "predict", "--weights", weights(), "--out", out.toString(), "--input-size", "56"));
    all.addAll(List.of(arguments));
    return fathom(all.toArray(String[]::new));
  }

  private static Run fathom(String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code = Fathom.run(new PrintWriter(out), new PrintWriter(err, true), arguments);
    return new Run(code, out.toString(), err.toString());
  }

  private static List<String> files(Path folder) throws IOException {
    try (Stream<Path> list = Files.list(folder)) {
      return list.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }
}
