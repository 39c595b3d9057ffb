package dev.fathom.bindings.cuda;

import java.io.IOException;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Which implementation of the driver is used: what the system property {@code fathom.cuda.driver}
 * says, {@code jcuda} or {@code panama}; without it JCuda if it is on the class path, otherwise the
 * JDK alone.
 */
final class DriverChoice {

  static final String PROPERTY = "fathom.cuda.driver";

  private static final System.Logger LOG = System.getLogger("dev.fathom.bindings");

  private DriverChoice() {}

  /**
   * The driver; the library must be loaded.
   *
   * @param property system properties
   * @throws IOException if the implementation that the property names cannot be used, with the
   *     reason in one line
   */
  static CudaDriver open(Function<String, @Nullable String> property) throws IOException {
    String choice = property.apply(PROPERTY);
    return switch (choice == null ? "" : choice) {
      case "panama" -> new PanamaCudaDriver();
      case "jcuda" -> {
        try {
          yield openJCuda();
        } catch (IOException e) {
          throw new IOException(PROPERTY + " is jcuda: " + e.getMessage(), e);
        }
      }
      case "" -> {
        if (!JCudaLoader.isPresent()) {
          yield new PanamaCudaDriver();
        }
        try {
          yield openJCuda();
        } catch (IOException e) {
          LOG.log(
              System.Logger.Level.WARNING,
              "JCuda is on the class path and cannot be used ("
                  + e.getMessage()
                  + "); the driver is called through the JDK instead. -D"
                  + PROPERTY
                  + "=panama asks for that");
          yield new PanamaCudaDriver();
        }
      }
      default -> throw new IOException(PROPERTY + " is " + choice + "; it can be jcuda or panama");
    };
  }

  /**
   * The driver on JCuda.
   *
   * @throws IOException if JCuda or its native library is not there or cannot be loaded
   */
  static CudaDriver openJCuda() throws IOException {
    if (!JCudaLoader.isPresent()) {
      throw new IOException("org.jcuda:jcuda is not on the class path");
    }
    return JCudaLoader.open(
        CudaDriver.class,
        "JCudaCudaDriver",
        "JCudaDriver",
        CudaDriver.class,
        new PanamaCudaDriver());
  }
}
