package dev.fathom.bench;

import dev.fathom.bindings.CpuIsa;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A vendor's single-precision matrix product, found at run time. A process loads one of them once:
 * the number of threads and the instruction set are given to it through its environment.
 */
interface MatrixProduct {

  /** The libraries that are tried. */
  List<String> NAMES = List.of("openblas", "onednn");

  /** y [rows,out] = x [rows,in] w [in,out]. */
  void multiply(long rows, long in, long out, MemorySegment x, MemorySegment w, MemorySegment y);

  /** Library, version and what it says of itself. */
  String description();

  /**
   * Loads a library.
   *
   * @param name one of {@link #NAMES}
   * @param isa the best instruction set that it may use; never AUTO
   * @throws IllegalArgumentException if it is not on this machine; the message says what was tried
   */
  static MatrixProduct open(String name, int threads, CpuIsa isa) {
    return switch (name) {
      case "openblas" -> new OpenBlas(threads, isa);
      case "onednn" -> new OneDnn(threads, isa);
      default -> throw new IllegalArgumentException("no library '" + name + "'");
    };
  }

  /** What a library does not do right, or at all. */
  private static IllegalStateException failure(String function, Throwable cause) {
    return new IllegalStateException(function + " failed", cause);
  }

  /** The first of some libraries that the dynamic linker finds. */
  private static SymbolLookup load(String... names) {
    for (String name : names) {
      try {
        return SymbolLookup.libraryLookup(name, Arena.global());
      } catch (IllegalArgumentException e) {
        // The next name; the last exception would name one of them only.
      }
    }
    throw new IllegalArgumentException(String.join(", ", names) + ": not found");
  }

