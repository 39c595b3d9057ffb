package dev.fathom.training.stage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.bindings.cuda.CudaProbe;
import dev.fathom.training.config.RunConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole pipeline on the GPU's kernels, on the emulator. */
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
}
