package dev.fathom.nn.cuda;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.bindings.cuda.CudaProbe;
import dev.fathom.nn.Golden;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.ElementType;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
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
