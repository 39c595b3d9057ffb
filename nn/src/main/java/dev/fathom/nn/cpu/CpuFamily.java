package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * An operator family on the CPU: each operator fills its struct of {@code fathom.h}, which is the
 * thread's own and reused, and calls the native library.
 */
abstract class CpuFamily {

  final CpuContext context;

  CpuFamily(CpuContext context) {
    this.context = context;
  }

  /** A tensor's address, or NULL for none. */
  static MemorySegment address(@Nullable Tensor tensor) {
    return tensor == null ? MemorySegment.NULL : tensor.data();
  }

  /** The header's number, FATHOM_ACTIVATION_*. */
  static long code(Activation activation) {
    return switch (activation) {
      case NONE -> FathomNative.FATHOM_ACTIVATION_NONE();
      case RELU -> FathomNative.FATHOM_ACTIVATION_RELU();
      case GELU -> FathomNative.FATHOM_ACTIVATION_GELU();
      case SIGMOID -> FathomNative.FATHOM_ACTIVATION_SIGMOID();
    };
  }
}
