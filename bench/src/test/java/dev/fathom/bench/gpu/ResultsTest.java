package dev.fathom.bench.gpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ResultsTest {

  @Test
  void ratesSharesAndPeersAreInTheTable(@TempDir Path folder) throws IOException {
    Results results = new Results(folder.resolve("new/check"));
    results.peakFlop(800);
    results.peakBytes(4000);
    results.add(
        Row.flop("Linear", "fc1", 2, 8e11, List.of(new Row.Peer("cuBLAS", 1)))
            .by(List.of("fathom_linear_64x64", "fathom_linear_reduce")));
    results.add(Row.bytes("Moves", "norm", 1, 2e9));
    assertTrue(results.beside("Moves", "norm", new Row.Peer("PyTorch", 4)));
    assertFalse(results.beside("Moves", "other", new Row.Peer("PyTorch", 4)));
    String table = results.markdown();
    // 8e11 operations in 2 ms are 400 TFLOP/s, half of the peak, and twice the peer's time.
    assertTrue(table.contains("400 TFLOP/s"), table);
    assertTrue(table.contains("50 %"), table);
    assertTrue(table.contains("cuBLAS 1.00, 2.00"), table);
    assertTrue(table.contains("2000 GB/s"), table);
    assertTrue(table.contains("PyTorch 4.00, 0.25"), table);
    assertTrue(table.contains("linear_64x64, linear_reduce"), table);
    results.write();
    assertEquals(table, Files.readString(folder.resolve("new/check.md")));
    JsonNode json =
        JsonMapper.builder().build().readTree(Files.readString(folder.resolve("new/check.json")));
    assertEquals(400, json.get("rows").get(0).get("rate").asDouble(), 1e-9);
    assertEquals("fathom_linear_reduce", json.get("rows").get(0).get("kernels").get(1).asString());
    assertEquals("cuBLAS", json.get("rows").get(0).get("peers").get(0).get("name").asString());
  }

  @Test
  void kernelsThatOnlyNetworksLaunchAreNoted() {
    Results results = new Results(Path.of("unused"));
    results.add(Row.bytes("Moves", "norm", 1, 2e9).by(List.of("fathom_norm")));
    results.launched(List.of("fathom_norm"));
    results.noteKernelsWithoutRows();
    assertFalse(results.markdown().contains("without a rate"), results.markdown());
    results.launched(List.of("fathom_norm", "fathom_new"));
    results.noteKernelsWithoutRows();
    assertTrue(results.markdown().contains("without a rate: fathom_new"), results.markdown());
  }

  @Test
  void oneFailedProgramFailsAll() {
    Results results = new Results(Path.of("unused"));
    results.add(new Results.Tests("test_norm", true, "30 runs", List.of()));
    assertTrue(results.passed());
    results.add(new Results.Tests("test_conv", false, "1 failure", List.of("FAILED here")));
    assertFalse(results.passed());
    assertTrue(results.markdown().contains("FAILED here"));
  }
}
