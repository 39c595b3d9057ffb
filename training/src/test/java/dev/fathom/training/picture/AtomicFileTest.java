package dev.fathom.training.picture;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class AtomicFileTest {

  @TempDir Path folder;

  private List<String> files() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private static void assertOneLine(Path file, String reason, PictureException e) {
    assertEquals(file + ": cannot write: " + reason, e.getMessage());
    assertFalse(e.getMessage().contains("\n"));
  }

  @Test
  void fileIsWrittenWholeWithItsFolders() throws IOException {
    Path file = folder.resolve("a/b/c.bin");
    AtomicFile.write(file, out -> out.write(new byte[100_000]));
    assertEquals(100_000, Files.size(file));
    assertEquals(List.of("a"), files());
  }

  @Test
  void fileThatIsThereIsReplaced() throws IOException {
    Path file = Files.writeString(folder.resolve("x"), "old and longer");
    AtomicFile.write(file, out -> out.write('n'));
    assertEquals("n", Files.readString(file));
    assertEquals(List.of("x"), files());
  }

  @Test
  void failureLeavesWhatWasThere() throws IOException {
    Path file = Files.writeString(folder.resolve("x"), "old");
    PictureException e =
        assertThrows(
            PictureException.class,
            () ->
                AtomicFile.write(
                    file,
                    out -> {
                      out.write(new byte[1 << 20]);
                      throw new IOException("the wire\nwas cut");
                    }));
    assertOneLine(file, "the wire was cut", e);
    assertEquals("old", Files.readString(file));
    assertEquals(List.of("x"), files());
  }

  @Test
  void errorInTheContentLeavesNothing() throws IOException {
    Path file = folder.resolve("x");
    assertThrows(
        IllegalStateException.class,
        () ->
            AtomicFile.write(
                file,
                _ -> {
                  throw new IllegalStateException("a bug");
                }));
    assertEquals(List.of(), files());
  }

  /** Each format on a full disk: the temporary file's bytes go to /dev/full. */
  @Test
  void fullDisk() throws IOException {
    Path full = Path.of("/dev/full");
    Assumptions.assumeTrue(Files.isWritable(full));
    Path file = folder.resolve("x.npy");
    AtomicFile.Opener opener =
        temporary -> {
          OutputStream unused = Files.newOutputStream(temporary);
          unused.close();
          return Files.newOutputStream(full);
        };
    PictureException e =
        assertThrows(
            PictureException.class,
            () -> AtomicFile.write(file, out -> NpyDepth.write(out, 9, 9, new float[81]), opener));
    assertOneLine(file, "No space left on device", e);
    assertEquals(List.of(), files());
  }

  @Test
  void placesThatCannotBeWrittenTo() throws IOException {
    AtomicFile.Content nothing = _ -> {};
    Path inFile = Files.writeString(folder.resolve("file"), "").resolve("x.png");
    PictureException notFolder =
        assertThrows(PictureException.class, () -> AtomicFile.write(inFile, nothing));
    assertTrue(notFolder.getMessage().endsWith("is not a folder"), notFolder.getMessage());
    Path isFolder = Files.createDirectory(folder.resolve("d"));
    assertOneLine(
        isFolder,
        "is a folder",
        assertThrows(PictureException.class, () -> AtomicFile.write(isFolder, nothing)));
    Path proc = Path.of("/proc/fathom/x.png");
    if (Files.isDirectory(Path.of("/proc/self"))) {
      PictureException e =
          assertThrows(PictureException.class, () -> AtomicFile.write(proc, nothing));
      assertTrue(e.getMessage().startsWith("/proc/fathom/x.png: cannot write: "), e.getMessage());
    }
    assertEquals(List.of("d", "file"), files());
  }

  @ParameterizedTest
  @EnumSource(DepthFormat.class)
  void longNamesAreOneLine(DepthFormat format) throws IOException {
    DepthMap depth = new DepthMap(1, 1, DepthMap.Kind.METRES, new float[] {1});
    Path file = folder.resolve("n".repeat(255) + format.suffix());
    PictureException e =
        assertThrows(
            PictureException.class,
            () ->
                DepthWriter.write(
                    file, format, depth, new RgbImage(1, 1, new byte[3]), DepthOptions.DEFAULT));
    assertOneLine(file, "file name too long", e);
    assertEquals(List.of(), files());
  }
}
