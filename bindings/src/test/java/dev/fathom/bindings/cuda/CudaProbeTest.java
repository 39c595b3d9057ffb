package dev.fathom.bindings.cuda;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the probe says, in JVMs of their own, of drivers that are missing, useless or emulated. */
class CudaProbeTest {

  private static final String NATIVES = "libJCudaDriver-12.6.0-linux-x86_64.so";

  /** A driver that answers what the environment tells it to. */
  private static final String FAKE =
      """
      #include <stdlib.h>
      #include <string.h>
      static int say(const char* name, int otherwise) {
        const char* text = getenv(name);
        return text ? atoi(text) : otherwise;
      }
      int cuInit(unsigned flags) { return flags ? 1 : say("FAKE_INIT", 0); }
      int cuDriverGetVersion(int* version) { *version = say("FAKE_VERSION", 13000); return 0; }
      int cuDeviceGetCount(int* count) { *count = say("FAKE_COUNT", 1); return 0; }
      int cuDeviceGet(int* device, int ordinal) { *device = ordinal; return 0; }
      int cuDeviceGetName(char* name, int length, int device) {
        strncpy(name, device ? "Fake B" : "Fake A", length);
        return 0;
      }
      int cuDeviceGetAttribute(int* value, int attribute, int device) {
        *value = 0;
        if (attribute == 75) *value = say(device ? "FAKE_MAJOR_B" : "FAKE_MAJOR", 9);
        return 0;
      }
      int cuDeviceTotalMem_v2(unsigned long* bytes, int device) {
        *bytes = (device + 1ul) << 30;
        return 0;
      }
      int cuGetErrorName(int code, const char** text) {
        *text = code == 999 ? "CUDA_ERROR_UNKNOWN" : 0;
        return *text ? 0 : 1;
      }
      int cuGetErrorString(int code, const char** text) {
        *text = code == 999 ? "unknown error" : 0;
        return *text ? 0 : 1;
      }
      """;

  @TempDir Path folder;

  private Path fake() throws Exception {
    Path source = Files.writeString(folder.resolve("fake.c"), FAKE);
    Path library = folder.resolve("libcuda.so.1");
    try {
      Process compiler =
          new ProcessBuilder(
                  "cc",
                  "-shared",
                  "-fPIC",
                  "-Wl,-soname,libcuda.so.1",
                  "-o",
                  library.toString(),
                  source.toString())
              .redirectErrorStream(true)
              .start();
      String output = new String(compiler.getInputStream().readAllBytes(), UTF_8);
      assertEquals(0, compiler.waitFor(), output);
    } catch (IOException e) {
      assumeTrue(false, "no C compiler");
    }
    return library;
  }

