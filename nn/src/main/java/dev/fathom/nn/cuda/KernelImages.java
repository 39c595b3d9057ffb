package dev.fathom.nn.cuda;

import dev.fathom.bindings.cuda.CudaContext;
import dev.fathom.bindings.cuda.CudaModule;
import dev.fathom.bindings.cuda.CudaProbe;
import dev.fathom.nn.tensor.ElementType;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Where the compiled kernels come from: the class path for a GPU, the folder of the stand-in driver
 * for the emulator, whose modules no GPU takes.
 *
 * @param elements what activations are in these kernels
 * @param folder of the emulator's modules; not looked at with {@code bundled}
 * @param bundled whether they are those on the class path
 */
record KernelImages(ElementType elements, Path folder, boolean bundled) {

  /** Modules for a GPU, and a list of them. */
  private static final String RESOURCES = "/dev/fathom/native/cuda/";

  private static final String LIST = "modules.txt";

  /** Kernels that only compute capability 9.0 runs. */
  private static final String HOPPER = "90.cubin";

  private static final String EMULATED = ".emu.so";
  private static final String EMULATED_FLOAT = "_float.emu.so";

  /** The kernels that go with the driver that was found. */
  static KernelImages of(CudaProbe probe) {
    return probe.isEmulator()
        ? emulated(probe.libraryFolder(), ElementType.BFLOAT16)
        : new KernelImages(ElementType.BFLOAT16, Path.of(""), true);
  }

  /** The emulator's kernels in a folder, of either element type. */
  static KernelImages emulated(Path folder, ElementType elements) {
    return new KernelImages(elements, folder, false);
  }

  /**
   * Loads them all.
   *
   * @throws IllegalStateException if there are none
   */
  List<CudaModule> load(CudaContext context) {
    List<CudaModule> modules = new ArrayList<>();
    try (Arena arena = Arena.ofConfined()) {
      for (String name : names(context)) {
        modules.add(context.load(image(name, arena)));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(
          "the CUDA kernels cannot be read: " + String.valueOf(e.getMessage()), e);
    }
    if (modules.isEmpty()) {
      throw new IllegalStateException(
          bundled
              ? "this build has no CUDA kernels: nvcc was not installed where it was made"
              : "there are no kernels for the emulator in " + folder);
    }
    return modules;
  }

  private List<String> names(CudaContext context) throws IOException {
    boolean hopper = context.device().capability() == 90;
    if (!bundled) {
      try (var files = Files.list(folder)) {
        return files
            .map(file -> String.valueOf(file.getFileName()))
            .filter(name -> name.endsWith(EMULATED))
            .filter(name -> isFloat(name) == (elements == ElementType.FLOAT32) || hopper(name))
            .filter(name -> !hopper(name) || (hopper && elements == ElementType.BFLOAT16))
            .sorted()
            .toList();
      }
    }
    try (InputStream list = KernelImages.class.getResourceAsStream(RESOURCES + LIST)) {
      if (list == null) {
        return List.of();
      }
      return new String(list.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .filter(name -> hopper || !name.endsWith(HOPPER))
          .toList();
    }
  }

  private static boolean isFloat(String name) {
    return name.endsWith(EMULATED_FLOAT);
  }

  private static boolean hopper(String name) {
    return name.endsWith("90" + EMULATED);
  }

  private MemorySegment image(String name, Arena arena) throws IOException {
    byte[] bytes;
    if (bundled) {
      try (InputStream image = KernelImages.class.getResourceAsStream(RESOURCES + name)) {
        if (image == null) {
          throw new IOException("no resource " + RESOURCES + name);
        }
        bytes = image.readAllBytes();
      }
    } else {
      bytes = Files.readAllBytes(folder.resolve(name));
    }
    // A zero at the end, should it be PTX.
    MemorySegment segment = arena.allocate(bytes.length + 1L, 16);
    MemorySegment.copy(bytes, 0, segment, ValueLayout.JAVA_BYTE, 0, bytes.length);
    return segment;
  }
}
