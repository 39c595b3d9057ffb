package dev.fathom.nn.cuda;

import dev.fathom.bindings.cuda.CudaKernel;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * An operator family on a GPU: each operator fills the struct of its kernel
 * (kernels/cuda/args_*.h), which is the thread's own and reused, and launches it with the geometry
 * that the header says.
 */
abstract class CudaFamily {

  final Engine engine;

  CudaFamily(Engine engine) {
    this.engine = engine;
  }

  /** A kernel that is looked up at its first launch. */
  final class Kernel {

    private final String name;
    private @Nullable CudaKernel found;

    Kernel(String name) {
      this.name = name;
    }

    private CudaKernel get() {
      CudaKernel kernel = found;
      if (kernel == null) {
        kernel = engine.kernel(name);
        found = kernel;
      }
      return kernel;
    }
  }

  /** The kernels of a product, one for each tile that it has. */
  final class TiledKernel {

    private final Map<GemmPlan.Tile, Kernel> kernels = new EnumMap<>(GemmPlan.Tile.class);

    TiledKernel(String name) {
      for (GemmPlan.Tile tile : GemmPlan.Tile.values()) {
        kernels.put(tile, new Kernel(name + tile.suffix()));
      }
    }

    Kernel of(GemmPlan.Tile tile) {
      return Objects.requireNonNull(kernels.get(tile));
    }
  }

  /** A tensor's address for a kernel's struct, or NULL for none. */
  static MemorySegment address(@Nullable Tensor tensor) {
    return tensor == null ? MemorySegment.NULL : MemorySegment.ofAddress(tensor.address());
  }

  static MemorySegment address(long address) {
    return MemorySegment.ofAddress(address);
  }

  final void launch(Kernel kernel, long gridX, int threads, MemorySegment args) {
    launch(kernel, gridX, 1, 1, threads, 0, args);
  }

  final void launch(
      Kernel kernel, long gridX, long gridY, int threads, int shared, MemorySegment args) {
    launch(kernel, gridX, gridY, 1, threads, shared, args);
  }

  final void launch(
      Kernel kernel,
      long gridX,
      long gridY,
      long gridZ,
      int threads,
      int shared,
      MemorySegment args) {
    // Not into a graph that another thread is recording.
    synchronized (engine) {
      CudaKernel found = kernel.get();
      engine.tell(found.name());
      found.launch(
          engine.stream(),
          Math.toIntExact(gridX),
          Math.toIntExact(gridY),
          Math.toIntExact(gridZ),
          threads,
          1,
          1,
          shared,
          args);
    }
  }

  /** ceil(a / b). */
  static long ceil(long a, long b) {
    return (a + b - 1) / b;
  }

  /** n rounded up to a multiple of 8, the elements of a 16-byte access. */
  static long eights(long n) {
    return (n + 7) / 8 * 8;
  }

  /** The least power of two that is n or more, at most {@code most}. */
  static int powerOfTwo(long n, int most) {
    int power = 1;
    while (power < n && power < most) {
      power *= 2;
    }
    return power;
  }

  /** Bytes of an activation. */
  final int elementBytes() {
    return engine.elements().bytes();
  }

  /** Whether a kernel may read the tensor 16 bytes at a time. */
  static boolean aligned(@Nullable Tensor... tensors) {
    for (Tensor tensor : tensors) {
      if (tensor != null && tensor.address() % 16 != 0) {
        return false;
      }
    }
    return true;
  }

  static void requireFloats(String operator, @Nullable Tensor... tensors) {
    for (Tensor tensor : tensors) {
      if (tensor != null && tensor.type() != ElementType.FLOAT32) {
        throw new IllegalArgumentException(
            operator + ": " + tensor + " is of " + tensor.type() + " instead of FLOAT32");
      }
    }
  }

  /**
   * Checks that activations are of the kernels' type.
   *
   * @throws IllegalArgumentException naming the operator and the tensor
   */
  final void requireElements(String operator, @Nullable Tensor... tensors) {
    for (Tensor tensor : tensors) {
      if (tensor != null && tensor.type() != engine.elements()) {
        throw new IllegalArgumentException(
            operator
                + ": "
                + tensor
                + " is of "
                + tensor.type()
                + " instead of "
                + engine.elements());
      }
    }
  }
}
