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

  private static final int SEED_NUMBERS = 1 << 20;

  private final CudaBackend backend;
  private final BlockMemory memory;
  private final float[] numbers = new float[SEED_NUMBERS];

  Operands(CudaBackend backend) {
    this.backend = backend;
    memory = backend.newMemory();
    Random random = new Random(7);
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (float) random.nextGaussian();
    }
  }

  /** Activations, of a normal distribution. */
  Tensor elements(long... shape) {
    return filled(memory.allocate(backend.activationType(), shape));
  }

  /** Float32 numbers, of a normal distribution. */
  Tensor floats(long... shape) {
    return filled(memory.allocate(ElementType.FLOAT32, shape));
  }

  private Tensor filled(Tensor tensor) {
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
