package dev.fathom.bench.gpu;

import dev.fathom.bindings.cuda.CudaContext;
import dev.fathom.bindings.cuda.DeviceMemory;
import dev.fathom.nn.cuda.CudaBackend;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;

/**
 * Tensors of random numbers on a GPU. Not zeros: a chip that multiplies zeros draws less power and
 * runs faster than it would at work.
 */
final class Operands implements AutoCloseable {

  private static final int SEED_NUMBERS = 1 << 16;
  private static final float[] NUMBERS = new float[SEED_NUMBERS];
  private static final float[] POSITIVE = new float[SEED_NUMBERS];

  static {
    Random random = new Random(7);
    for (int i = 0; i < SEED_NUMBERS; i++) {
      NUMBERS[i] = (float) random.nextGaussian();
      POSITIVE[i] = 0.1f + Math.abs(NUMBERS[i]);
    }
  }

  private final CudaBackend backend;
  private final BlockMemory memory;

  Operands(CudaBackend backend) {
    this.backend = backend;
    memory = backend.newMemory();
  }

  /** The memory that the operands are of. */
  BlockMemory memory() {
    return memory;
  }

  /** Activations, of a normal distribution. */
  Tensor elements(long... shape) {
    return filled(NUMBERS, memory.allocate(backend.activationType(), shape));
  }

  /** Float32 numbers, of a normal distribution. */
  Tensor floats(long... shape) {
    return filled(NUMBERS, memory.allocate(ElementType.FLOAT32, shape));
  }

  /** Float32 numbers of 0.1 and more, as depths are. */
  Tensor positive(long... shape) {
    return filled(POSITIVE, memory.allocate(ElementType.FLOAT32, shape));
  }

  private Tensor filled(float[] numbers, Tensor tensor) {
    long done = Math.min(tensor.size(), SEED_NUMBERS);
    backend.transfer().write(Arrays.copyOf(numbers, Math.toIntExact(done)), tensor.slice(0, done));
    while (done < tensor.size()) {
      long more = Math.min(done, tensor.size() - done);
      backend.resample().copy(tensor.slice(0, more), tensor.slice(done, more));
      done += more;
    }
    return tensor;
  }

  /** The same memory for a library. */
  DeviceMemory borrowed(Tensor tensor) {
    CudaContext context = backend.stream().context();
    return DeviceMemory.borrowed(context, tensor.address(), tensor.bytes());
  }

  @Override
  public void close() {
    memory.close();
  }
}
