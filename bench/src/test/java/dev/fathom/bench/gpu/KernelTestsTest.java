package dev.fathom.bench.gpu;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KernelTestsTest {

  private static void program(Path folder, String name, String script) throws IOException {
    Path file = folder.resolve(name);
    Files.writeString(file, "#!/bin/sh\n" + script);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private static Results run(Path folder, double seconds) throws IOException, InterruptedException {
    Results results = new Results(folder.resolve("check"));
    KernelTests.run(folder, new Budget(seconds), results);
    return results;
  }

  @Test
  void programsAreToldWhereModulesAndRecordingsAre(@TempDir Path folder)
      throws IOException, InterruptedException {
    program(
        folder,
        "test_vector",
        "test \"$FATHOM_CUDA_MODULES\" = \"$FATHOM_CUDA_COMPARE\" && test -d \"$FATHOM_CUDA_MODULES\""
            + " && echo 'test_vector: 10 runs of 5 tests, 0 failures'\n");
    Results results = run(folder, 60);
    assertTrue(results.passed(), results.markdown());
    assertTrue(results.markdown().contains("10 runs of 5 tests"), results.markdown());
  }

  @Test
  void failuresAreShown(@TempDir Path folder) throws IOException, InterruptedException {
    program(folder, "test_conv", "echo 'FAILED conv2d: element 3'\nexit 1\n");
    program(folder, "test_norm", "echo 'test_norm: fine'\n");
    Results results = run(folder, 60);
    assertFalse(results.passed());
    assertTrue(results.markdown().contains("FAILED conv2d: element 3"), results.markdown());
  }

  @Test
  void oneThatDoesNotEndIsStopped(@TempDir Path folder) throws IOException, InterruptedException {
    program(folder, "test_loss", "exec sleep 600\n");
    Results results = run(folder, 2);
    assertFalse(results.passed());
    assertTrue(results.markdown().contains("it took too long"), results.markdown());
  }
}
