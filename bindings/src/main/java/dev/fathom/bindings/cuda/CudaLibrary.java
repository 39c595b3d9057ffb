package dev.fathom.bindings.cuda;

import dev.fathom.bindings.SharedLibrary;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The driver's library, loaded once per process and never unloaded: libcuda.so.1 as the dynamic
 * linker finds it, or the file that the system property {@code fathom.cuda.library} or else the
 * environment variable {@code FATHOM_CUDA_LIBRARY} names. The latter is for tests, which run on a
 * library that takes the driver's place.
 *
 * <p>Such a file must have the soname libcuda.so.1: the dynamic linker then takes it for the
 * libcuda.so.1 that JCuda's library asks for, because it is loaded first.
 */
final class CudaLibrary {

  static final String PROPERTY = "fathom.cuda.library";
  static final String VARIABLE = "FATHOM_CUDA_LIBRARY";
  private static final String NAME = "libcuda.so.1";

  /** The file that was asked for, empty if none was. */
  static final String CONFIGURED = configured();

  /** Whether it is Fathom's emulator, which has functions that no driver has. */
  static final boolean EMULATOR;

  private static final @Nullable SymbolLookup SYMBOLS;
  private static final @Nullable Exception FAILURE;

  static {
    SymbolLookup symbols = null;
    Exception failure = null;
    try {
      if (CONFIGURED.isEmpty()) {
        symbols = SharedLibrary.open(NAME, Arena.global());
      } else {
        Path file = Path.of(CONFIGURED).toAbsolutePath();
        if (!Files.isRegularFile(file)) {
          throw new IOException("not a file");
        }
        symbols = SharedLibrary.open(file.toString(), Arena.global());
      }
    } catch (IOException | IllegalCallerException e) {
      failure = e;
    }
    SYMBOLS = symbols;
    EMULATOR = symbols != null && symbols.find("fathom_emulator_last_report").isPresent();
    FAILURE = failure;
  }

  private CudaLibrary() {}

  private static String configured() {
    String property = System.getProperty(PROPERTY);
    if (property != null && !property.isEmpty()) {
      return property;
    }
    String variable = System.getenv(VARIABLE);
    return variable == null ? "" : variable;
  }

  /** Whether there is a library. */
  static boolean isThere() {
    return SYMBOLS != null;
  }

  /** Why there is no library, empty if there is one. */
  static String reason() {
    if (FAILURE == null) {
      return "";
    }
    if (FAILURE instanceof IllegalCallerException) {
      return "this JVM was started without --enable-native-access=ALL-UNNAMED";
    }
    String message = String.valueOf(FAILURE.getMessage());
    if (!CONFIGURED.isEmpty()) {
      return PROPERTY + " names " + CONFIGURED + ", which cannot be loaded: " + message;
    }
    return message.contains("No such file")
        ? "no NVIDIA driver: " + NAME + " was not found"
        : "no NVIDIA driver: " + NAME + " cannot be loaded: " + message;
  }

  /**
   * The library's symbols.
   *
   * @throws IllegalStateException if there is no library
   */
  static SymbolLookup symbols() {
    SymbolLookup symbols = SYMBOLS;
    if (symbols == null) {
      throw new IllegalStateException(reason());
    }
    return symbols;
  }
}
