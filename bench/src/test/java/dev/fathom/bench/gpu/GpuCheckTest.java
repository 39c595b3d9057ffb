package dev.fathom.bench.gpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.bindings.cuda.CudaProbe;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The check from end to end on the emulator, where the times mean nothing. */
class GpuCheckTest {

  private static int run(StringWriter errors, String... arguments) {
    CommandLine line = GpuCheck.commandLine();
    line.setOut(new PrintWriter(new StringWriter()));
    line.setErr(new PrintWriter(errors));
    return line.execute(arguments);
  }

  @Test
  void everySectionRunsOnTheEmulator(@TempDir Path folder) throws IOException {
    CudaProbe probe = CudaProbe.get();
    assumeTrue(probe.isUsable() && probe.isEmulator(), probe.description());
    StringWriter errors = new StringWriter();
    int status =
        run(
            errors,
            "--models",
            "tiny",
            "--batches",
            "1",
            "--side",
            "28",
            "--sections",
            "launches,kernels,inference,training",
            "--python",
            "none",
            "--out",
            folder.resolve("check").toString());
    assertEquals(0, status, errors.toString());
    String table = Files.readString(folder.resolve("check.md"));
    for (String expected :
        new String[] {
          "ON THE EMULATOR",
          "one launch through panama",
          "tiny fc1, batch 1",
          "backward tiny, batch 1, 5 tokens",
          "tiny qkv dW",
          "residual unit, second, batch 1, 16 to 16 channels, 8 x 8",
          "output_conv2 dW, batch 1, 8 to 32 channels, 16 x 16 read as 28 x 28",
          "linear90_128x64",
          "scale-shift-invariant loss",
          "AdamW",
          "launch by launch",
          "Training steps"
        }) {
      assertTrue(table.contains(expected), expected + " is missing in\n" + table);
    }
    assertFalse(table.contains("without a rate"), table);
    assertTrue(Files.size(folder.resolve("check.json")) > 0);
  }

  @Test
  void aFolderThatCannotBeIsNamed(@TempDir Path folder) throws IOException {
    CudaProbe probe = CudaProbe.get();
    assumeTrue(probe.isUsable() && probe.isEmulator(), probe.description());
    Path file = Files.createFile(folder.resolve("file"));
    StringWriter errors = new StringWriter();
    assertEquals(2, run(errors, "--out", file.resolve("check").toString()));
    assertTrue(errors.toString().contains("--out"), errors.toString());
  }

  @Test
  void wrongArgumentsAreNamed() {
    for (String[] arguments :
        new String[][] {
          {"--side", "519"},
          {"--models", "vitx"},
          {"--sections", "all"},
          {"--batches", "0"},
          {"--seconds", "-1"},
          {"--nonsense"}
        }) {
      StringWriter errors = new StringWriter();
      assertEquals(2, run(errors, arguments));
      assertTrue(errors.toString().startsWith("gpu-check: "), errors.toString());
      assertEquals(1, errors.toString().lines().count(), errors.toString());
    }
  }

  @Test
  void relativeErrorOfDifferentSizesIsInfinite() {
    assertEquals(0.5, PeerComparison.error(new float[] {3, 0}, new float[] {2, 0}), 1e-12);
    assertEquals(
        Double.POSITIVE_INFINITY, PeerComparison.error(new float[] {1}, new float[] {1, 2}));
  }
}
