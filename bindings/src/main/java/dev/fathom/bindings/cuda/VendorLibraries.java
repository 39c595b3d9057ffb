package dev.fathom.bindings.cuda;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * NVIDIA's libraries where they are installed, to compare with. They are looked for by name, as the
 * dynamic linker finds them; what is not there says why in one line, and nothing depends on it.
 *
 * <ul>
 *   <li>cuBLAS 12 through JCublas2 (org.jcuda:jcublas and its natives, libcublas.so.12);
 *   <li>cuBLASLt 13, or 12, through the JDK's foreign functions (libcublasLt.so.13);
 *   <li>cuDNN 9 through the JDK's foreign functions (libcudnn.so.9). JCudnn cannot be used: its
 *       natives are in the Maven repository, its classes are not.
 * </ul>
 */
public final class VendorLibraries {

  /**
   * What came of looking for a library.
   *
   * @param <T> the operator
   * @param library the library, for people
   * @param provider the operator, to be closed; null if the library is not there
   * @param reason why it is not there, in one line; empty if it is
   */
  public record Offer<T>(String library, @Nullable T provider, String reason) {

    /** The library, or why it is not there. */
    @Override
    public String toString() {
      return provider == null ? library + ": " + reason : library;
    }
  }

  private interface Opening<T> {
    T open() throws IOException;
  }

  private VendorLibraries() {}

  /** cuBLAS 12, there or not. */
  public static Offer<GemmProvider> cublas(CudaContext context) {
    return offer(
        "cuBLAS through JCublas2",
        () ->
            JCudaLoader.open(
                GemmProvider.class, "JCublasGemm", "JCublas2", CudaContext.class, context));
  }

  /** cuBLASLt 13 or 12, there or not. */
  public static Offer<GemmProvider> cublasLt(CudaContext context) {
    return offer("cuBLASLt", () -> CublasLtGemm.open(context, CublasLtGemm.LIBRARIES));
  }

  /** Matrix products, each there or not. */
  public static List<Offer<GemmProvider>> gemm(CudaContext context) {
    return List.of(cublas(context), cublasLt(context));
  }

  /** The convolution, there or not. */
  public static Offer<ConvProvider> convolution(CudaContext context) {
    return offer("cuDNN", () -> CudnnConv.open(context, CudnnConv.LIBRARIES));
  }

  private static <T> Offer<T> offer(String library, Opening<T> opening) {
    try {
      return new Offer<>(library, opening.open(), "");
    } catch (IOException | CudaException e) {
      return new Offer<>(library, null, String.valueOf(e.getMessage()));
    }
  }

  /** Refuses a tensor that is smaller than its shape. */
  public static void require(DeviceMemory tensor, String name, long... shape) {
    long bytes = Short.BYTES;
    for (long extent : shape) {
      if (extent < 1) {
        throw new IllegalArgumentException(name + " has an extent of " + extent);
      }
      bytes = Math.multiplyExact(bytes, extent);
    }
    if (tensor.byteSize() < bytes) {
      throw new IllegalArgumentException(
          name + " needs " + bytes + " bytes and has " + tensor.byteSize());
    }
  }
}
