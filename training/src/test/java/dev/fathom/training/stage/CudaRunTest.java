package dev.fathom.training.stage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.bindings.cuda.CudaProbe;
import dev.fathom.training.config.RunConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The whole pipeline on the GPU's kernels, on the emulator, where whatever is asynchronous happens
 * as late as it may (set in the build file).
 */
class CudaRunTest {

  @Test
  void teacherLabelsAndStudentOnTheGpu(@TempDir Path folder) throws IOException {
    CudaProbe probe = CudaProbe.get();
    assumeTrue(probe.isUsable() && probe.isEmulator(), probe.description());
    RunConfig config = MiniRun.config(folder, "device=cuda");
    MiniRun.Quiet listener = new MiniRun.Quiet();
    Path out = folder.resolve("out");
    var _ = SelfTraining.run(config, out, listener);
    assertEquals(List.of(), listener.warnings);
    for (String stage : List.of(Stages.ENCODER, Stages.TEACHER, Stages.STUDENT)) {
      assertTrue(Files.size(out.resolve(stage).resolve("weights.safetensors")) > 0, stage);
    }
    assertTrue(Files.size(out.resolve("metrics.json")) > 0);
    assertTrue(Files.size(out.resolve("report.html")) > 0);
  }

  /** Stops a stage after some steps. */
  private static final class Stopping extends MiniRun.Quiet {
    private final long last;

    Stopping(long last) {
      this.last = last;
    }

    @Override
    public void step(long steps, SequencedMap<String, Double> losses) {
      if (steps == last) {
        throw new IllegalStateException("stopped");
      }
    }
  }

  private static void teach(Path run, RunConfig config, StageListener listener) throws IOException {
    try (RunFolder folder = RunFolder.open(run, config);
        Stages stages = MiniRun.stages(config, folder, listener)) {
      var _ = stages.teacher();
    }
  }

  /**
   * The host reads the numbers of a step after the next is on its way; a run that was stopped ends
   * as one that was not all the same. Some steps are skipped, which only the device knows at the
   * time.
   */
  @Test
  void aTeacherThatWasStoppedEndsAsOneThatWasNot(@TempDir Path folder) throws IOException {
    CudaProbe probe = CudaProbe.get();
    assumeTrue(probe.isUsable() && probe.isEmulator(), probe.description());
    Path encoder;
    RunConfig first = MiniRun.config(folder, "pretrain.steps=1");
    try (RunFolder run = RunFolder.open(folder.resolve("first"), first);
        Stages stages = MiniRun.stages(first, run, new MiniRun.Quiet())) {
      encoder = stages.encoder();
    }
    List<String> settings = List.of("model.encoder=" + encoder, "teacher.steps=5", "input.side=28");
    // The CPU tells a limit that some norms are beyond: in the middle of the widest gap.
    Path reference = folder.resolve("reference");
    teach(reference, MiniRun.config(folder, settings.toArray(new String[0])), new MiniRun.Quiet());
    double[] norms =
        MiniRun.lines(reference.resolve("teacher")).stream()
            .filter(line -> line.containsKey("gradient-norm"))
            .mapToDouble(line -> line.get("gradient-norm"))
            .sorted()
            .toArray();
    int below = 0;
    for (int i = 1; i + 1 < norms.length; i++) {
      below = norms[i + 1] - norms[i] > norms[below + 1] - norms[below] ? i : below;
    }
    List<String> limited = new ArrayList<>(settings);
    limited.add("device=cuda");
    limited.add("limits.bad-steps=9");
    limited.add("limits.gradient-norm=" + (norms[below] + norms[below + 1]) / 2);
    RunConfig config = MiniRun.config(folder, limited.toArray(new String[0]));
    Path whole = folder.resolve("whole");
    teach(whole, config, new MiniRun.Quiet());
    double skipped =
        MiniRun.lines(whole.resolve("teacher")).stream()
            .mapToDouble(line -> line.getOrDefault("skipped", 0.0))
            .max()
            .orElseThrow();
    assertTrue(skipped > 0 && skipped < 5, skipped + " steps skipped");
    Path stopped = folder.resolve("stopped");
    assertThrows(IllegalStateException.class, () -> teach(stopped, config, new Stopping(3)));
    teach(stopped, config, new MiniRun.Quiet());
    for (String file :
        List.of(
            "weights.safetensors",
            "checkpoints/step-00000005.optimiser.safetensors",
            "checkpoints/best.safetensors")) {
      assertArrayEquals(
          Files.readAllBytes(whole.resolve("teacher").resolve(file)),
          Files.readAllBytes(stopped.resolve("teacher").resolve(file)),
          file);
    }
    assertEquals(
        MiniRun.lines(whole.resolve("teacher")), MiniRun.lines(stopped.resolve("teacher")));
  }
}
