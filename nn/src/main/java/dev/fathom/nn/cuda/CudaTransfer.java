package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_convert_args;
import dev.fathom.nn.op.TransferOps;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;

/** Copies over the bus, and kernels/cuda/vector.cu where the type changes. */
final class CudaTransfer extends CudaFamily implements TransferOps {

  private final Kernel fromFloat = new Kernel("fathom_elem_from_float");
  private final Kernel toFloat = new Kernel("fathom_float_from_elem");

  CudaTransfer(Engine engine) {
    super(engine);
  }

  @Override
  public void write(float[] values, Tensor y) {
    requireSize("write", values.length, y);
    upload(MemorySegment.ofArray(values), y);
  }

  @Override
  public void write(Tensor x, Tensor y) {
    requireSize("write", x.size(), y);
    requireFloats("write", x);
    upload(x.data(), y);
  }

  @Override
  public float[] read(Tensor x) {
    float[] values = new float[Math.toIntExact(x.size())];
    download(x, MemorySegment.ofArray(values));
    return values;
  }

  @Override
  public void read(Tensor x, Tensor y) {
    requireSize("read", x.size(), y);
    requireFloats("read", y);
    download(x, y.data());
  }

  @Override
  public Supplier<float[]> readLater(Tensor x) {
    if (x.size() == 0) {
      return () -> new float[0];
    }
    int count = Math.toIntExact(x.size());
    synchronized (engine) {
      Downloads.Download download = engine.downloadLater(floats(x), 4L * count);
      return () -> {
        float[] values = new float[count];
        download.read(MemorySegment.ofArray(values));
        return values;
      };
    }
  }

  private static void requireSize(String operator, long size, Tensor y) {
    if (size != y.size()) {
      throw new IllegalArgumentException(
          operator + ": " + size + " numbers copied to or from a tensor " + y);
    }
  }

  private void upload(MemorySegment host, Tensor y) {
    if (y.size() == 0) {
      return;
    }
    synchronized (engine) {
      if (y.type() == ElementType.FLOAT32) {
        engine.upload(y.address(), host, 4 * y.size());
      } else {
        long staged = engine.scratch(4 * y.size()).part(0);
        engine.upload(staged, host, 4 * y.size());
        convert(fromFloat, staged, y.address(), y.size());
      }
    }
  }

  private void download(Tensor x, MemorySegment host) {
    if (x.size() == 0) {
      return;
    }
    synchronized (engine) {
      engine.download(host, floats(x), 4 * x.size());
    }
  }

  /** Where the elements are as float32: in scratch memory, if they are not. */
  private long floats(Tensor x) {
    if (x.type() == ElementType.FLOAT32) {
      return x.address();
    }
    long converted = engine.scratch(4 * x.size()).part(0);
    convert(toFloat, x.address(), converted, x.size());
    return converted;
  }

  private void convert(Kernel kernel, long x, long y, long n) {
    MemorySegment args = Native.arguments(fathom_cuda_convert_args.layout());
    fathom_cuda_convert_args.x(args, address(x));
    fathom_cuda_convert_args.y(args, address(y));
    fathom_cuda_convert_args.n(args, n);
    launch(
        kernel,
        ceil(n, FathomCuda.FATHOM_VECTOR_PER_BLOCK()),
        FathomCuda.FATHOM_VECTOR_THREADS(),
        args);
  }
}
