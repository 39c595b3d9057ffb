package dev.fathom.nn;

import dev.fathom.bindings.CpuIsa;
import dev.fathom.bindings.cuda.CudaProbe;
import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.cuda.CudaBackend;
import dev.fathom.nn.op.Backend;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** What a network runs on. */
public enum Device {
  /** The processor. */
  CPU,

  /** An NVIDIA GPU; where none works, opening fails with the reason. */
  CUDA,

  /** A GPU where one works, otherwise the processor, and a line that says why. */
  AUTO;

  /**
   * A device by its name: cpu, cuda or auto.
   *
   * @throws IllegalArgumentException if there is none of that name
   */
  public static Device of(String name) {
    for (Device device : values()) {
      if (device.label().equals(name)) {
        return device;
      }
    }
    throw new IllegalArgumentException("no device is called " + name + "; cpu, cuda or auto");
  }

  /** The name: cpu, cuda or auto. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * A backend on it.
   *
   * @param threads of the processor, 1 to 1024
   * @param isa of the processor
   * @param kernels whose kernels run on a GPU
   * @param note is told why {@link #AUTO} does not take a GPU: one line, made when it is asked for
   * @throws IllegalStateException if CUDA is asked for and there is no GPU, with the reason, or a
   *     library that is asked for is not there
   * @throws IllegalArgumentException if a GPU's library is asked for on the processor
   * @throws dev.fathom.bindings.FathomException if the device refuses
   */
  public Backend open(
      int threads, CpuIsa isa, GpuKernels kernels, Consumer<Supplier<String>> note) {
    if (this == CPU && kernels.needsLibrary()) {
      throw new IllegalArgumentException(
          "gemm "
              + kernels.gemm().label()
              + ", conv "
              + kernels.conv().label()
              + ": NVIDIA's libraries need the device cuda");
    }
    return switch (this) {
      case CPU -> new CpuBackend(threads, isa);
      case CUDA -> new CudaBackend(kernels);
      case AUTO -> {
        CudaProbe probe = CudaProbe.get();
        // The emulator is for tests: it is slow, and taken only by who asks for CUDA.
        if (probe.isUsable() && !probe.isEmulator()) {
          try {
            yield new CudaBackend(kernels);
          } catch (IllegalStateException e) {
            if (kernels.needsLibrary()) {
              throw e;
            }
            note.accept(() -> "on the processor: " + e.getMessage());
          }
        } else if (!probe.isUsable()) {
          note.accept(() -> "on the processor: " + probe.reason());
        }
        if (kernels.needsLibrary()) {
          throw new IllegalStateException(
              "NVIDIA's libraries need a GPU: "
                  + (probe.isUsable() ? "there is only the emulator" : probe.reason()));
        }
        yield new CpuBackend(threads, isa);
      }
    };
  }
}
