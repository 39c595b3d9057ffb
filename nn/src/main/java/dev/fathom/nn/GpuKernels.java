package dev.fathom.nn;

import java.util.Locale;

/**
 * Whose kernels compute matrix products and convolutions on a GPU: Fathom's own, or those of
 * NVIDIA's libraries where they are installed, to compare with. A library computes the product; the
 * bias, the activation and what is added follow in a pass of Fathom's. Ways back are always
 * Fathom's.
 *
 * @param gemm of linear layers
 * @param conv of 3x3 convolutions with stride 1
 */
public record GpuKernels(Gemm gemm, Conv conv) {

  /** Fathom's own throughout. */
  public static final GpuKernels OWN = new GpuKernels(Gemm.FATHOM, Conv.FATHOM);

  /** Whose matrix products. */
  public enum Gemm {
    /** Fathom's own. */
    FATHOM,
    /** cuBLAS 12, through JCublas2. */
    CUBLAS,
    /** cuBLASLt 13 or 12, through the JDK's foreign functions. */
    CUBLASLT;

    /**
     * Fathom, cublas or cublaslt.
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public static Gemm of(String name) {
      for (Gemm gemm : values()) {
        if (gemm.label().equals(name)) {
          return gemm;
        }
      }
      throw new IllegalArgumentException(
          "no matrix products are called " + name + "; fathom, cublas or cublaslt");
    }

    /** The name: fathom, cublas or cublaslt. */
    public String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Whose convolutions. */
  public enum Conv {
    /** Fathom's own. */
    FATHOM,
    /** cuDNN 9, through the JDK's foreign functions. */
    CUDNN;

    /**
     * Fathom or cudnn.
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public static Conv of(String name) {
      for (Conv conv : values()) {
        if (conv.label().equals(name)) {
          return conv;
        }
      }
      throw new IllegalArgumentException(
          "no convolutions are called " + name + "; fathom or cudnn");
    }

    /** The name: fathom or cudnn. */
    public String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Whether a library of NVIDIA's is asked for. */
  public boolean needsLibrary() {
    return gemm != OWN.gemm || conv != OWN.conv;
  }
}
