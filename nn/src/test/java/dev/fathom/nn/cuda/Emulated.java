package dev.fathom.nn.cuda;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.bindings.cuda.CudaEvent;
import dev.fathom.bindings.cuda.CudaProbe;
import dev.fathom.nn.Golden;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.ElementType;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The CUDA backend on the stand-in driver. */
final class Emulated {

  private Emulated() {}

  /** A backend; the test is skipped where the emulator was not built. */
  static Backend backend(ElementType elements) {
    return CudaBackend.emulated(requireEmulator().libraryFolder(), elements);
  }

  /** Skips the test where the emulator was not built. */
  static CudaProbe requireEmulator() {
    CudaProbe probe = CudaProbe.get();
    assumeTrue(probe.isUsable() && probe.isEmulator(), probe.description());
    return probe;
  }

  /**
   * How the emulator works from now on.
   *
   * @param schedule the order of threads and blocks
   * @param delayed whether whatever is asynchronous happens as late as it may: a wait that is
   *     missing shows
   */
  static void configure(int schedule, boolean delayed) {
    CudaProbe probe = requireEmulator();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment function =
          SymbolLookup.libraryLookup(probe.libraryFolder().resolve("libcuda.so.1"), arena)
              .findOrThrow("fathom_emulator_configure");
      Linker.nativeLinker()
          .downcallHandle(
              function, FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT))
          .invokeExact(schedule, delayed ? 1 : 0);
    } catch (Throwable e) {
      throw new IllegalStateException("the emulator cannot be configured", e);
    }
  }

  /**
   * A point in a backend's work. In the delayed mode it has been passed only if somebody waited for
   * the device since.
   */
  static CudaEvent mark(Backend backend) {
    Engine engine = ((CudaBackend) backend).engine();
    CudaEvent event = engine.context().newEvent(false);
    event.record(engine.stream());
    return event;
  }

  /** The losses of a reference training. */
  static float[] losses(String name) {
    try (InputStream in = Golden.class.getResourceAsStream("/golden/" + name)) {
      if (in == null) {
        throw new IllegalStateException("no resource /golden/" + name);
      }
      String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      Matcher list = Pattern.compile("\"loss\":\\s*\\[([^\\]]*)").matcher(text);
      if (!list.find()) {
        throw new IllegalStateException("no losses in " + name);
      }
      String[] parts = list.group(1).split(",", -1);
      float[] losses = new float[parts.length];
      for (int i = 0; i < losses.length; i++) {
        losses[i] = Float.parseFloat(parts[i].strip());
      }
      return losses;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