  /** What a child says; {@code without} drops entries of the class path. */
  private static String run(
      String scenario, String without, Map<String, String> environment, String... jvmArguments)
      throws Exception {
    String classPath =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator, -1))
            .filter(entry ->
                without.isEmpty() || !Path.of(entry).getFileName().toString().startsWith(without))
            .collect(Collectors.joining(File.pathSeparator));
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
    command.add("--enable-native-access=ALL-UNNAMED");
    command.addAll(List.of(jvmArguments));
    command.addAll(List.of("-cp", classPath, CudaChildMain.class.getName(), scenario));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().keySet().removeIf(name -> name.startsWith("FATHOM_"));
    builder.environment().put("FATHOM_EMULATOR_QUIET", "1");
    builder.environment().putAll(environment);
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes(), UTF_8);
    assertTrue(process.waitFor(60, TimeUnit.SECONDS), output);
    assertEquals(0, process.exitValue(), output);
    return output;
  }

  private static void assertSays(String output, String... lines) {
    for (String line : lines) {
      assertTrue(output.contains(line), () -> "no [" + line + "] in\n" + output);
    }
  }

  @Test
  void withoutADriverTheReasonIsOneLine() throws Exception {
    assumeTrue(run("find-driver", "", Map.of()).contains("absent"), "this machine has a driver");
    String reason = "no NVIDIA driver: libcuda.so.1 was not found";
    assertSays(
        run("probe", "", Map.of()),
        "usable false\n",
        "reason [" + reason + "]\n",
        "description [no GPU: " + reason + "]\n",
        "open [no GPU can be used: " + reason + "]\n");
  }

  @Test
  void aConfiguredLibraryThatIsNotThereIsNamed() throws Exception {
    String missing = folder.resolve("libcuda.so.1").toString();
    String reason = "names " + missing + ", which cannot be loaded: not a file]";
    assertSays(run("probe", "", Map.of(), "-Dfathom.cuda.library=" + missing), reason);
    assertSays(run("probe", "", Map.of("FATHOM_CUDA_LIBRARY", missing)), reason);
    Files.writeString(folder.resolve("libcuda.so.1"), "not a library");
    assertSays(
        run("probe", "", Map.of(), "-Dfathom.cuda.library=" + missing),
        "which cannot be loaded: ",
        "usable false\n");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "FAKE_INIT=100 | the driver sees no GPU",
        "FAKE_COUNT=0 | the driver sees no GPU",
        "FAKE_INIT=999 | cuInit: CUDA_ERROR_UNKNOWN (unknown error)",
        "FAKE_INIT=46 | cuInit: CUDA error 46 (the driver has no description)",
        "FAKE_VERSION=12080 | the NVIDIA driver is too old: it supports CUDA 12.8, the kernels need 13.0",
        "FAKE_MAJOR=7 | Fake A has compute capability 7.0; the kernels need 8.0",
      })
  void aDriverThatDoesNotServeHasAReason(String setting, String reason) throws Exception {
    String[] parts = setting.split("=", -1);
    assertSays(
        run(
            "probe",
            "",
            Map.of(parts[0], parts[1]),
            "-Dfathom.cuda.driver=panama",
            "-Dfathom.cuda.library=" + fake()),
        "usable false\n",
        "reason [" + reason + "]\n");
  }

  @Test
  void theFirstDeviceThatServesIsTaken() throws Exception {
    String library = "-Dfathom.cuda.library=" + fake();
    String panama = "-Dfathom.cuda.driver=panama";
    Map<String, String> two = Map.of("FAKE_COUNT", "2", "FAKE_MAJOR", "6", "FAKE_MAJOR_B", "8");
    assertSays(
        run("probe", "", two, library, panama),
        "usable true\n",
        "description [Fake B (compute capability 8.0, 0 multiprocessors, 2.0 GiB), driver for CUDA"
            + " 13.0 through the JDK's foreign functions, from fathom.cuda.library=");
    assertSays(
        run("probe", "", two, library, panama, "-Dfathom.cuda.device=0"),
        "reason [Fake A has compute capability 6.0; the kernels need 8.0]");
    for (String wrong : List.of("2", "-1", "x")) {
      assertSays(
          run("probe", "", two, library, panama, "-Dfathom.cuda.device=" + wrong),
          "reason [fathom.cuda.device is " + wrong + "; it can be 0 to 1]");
    }
  }

  @Test
  void theEmulatorSaysThatItIsOne() throws Exception {
    String library = "-Dfathom.cuda.library=" + Emulator.library();
    assertSays(
        run("probe", "", Map.of(), library, "-Dfathom.cuda.driver=panama"),
        "usable true\n",
        "description [emulator: ",
        " through the JDK's foreign functions, from fathom.cuda.library=");
    assertSays(run("work", "", Map.of(), library, "-Dfathom.cuda.driver=panama"), "result 31\n");
  }

  @Test
  void aFaultLosesTheContext() throws Exception {
    String library = "-Dfathom.cuda.library=" + Emulator.library();
    assertSays(
        run("fault", "", Map.of(), library),
        "fault CUDA_ERROR_ILLEGAL_ADDRESS lost true\n",
        "close CUDA_ERROR_ILLEGAL_ADDRESS open false\n");
  }

  @Test
  void aForgottenContextIsReported() throws Exception {
    String library = "-Dfathom.cuda.library=" + Emulator.library();
    assertSays(
        run("leak", "", Map.of(), library, "-Dfathom.leaks=full"),
        "dev.fathom.bindings.cuda.CudaContext was not closed",
        "CudaContext.open(");
  }

  @Test
  void jcudasLibraryComesFromThePrivateCache() throws Exception {
    String library = "-Dfathom.cuda.library=" + Emulator.library();
    Path temporary = Files.createDirectory(folder.resolve("tmp"));
    Path cache = folder.resolve("cache");
    // Where JCuda would take it from, whoever put it there.
    Path trap = Files.writeString(temporary.resolve(NATIVES), "a trap");
    String output =
        run(
            "work",
            "",
            Map.of(),
            library,
            "-Djava.io.tmpdir=" + temporary,
            "-Dfathom.cache=" + cache,
            "-Dfathom.cuda.driver=jcuda");
    assertSays(output, "result 31\n");
    try (Stream<Path> files = Files.list(temporary)) {
      assertEquals(List.of(trap), files.toList());
    }
    try (Stream<Path> files = Files.walk(cache).filter(Files::isRegularFile)) {
      assertEquals(List.of(NATIVES), files.map(file -> file.getFileName().toString()).toList());
    }
    assertSays(
        run("probe", "", Map.of(), library, "-Dfathom.cache=" + cache), " through JCuda 12.6.0");
  }

  @Test
  void withoutAnyCacheJcudasLibraryIsTemporary() throws Exception {
    String library = "-Dfathom.cuda.library=" + Emulator.library();
    Path temporary = Files.createDirectory(folder.resolve("tmp"));
    Path file = Files.writeString(folder.resolve("file"), "");
    assertSays(
        run(
            "work",
            "",
            Map.of("XDG_CACHE_HOME", file.toString()),
            library,
            "-Djava.io.tmpdir=" + temporary,
            "-Dfathom.cuda.driver=jcuda"),
        "result 31\n");
    try (Stream<Path> files = Files.list(temporary)) {
      assertEquals(List.of(), files.toList());
    }
  }

  @Test
  void jcudaIsUsedIfItIsThere() throws Exception {
    String library = "-Dfathom.cuda.library=" + Emulator.library();
    String explicit = "-Dfathom.cuda.driver=jcuda";
    String cache = "-Dfathom.cache=" + folder.resolve("cache");
    assertSays(run("probe", "", Map.of(), library, cache), " through JCuda 12.6.0, from ");
    assertSays(
        run("probe", "jcuda-", Map.of(), library, cache), " through the JDK's foreign functions");
    assertSays(
        run("probe", "jcuda-", Map.of(), library, cache, explicit),
        "reason [fathom.cuda.driver is jcuda: org.jcuda:jcuda is not on the class path]");
    assertSays(
        run("probe", "jcuda-natives", Map.of(), library, cache, explicit),
        "reason [fathom.cuda.driver is jcuda: there is no lib/" + NATIVES + " on the class path");
    String warned = run("probe", "jcuda-natives", Map.of(), library, cache);
    assertSays(
        warned, "JCuda is on the class path and cannot be used (", " through the JDK's foreign");
    assertSays(
        run("probe", "", Map.of(), library, cache, "-Dfathom.cuda.driver=cuda"),
        "reason [fathom.cuda.driver is cuda; it can be jcuda or panama]");
    assertFalse(warned.contains("Exception"), warned);
  }
}
