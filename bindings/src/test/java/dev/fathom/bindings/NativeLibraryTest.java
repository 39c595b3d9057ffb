package dev.fathom.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.Fixtures.Outcome;
import dev.fathom.bindings.generated.FathomNative;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The library of the process: loaded once, when it is wanted, and what a JVM says without it. */
class NativeLibraryTest {

  private static final String ACCESS = "--enable-native-access=ALL-UNNAMED";

  @TempDir Path folder;

  private static Outcome run(boolean withKernels, String scenario, String... jvmArguments)
      throws Exception {
    return Fixtures.await(Fixtures.startJvm(withKernels, List.of(jvmArguments), scenario));
  }

  @Test
  void itIsLoadedOnce() {
    NativeLibrary library = NativeLibrary.load();
    assertSame(library, NativeLibrary.load());
    assertEquals(Fixtures.VERSION, library.version());
    assertTrue(NativeLibrary.lookup().find("fathom_version").isPresent());
    assertTrue(NativeLibrary.lookup().find("fathom_no_such_function").isEmpty());
  }

  @Test
  void loadingClassesLoadsNothing() throws Exception {
    Outcome outcome = run(false, "classes-only", ACCESS);
    assertEquals(0, outcome.exit(), outcome::output);
    assertTrue(outcome.output().contains("nothing loaded"), outcome::output);
  }

  @Test
  void aFailureIsRemembered() throws Exception {
    Outcome outcome = run(false, "fail-twice", ACCESS);
    assertTrue(outcome.output().contains("the same exception"), outcome::output);
    assertTrue(outcome.output().contains("fathom-kernels-" + Fixtures.VERSION), outcome::output);
  }

  @Test
  void withoutNativeAccessTheFlagIsNamed() throws Exception {
    Outcome outcome = run(true, "open", "--illegal-native-access=deny");
    assertFalse(outcome.exit() == 0, outcome::output);
    assertTrue(
        outcome
            .output()
            .contains("FathomLoadException: this JVM was started without native access"),
        outcome::output);
    assertTrue(outcome.output().contains(ACCESS), outcome::output);
  }

  @Test
  void processesMayExtractAtTheSameTime() throws Exception {
    Path cache = folder.resolve("cache");
    List<Process> processes = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      processes.add(Fixtures.startJvm(true, List.of(ACCESS, "-Dfathom.cache=" + cache), "load"));
    }
    for (Process process : processes) {
      Outcome outcome = Fixtures.await(process);
      assertEquals(0, outcome.exit(), outcome::output);
      assertTrue(outcome.output().contains(cache.toString()), outcome::output);
    }
    try (Stream<Path> files = Files.walk(cache).filter(Files::isRegularFile)) {
      assertEquals(1, files.count());
    }
  }

  @Test
  void aForgottenContextIsReported() throws Exception {
    Outcome outcome =
        run(
            true,
            "leak",
            ACCESS,
            "-Dfathom.leaks=full",
            "-Dfathom.cache=" + folder.resolve("cache"));
    assertEquals(0, outcome.exit(), outcome::output);
    assertTrue(
        outcome.output().contains("dev.fathom.bindings.CpuContext was not closed"),
        outcome::output);
    assertTrue(outcome.output().contains("ChildMain.leak("), outcome::output);
  }

  @Test
  void closeWaitsForACallThatHasBegun() throws Exception {
    Path fake =
        Fixtures.compile(
            folder,
            Fixtures.HANDSHAKE.formatted(FathomNative.FATHOM_ABI_VERSION(), Fixtures.VERSION)
                + """
                #include <stdint.h>
                #include <stdio.h>
                #include <unistd.h>
                static volatile int busy, begun;
                int32_t fathom_context_create(int32_t threads, int32_t isa, void** context) {
                  *context = (void*)&busy;
                  return threads * isa == 1 ? 0 : 1;
                }
                int32_t fathom_context_threads(const void* context) { return context != 0; }
                int32_t fathom_context_isa(const void* context) { return context != 0; }
                int32_t fathom_best_isa(void) { return begun; }
                void fathom_context_trim(void* context) { (void)context; }
                int64_t fathom_context_scratch_bytes(const void* context) {
                  (void)context;
                  busy = begun = 1;
                  usleep(300000);
                  busy = 0;
                  return 4321;
                }
                void fathom_context_destroy(void* context) {
                  (void)context;
                  printf(busy ? "destroyed in use\\n" : "destroyed\\n");
                  fflush(stdout);
                }
                """);
    Outcome outcome = run(false, "close-while-busy", ACCESS, "-Dfathom.library=" + fake);
    assertEquals(0, outcome.exit(), outcome::output);
    assertTrue(outcome.output().contains("destroyed\n"), outcome::output);
    assertTrue(outcome.output().contains("bytes 4321"), outcome::output);
    assertTrue(outcome.output().contains("closed"), outcome::output);
  }
}
