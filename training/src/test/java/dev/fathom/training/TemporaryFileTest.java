package dev.fathom.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

final class TemporaryFileTest {
  @TempDir Path folder;

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.toList();
    }
  }

  @Test
  void takesItsNameWhenCommitted() throws IOException {
    Path target = folder.resolve("depth.png");
    Files.writeString(target, "old");
    try (TemporaryFile file = TemporaryFile.beside(target)) {
      Files.writeString(file.path(), "new");
      assertEquals("old", Files.readString(target));
      assertTrue(file.path().toString().endsWith(".png"));
      file.commit();
    }
    assertEquals("new", Files.readString(target));
    assertEquals(List.of(target), files());
  }

  @Test
  void isGoneWhenNotCommitted() throws IOException {
    try (TemporaryFile file = TemporaryFile.beside(folder.resolve("depth.png"))) {
      Files.writeString(file.path(), "half");
    }
    assertEquals(List.of(), files());
  }

  @Test
  void needsTheFolder() {
    Path nowhere = folder.resolve("missing").resolve("depth.png");
    assertThrows(NoSuchFileException.class, () -> TemporaryFile.beside(nowhere));
  }

  @Test
  void longestNameIsPossible() throws IOException {
    Path target = folder.resolve("n".repeat(251) + ".png");
    try (TemporaryFile file = TemporaryFile.beside(target)) {
      file.commit();
    }
    assertEquals(List.of(target), files());
  }

  /** Begins a file, keeps writing others, and waits to be ended. */
  static final class Waiting {
    private Waiting() {}

    public static void main(String[] args) throws Exception {
      try (TemporaryFile file = TemporaryFile.beside(Path.of(args[0]))) {
        Files.writeString(file.path(), "half");
        Path other = Path.of(args[1]);
        Thread.ofPlatform().daemon().start(() -> writeForever(other));
        System.out.println("ready");
        new CountDownLatch(1).await();
      }
    }

    private static void writeForever(Path target) {
      while (true) {
        try (TemporaryFile file = TemporaryFile.beside(target)) {
          Files.write(file.path(), new byte[1 << 20]);
          file.commit();
        } catch (IOException e) {
          System.out.println("complaint: " + e);
        }
      }
    }
  }

  @Test
  @Timeout(60)
  void isGoneWhenTheProcessIsEnded() throws Exception {
    // SIGTERM runs the same hooks as Ctrl-C, and a build in the background may ignore SIGINT.
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Waiting.class.getName(),
                folder.resolve("depth.png").toString(),
                folder.resolve("other.png").toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (var lines = process.inputReader()) {
      assertEquals("ready", lines.readLine());
      assertFalse(files().isEmpty());
      process.toHandle().destroy(); // Process.destroy would close the stream.
      assertEquals(128 + 15, process.waitFor());
      assertNull(lines.readLine());
    }
    assertTrue(
        files().stream().allMatch(file -> file.endsWith("other.png")),
        () -> "temporary files left: " + List.of(folder.toFile().list()));
  }
}