  /** Sets variables that a library reads as it is loaded. */
  private static void environment(Map<String, String> variables) {
    Linker linker = Linker.nativeLinker();
    MethodHandle setenv =
        linker.downcallHandle(
            linker.defaultLookup().findOrThrow("setenv"),
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.ADDRESS,
                ValueLayout.JAVA_INT));
    variables.forEach((name, value) -> {
      try (Arena arena = Arena.ofConfined()) {
        int status =
            (int) setenv.invokeExact(arena.allocateFrom(name), arena.allocateFrom(value), 1);
        if (status != 0) {
          throw new IllegalStateException("setenv failed with status " + status);
        }
      } catch (RuntimeException | Error e) {
        throw e;
      } catch (Throwable e) {
        throw failure("setenv", e);
      }
    });
  }

  /** OpenBLAS, or another library of the BLAS interface that is installed in its place. */
  final class OpenBlas implements MatrixProduct {
    private static final int ROW_MAJOR = 101;
    private static final int NO_TRANSPOSE = 111;
    // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ... SkylakeX MAX_THREADS=64"
    private static final Pattern CONFIG = Pattern.compile("^(\\S+ \\S+).*? (\\S*) MAX_THREADS=");

    private final MethodHandle sgemm;
    private final String description;

    OpenBlas(int threads, CpuIsa isa) {
      Map<String, String> variables =
          switch (isa) {
            case PORTABLE -> Map.of("OPENBLAS_CORETYPE", "Nehalem");
            case AVX2 -> Map.of("OPENBLAS_CORETYPE", "Haswell");
            case AVX512, AUTO -> Map.of();
          };
      if (System.getProperty("os.arch", "").equals("amd64")) {
        environment(variables);
      }
      environment(
          Map.of(
              "OPENBLAS_NUM_THREADS",
              Integer.toString(threads),
              "OMP_NUM_THREADS",
              Integer.toString(threads)));
      SymbolLookup symbols = load("libopenblas.so.0", "libopenblas.so", "libblas.so.3");
      Linker linker = Linker.nativeLinker();
      sgemm =
          linker.downcallHandle(
              symbols
                  .find("cblas_sgemm")
                  .orElseThrow(() -> new IllegalArgumentException("BLAS without cblas_sgemm")),
              FunctionDescriptor.ofVoid(
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_FLOAT,
                  ValueLayout.ADDRESS,
                  ValueLayout.JAVA_INT,
                  ValueLayout.ADDRESS,
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_FLOAT,
                  ValueLayout.ADDRESS,
                  ValueLayout.JAVA_INT));
      description =
          symbols
              .find("openblas_get_config")
              .map(function -> config(linker, function))
              .orElse("BLAS");
    }

    private static String config(Linker linker, MemorySegment function) {
      try {
        MethodHandle handle =
            linker.downcallHandle(
                function,
                FunctionDescriptor.of(
                    ValueLayout.ADDRESS.withTargetLayout(
                        MemoryLayout.sequenceLayout(4096, ValueLayout.JAVA_BYTE))));
        Matcher matcher = CONFIG.matcher(((MemorySegment) handle.invokeExact()).getString(0));
        return matcher.find() ? (matcher.group(1) + " " + matcher.group(2)).strip() : "OpenBLAS";
      } catch (Throwable e) {
        throw failure("openblas_get_config", e);
      }
    }

    @Override
    public void multiply(
        long rows, long in, long out, MemorySegment x, MemorySegment w, MemorySegment y) {
      try {
        sgemm.invokeExact(
            ROW_MAJOR,
            NO_TRANSPOSE,
            NO_TRANSPOSE,
            (int) rows,
            (int) out,
            (int) in,
            1f,
            x,
            (int) in,
            w,
            (int) out,
            0f,
            y,
            (int) out);
      } catch (Throwable e) {
        throw failure("cblas_sgemm", e);
      }
    }

    @Override
    public String description() {
      return description;
    }
  }

  /** oneDNN's {@code dnnl_sgemm}, whose matrices are row-major. */
  final class OneDnn implements MatrixProduct {
    private final MethodHandle sgemm;
    private final String description;

    OneDnn(int threads, CpuIsa isa) {
      String best =
          switch (isa) {
            case PORTABLE -> "SSE41";
            case AVX2 -> "AVX2";
            case AVX512, AUTO -> "ALL";
          };
      environment(
          Map.of(
              "DNNL_MAX_CPU_ISA",
              best,
              "ONEDNN_MAX_CPU_ISA",
              best,
              "OMP_NUM_THREADS",
              Integer.toString(threads)));
      SymbolLookup symbols = load("libdnnl.so.3", "libdnnl.so.2", "libdnnl.so");
      Linker linker = Linker.nativeLinker();
      sgemm =
          linker.downcallHandle(
              symbols
                  .find("dnnl_sgemm")
                  .orElseThrow(() -> new IllegalArgumentException("oneDNN without dnnl_sgemm")),
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_BYTE,
                  ValueLayout.JAVA_BYTE,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_FLOAT,
                  ValueLayout.ADDRESS,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.ADDRESS,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_FLOAT,
                  ValueLayout.ADDRESS,
                  ValueLayout.JAVA_LONG));
      description = "oneDNN " + version(linker, symbols.findOrThrow("dnnl_version"));
    }

    /** dnnl_version_t begins with the three numbers. */
    private static String version(Linker linker, MemorySegment function) {
      try {
        MethodHandle handle =
            linker.downcallHandle(
                function,
                FunctionDescriptor.of(
                    ValueLayout.ADDRESS.withTargetLayout(
                        MemoryLayout.sequenceLayout(3, ValueLayout.JAVA_INT))));
        MemorySegment version = (MemorySegment) handle.invokeExact();
        return version.getAtIndex(ValueLayout.JAVA_INT, 0)
            + "."
            + version.getAtIndex(ValueLayout.JAVA_INT, 1)
            + "."
            + version.getAtIndex(ValueLayout.JAVA_INT, 2);
      } catch (Throwable e) {
        throw failure("dnnl_version", e);
      }
    }

    @Override
    public void multiply(
        long rows, long in, long out, MemorySegment x, MemorySegment w, MemorySegment y) {
      int status;
      try {
        status =
            (int)
                sgemm.invokeExact(
                    (byte) 'N', (byte) 'N', rows, out, in, 1f, x, in, w, out, 0f, y, out);
      } catch (Throwable e) {
        throw failure("dnnl_sgemm", e);
      }
      if (status != 0) {
        throw new IllegalStateException("dnnl_sgemm failed with status " + status);
      }
    }

    @Override
    public String description() {
      return description;
    }
  }
}
