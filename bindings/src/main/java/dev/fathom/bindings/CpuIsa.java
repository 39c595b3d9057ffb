package dev.fathom.bindings;

import dev.fathom.bindings.generated.FathomNative;

/** An instruction set that the kernels are built for, in rising order. */
public enum CpuIsa {
  /** The best that the machine has. */
  AUTO(0),
  /** What every processor of the architecture has: SSE2, NEON. */
  PORTABLE(1),
  /** AVX2 and FMA. */
  AVX2(2),
  /** AVX-512 F, DQ, BW and VL. */
  AVX512(3);

  // Plain numbers: the generated class can only be initialised in a JVM that allows native access,
  // and NativeLibrary.load() is to be the one to say so.
  private final int code;

  CpuIsa(int code) {
    this.code = code;
  }

  /** Its number in C, FATHOM_ISA_*. */
  public int code() {
    return code;
  }

  /**
   * The instruction set with this number.
   *
   * @throws IllegalArgumentException if there is none
   */
  public static CpuIsa of(int code) {
    for (CpuIsa isa : values()) {
      if (isa.code == code) {
        return isa;
      }
    }
    throw new IllegalArgumentException("no instruction set has the number " + code);
  }

  /**
   * The best that this machine has; never AUTO.
   *
   * @throws FathomLoadException if the native library cannot be loaded
   */
  public static CpuIsa best() {
    NativeLibrary.load();
    return of(FathomNative.fathom_best_isa());
  }
}
