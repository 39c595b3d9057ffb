package dev.fathom.bench.gpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.bindings.cuda.CudaProbe;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * That no kernel is without a rate. The check runs at the sizes of the published networks on an
 * emulated GPU as large as a real one that does none of the work, once of each architecture for
 * which there are kernels.
 */
class KernelCoverageTest {

  /** Kernels without a row, and why. */
  private static final Map<String, String> WITHOUT =
      Map.of(
          "fathom_epilogue",
          "goes with a library's product; GpuCheck times whole networks with it",
          "fathom_patch_embed_pixels",
          "no operator launches it",
          "fathom_conv2d_64x64",
          "a tile that the rules choose for none of these sizes",
          "fathom_conv_d_weight90_128x64",
          "a tile that the rules choose for none of these sizes");

  private static final double SECONDS = 170;

  private static final Pattern REGISTERED = Pattern.compile("\\00fathom_kernel_(fathom_\\w+)\\00");

  @TempDir private Path folder;

  private static Path emulator() {
    CudaProbe probe = CudaProbe.get();
    assumeTrue(probe.isUsable() && probe.isEmulator(), probe.description());
    return probe.libraryFolder();
  }

  /** All kernels that were compiled. */
  private static Set<String> compiled(Path modules) throws IOException {
    Set<String> names = new TreeSet<>();
    try (var files = Files.list(modules)) {
      for (Path file : files.filter(path -> path.toString().endsWith(".emu.so")).toList()) {
        Matcher matcher = REGISTERED.matcher(Files.readString(file, StandardCharsets.ISO_8859_1));
        while (matcher.find()) {
          names.add(matcher.group(1));
        }
      }
    }
    return names;
  }

  /** What a check found on an emulated GPU of 132 multiprocessors that does no work. */
  private JsonNode dry(Path emulator, int capability, String... arguments)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "-Xmx1g",
            "--enable-native-access=ALL-UNNAMED",
            "-Dfathom.cuda.library=" + emulator.resolve("libcuda.so.1"),
            "-cp",
            System.getProperty("java.class.path"),
            GpuCheck.class.getName(),
            "--python",
            "none",
            "--out",
            folder.resolve("check").toString()));
    command.addAll(List.of(arguments));
    File log = folder.resolve("log").toFile();
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log);
    builder
        .environment()
        .putAll(
            Map.of(
                "FATHOM_EMULATOR_DRY", "1",
                "FATHOM_EMULATOR_CAPABILITY", Integer.toString(capability),
                "FATHOM_EMULATOR_MULTIPROCESSORS", "132",
                "FATHOM_EMULATOR_MEMORY", "150000000000"));
    Process process = builder.start();
    try {
      assertTrue(process.waitFor((long) SECONDS, TimeUnit.SECONDS), "it took too long");
    } finally {
      process.destroyForcibly();
    }
    assertEquals(0, process.exitValue(), () -> read(log.toPath()));
    return JsonMapper.builder().build().readTree(read(folder.resolve("check.json")));
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }

  private static Set<String> kernels(JsonNode check) {
    Set<String> kernels = new TreeSet<>();
    for (JsonNode row : check.get("rows")) {
      for (JsonNode kernel : row.get("kernels")) {
        kernels.add(kernel.asString());
      }
    }
    return kernels;
  }

  @Test
  void everyKernelHasARate() throws Exception {
    Path emulator = emulator();
    Set<String> missing = compiled(emulator);
    assertTrue(missing.size() > 100, missing::toString);
    for (int capability : new int[] {90, 80}) {
      JsonNode check = dry(emulator, capability, "--sections", "kernels");
      Set<String> kernels = kernels(check);
      assertTrue(missing.containsAll(WITHOUT.keySet()), "not compiled, or timed: " + WITHOUT);
      missing.removeAll(kernels);
      Set<String> names = new TreeSet<>();
      for (JsonNode row : check.get("rows")) {
        String name = row.get("section").asString() + ": " + row.get("name").asString();
        assertTrue(names.add(name), name + " is there twice");
      }
    }
    assertEquals(new TreeSet<>(WITHOUT.keySet()), missing, "kernels without a rate");
  }

  /** Inference and a training step at a published size launch nothing that is not timed. */
  @Test
  void everyKernelOfANetworkHasARateOfItsOwn() throws Exception {
    JsonNode check =
        dry(
            emulator(),
            90,
            "--models",
            "vits",
            "--batches",
            "1,4",
            "--sections",
            "kernels,inference,training");
    String notes = check.get("notes").toString();
    assertFalse(notes.contains("without a rate"), notes);
    assertTrue(kernels(check).contains("fathom_linear90_128x256"));
  }
}
