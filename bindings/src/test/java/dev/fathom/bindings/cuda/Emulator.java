package dev.fathom.bindings.cuda;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;

/** The emulator as the driver of tests, and kernels compiled for it. */
final class Emulator {

  private static byte[] kernels;

  private Emulator() {}

  /** The stand-in libcuda.so.1; a test is skipped where it has not been built. */
  static Path library() {
    Path library = Path.of(System.getProperty("fathom.cuda.library", ""));
    assumeTrue(
        Files.isRegularFile(library), "no emulator at " + library + ": make -C kernels emulator");
    return library.toAbsolutePath();
  }

  /** Has the emulator do its work as late as it may, like a GPU that is busy. */
  static void delayWork() throws Throwable {
    MemorySegment configure = CudaLibrary.symbols().findOrThrow("fathom_emulator_configure");
    Linker.nativeLinker()
        .downcallHandle(
            configure, FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT))
        .invokeExact(0, 1);
  }

  /** {@code test_kernels.cu} as a module of the emulator. */
  static synchronized byte[] kernels() throws Exception {
    if (kernels == null) {
      kernels = compile(library());
    }
    return kernels.clone();
  }

  /** The module in native memory. */
  static MemorySegment kernels(Arena arena) throws Exception {
    return arena.allocateFrom(ValueLayout.JAVA_BYTE, kernels());
  }

  private static byte[] compile(Path library) throws Exception {
    Path folder = Files.createTempDirectory("fathom-kernels-");
    try {
      Path source = folder.resolve("test_kernels.cu");
      try (InputStream in = Emulator.class.getResourceAsStream("/cuda/test_kernels.cu")) {
        Files.copy(Objects.requireNonNull(in), source);
      }
      Path module = folder.resolve("test_kernels.emu.so");
      Path headers = Path.of("..", "kernels", "cuda");
      List<String> command =
          List.of(
              "c++",
              "-std=c++20",
              "-O1",
              "-fPIC",
              "-fvisibility=hidden",
              "-fno-gnu-unique",
              "-Wno-unknown-pragmas",
              "-shared",
              "-I",
              headers.toString(),
              "-o",
              module.toString(),
              "-x",
              "c++",
              source.toString(),
              "-x",
              "none",
              library.toString());
      Process compiler;
      try {
        compiler = new ProcessBuilder(command).redirectErrorStream(true).start();
      } catch (IOException e) {
        assumeTrue(false, "no C++ compiler");
        throw e;
      }
      String output = new String(compiler.getInputStream().readAllBytes(), UTF_8);
      assertEquals(0, compiler.waitFor(), output);
      return Files.readAllBytes(module);
    } finally {
      try (var files = Files.list(folder)) {
        for (Path file : files.toList()) {
          Files.delete(file);
        }
      }
      Files.delete(folder);
    }
  }
}
