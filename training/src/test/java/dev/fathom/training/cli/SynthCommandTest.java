package dev.fathom.training.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.synth.Domain;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code fathom synth} as a user runs it. */
final class SynthCommandTest {
  @TempDir private Path folder;

  private record Run(int code, String out, String err) {}

  private static Run synth(String... args) {
    List<String> all = new ArrayList<>(List.of("synth"));
    all.addAll(Arrays.asList(args));
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code = Fathom.run(new PrintWriter(out), new PrintWriter(err), all.toArray(new String[0]));
    return new Run(code, out.toString(), err.toString());
  }

  @Test
  void writesAFolder() throws IOException {
    Path out = folder.resolve("new/set");
    Run run =
        synth(
            "--out",
            out.toString(),
            "--domains",
            "canyon,street-dusk",
            "--count",
            "3",
            "--size",
            "40x24",
            "--seed",
            "-7",
            "--threads",
            "2",
            "--format",
            "png16");
    assertEquals(0, run.code(), run.err());
    assertTrue(run.err().contains("6 pictures in " + out), run.err());
    assertEquals(7, Files.readAllLines(out.resolve("index.tsv")).size());
    BufferedImage picture = ImageIO.read(out.resolve("canyon/000002.png").toFile());
    assertEquals(40, picture.getWidth());
    assertEquals(24, picture.getHeight());
    assertTrue(Files.exists(out.resolve("street-dusk/000000.depth.png")));
    BufferedImage sheet = ImageIO.read(out.resolve("contact-sheet.png").toFile());
    assertEquals(2 * 3 * 140, sheet.getWidth());
    assertEquals(2 * 84, sheet.getHeight());
  }

  @Test
  void writesShards() throws IOException {
    Path out = folder.resolve("shards");
    Run run =
        synth(
            "-o",
            out.toString(),
            "--domains",
            "canyon,room",
            "--count",
            "2",
            "--size",
            "20x12",
            "--shards",
            "2");
    assertEquals(0, run.code(), run.err());
    assertTrue(Files.size(out.resolve("shard-000001.tar")) > 2000);
    assertFalse(Files.exists(out.resolve("canyon")));
  }

  @Test
  void listsTheDomains() {
    Run run = synth("--list");
    assertEquals(0, run.code(), run.err());
    for (Domain domain : Domain.values()) {
      assertTrue(run.out().contains(domain.label()), run.out());
      assertTrue(run.out().contains(domain.description()), run.out());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "--domains moon,             --domains: no domain is called 'moon': choose among",
    "--size 0x20,                --size: 0x20: sides of 1 to",
    "--size 99999x20,            --size: 99999x20: sides of 1 to",
    "--size big,                 --size: 'big' is not like 140x140",
    "--count 0,                  --count: 0 is not at least 1",
    "--count 2147483647,         --count: ",
    "--count many,               invalid value for option '--count'",
    "--first -1,                 --first: -1 is below 0",
    "--threads 0,                --threads: 0 is not in 1..",
    "--format ply,               --format: 'ply' is none of npy",
    "--shards 0,                 --shards: 0 is not in 1..1000",
    "--shards 1001,              --shards: 1001 is not in 1..1000",
    "--format jpg,               --format: 'jpg' is none of npy",
  })
  void wrongOptionsAreOneLine(String options, String message) {
    Path out = folder.resolve("none");
    List<String> args = new ArrayList<>(List.of("--out", out.toString()));
    args.addAll(Arrays.asList(options.split(" ", -1)));
    Run run = synth(args.toArray(new String[0]));
    assertEquals(ExitCode.USER, run.code());
    assertTrue(run.err().startsWith("fathom: " + message), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
    assertFalse(Files.exists(out));
  }

  @Test
  void aFolderIsNeededAndMustBeWritable() throws IOException {
    Run none = synth("--count", "1");
    assertEquals(ExitCode.USER, none.code());
    assertTrue(none.err().startsWith("fathom: --out: is missing"), none.err());
    Path file = Files.createFile(folder.resolve("file"));
    for (Path out : List.of(file, file.resolve("below"))) {
      Run run = synth("--out", out.toString(), "--count", "1", "--size", "9x9");
      assertEquals(ExitCode.USER, run.code());
      assertTrue(run.err().startsWith("fathom: " + folder), run.err());
      assertEquals(1, run.err().lines().count(), run.err());
    }
  }
}
