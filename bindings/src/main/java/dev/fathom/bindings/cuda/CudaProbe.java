package dev.fathom.bindings.cuda;

import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Whether there is a GPU that the kernels run on, or in one line why not. Found out once per
 * process, when first asked; a missing GPU or driver is an answer and no exception.
 *
 * <p>System properties:
 *
 * <ul>
 *   <li>{@code fathom.cuda.device}: the ordinal of the device to use; without it the first one that
 *       serves;
 *   <li>{@code fathom.cuda.driver}: {@code jcuda} or {@code panama}, how the driver is called;
 *       without it through JCuda if that is on the class path, otherwise through the JDK;
 *   <li>{@code fathom.cuda.library}, or the environment variable {@code FATHOM_CUDA_LIBRARY}: for
 *       tests, the file of a library that takes the place of libcuda.so.1. {@link #description()}
 *       names it then, and begins with "emulator" if it is Fathom's, so that nobody takes its
 *       results for a GPU's.
 * </ul>
 */
public final class CudaProbe {

  /**
   * The least CUDA version of the driver, as cuDriverGetVersion gives it: the kernels are compiled
   * by CUDA 13.0, and a driver loads what its own major version compiled, or an earlier one.
   */
  public static final int MINIMUM_DRIVER_VERSION = 13_000;

  static final String DEVICE_PROPERTY = "fathom.cuda.device";

  /** In a class of its own, so that it is made when asked for. */
  private static final class Holder {
    static final CudaProbe PROBE = probe(System::getProperty);
  }

  private final @Nullable CudaDriver driver;
  private final @Nullable CudaDevice device;
  private final int driverVersion;
  private final Supplier<String> reason;

  private CudaProbe(CudaDriver driver, CudaDevice device, int driverVersion) {
    this.driver = driver;
    this.device = device;
    this.driverVersion = driverVersion;
    this.reason = () -> "";
  }

  private CudaProbe(String reason) {
    this(() -> reason);
  }

  private CudaProbe(Supplier<String> reason) {
    this.driver = null;
    this.device = null;
    this.driverVersion = 0;
    this.reason = reason;
  }

  /** This process's answer. */
  public static CudaProbe get() {
    return Holder.PROBE;
  }

  /** Whether there is a GPU to use. */
  public boolean isUsable() {
    return device != null;
  }

  /** Why there is none, in one line; empty if there is one. */
  public String reason() {
    return reason.get();
  }

  /**
   * The driver, initialised.
   *
   * @throws IllegalStateException with {@link #reason()} if there is no GPU to use
   */
  public CudaDriver driver() {
    return present(driver);
  }

  /**
   * The GPU to use.
   *
   * @throws IllegalStateException with {@link #reason()} if there is none
   */
  public CudaDevice device() {
    return present(device);
  }

  /** The CUDA version that the driver supports, 1000 major + 10 minor; 0 if there is no GPU. */
  public int driverVersion() {
    return driverVersion;
  }

  /** Whether Fathom's emulator takes the driver's place. */
  public boolean isEmulator() {
    return CudaLibrary.EMULATOR;
  }

  /**
   * The folder of the library that takes the driver's place.
   *
   * @throws IllegalStateException if none does
   */
  public Path libraryFolder() {
    Path folder = Path.of(CudaLibrary.CONFIGURED).toAbsolutePath().getParent();
    if (CudaLibrary.CONFIGURED.isEmpty() || folder == null) {
      throw new IllegalStateException("the driver is NVIDIA's: it has no folder of its own");
    }
    return folder;
  }

  /** One line for people: the GPU, the driver and how it is called, or why there is none. */
  public String description() {
    CudaDevice found = device;
    if (found == null || driver == null) {
      return "no GPU: " + reason();
    }
    return (isEmulator() ? "emulator: " : "")
        + found
        + ", driver for CUDA "
        + version(driverVersion)
        + " through "
        + driver.implementation()
        + (CudaLibrary.CONFIGURED.isEmpty()
            ? ""
            : ", from " + CudaLibrary.PROPERTY + "=" + CudaLibrary.CONFIGURED);
  }

  private <T> T present(@Nullable T value) {
    if (value == null) {
      throw new IllegalStateException("no GPU can be used: " + reason());
    }
    return value;
  }

  private static String version(int number) {
    return number / 1000 + "." + number % 1000 / 10;
  }

  private static CudaProbe probe(Function<String, @Nullable String> property) {
    if (!CudaLibrary.isThere()) {
      return new CudaProbe(CudaLibrary::reason);
    }
    try {
      CudaDriver driver = DriverChoice.open(property);
      int version = driver.driverGetVersion();
      if (version < MINIMUM_DRIVER_VERSION) {
        return new CudaProbe(
            "the NVIDIA driver is too old: it supports CUDA "
                + version(version)
                + ", the kernels need "
                + version(MINIMUM_DRIVER_VERSION));
      }
      driver.init();
      return choose(driver, version, property.apply(DEVICE_PROPERTY));
    } catch (IOException e) {
      return new CudaProbe(String.valueOf(e.getMessage()));
    } catch (CudaException e) {
      return new CudaProbe(
          e.code() == CudaException.NO_DEVICE
              ? "the driver sees no GPU"
              : String.valueOf(e.getMessage()));
    }
  }

  private static CudaProbe choose(CudaDriver driver, int version, @Nullable String wanted) {
    int count = driver.deviceGetCount();
    if (count == 0) {
      return new CudaProbe("the driver sees no GPU");
    }
    int first = 0;
    int last = count - 1;
    if (wanted != null && !wanted.isEmpty()) {
      try {
        first = Integer.parseInt(wanted);
      } catch (NumberFormatException e) {
        first = -1;
      }
      if (first < 0 || first >= count) {
        return new CudaProbe(DEVICE_PROPERTY + " is " + wanted + "; it can be 0 to " + (count - 1));
      }
      last = first;
    }
    StringBuilder tooOld = new StringBuilder();
    for (int ordinal = first; ordinal <= last; ordinal++) {
      CudaDevice device = CudaDevice.of(driver, ordinal);
      if (device.capability() >= CudaDevice.MINIMUM_CAPABILITY) {
        return new CudaProbe(driver, device, version);
      }
      tooOld
          .append(tooOld.isEmpty() ? "" : ", ")
          .append(device.name())
          .append(" has compute capability ")
          .append(device.major())
          .append('.')
          .append(device.minor());
    }
    return new CudaProbe(tooOld + "; the kernels need 8.0");
  }
}
