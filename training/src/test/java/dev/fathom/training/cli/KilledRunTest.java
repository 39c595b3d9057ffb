package dev.fathom.training.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.stage.MiniRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code fathom selftrain} as a process that is killed in every stage and started again. */
@Timeout(300)
final class KilledRunTest {

  @TempDir Path folder;

  /** A file whose being there says how far a run is. */
  private static final List<String> MOMENTS =
      List.of(
          "encoder/checkpoints/step-00000002.safetensors",
          "teacher/checkpoints/step-00000002.optimiser.safetensors",
          "pseudo-labels/shard-000000.tar",
          "student/checkpoints/step-00000002.json");

  private Process start(Path run) throws IOException {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    return new ProcessBuilder(
            java,
            "--enable-native-access=ALL-UNNAMED",
            "-XX:TieredStopAtLevel=1",
            "-Djava.awt.headless=true",
            "-cp",
            System.getProperty("java.class.path"),
            Fathom.class.getName(),
            "selftrain",
            "--quiet",
            "--config",
            MiniRun.file(folder).toString(),
            "--out",
            run.toString())
        .redirectErrorStream(true)
        .redirectOutput(folder.resolve("output.txt").toFile())
        .start();
  }

  @Test
  void endsWithTheBytesOfARunThatWasNotKilled() throws Exception {
    Path undisturbed = folder.resolve("undisturbed");
    Process whole = start(undisturbed);
    assertEquals(0, whole.waitFor(), () -> output());
    Path run = folder.resolve("run");
    for (int i = 0; i < MOMENTS.size(); i++) {
      Path sign = run.resolve(MOMENTS.get(i));
      Process process = start(run);
      while (!Files.exists(sign) && process.isAlive()) {
        Thread.sleep(1);
      }
      // SIGTERM once, as for Ctrl-C and batch systems; otherwise SIGKILL.
      boolean gently = i == 1;
      if (gently) {
        process.destroy();
      } else {
        process.destroyForcibly();
      }
      assertTrue(process.waitFor(20, TimeUnit.SECONDS), "it does not end");
      assertNotEquals(0, process.exitValue(), "it ended before " + sign);
      assertNotEquals(ExitCode.USER, process.exitValue(), () -> output());
      assertTrue(Files.exists(sign), () -> output());
    }
    Process last = start(run);
    assertEquals(0, last.waitFor(), () -> output());
    assertEquals("", output(), "a resumed run has nothing to complain of");
    MiniRun.assertSame(undisturbed, run);
  }

  private String output() {
    try {
      return Files.readString(folder.resolve("output.txt"));
    } catch (IOException e) {
      return e.toString();
    }
  }
}
