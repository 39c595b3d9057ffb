package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_convert_args;
import dev.fathom.nn.op.TransferOps;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Copies over the bus, and kernels/cuda/vector.cu where the type changes. */
final class CudaTransfer extends CudaFamily implements TransferOps {

  CudaTransfer(Engine engine) {
    super(engine);
  }

  @Override
  public void write(float[] values, Tensor y) {
    requireSize("write", values.length, y);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(Math.max(4L * values.length, 4), 4);
      MemorySegment.copy(values, 0, host, ValueLayout.JAVA_FLOAT, 0, values.length);
      upload(host, y);
    }
  }

  @Override
  public void write(Tensor x, Tensor y) {
    requireSize("write", x.size(), y);
    requireFloats("write", x);
    upload(x.data().asSlice(0, x.bytes()), y);
  }

  @Override
  public float[] read(Tensor x) {
    float[] values = new float[Math.toIntExact(x.size())];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(Math.max(4L * values.length, 4), 4);
      download(x, host);
      MemorySegment.copy(host, ValueLayout.JAVA_FLOAT, 0, values, 0, values.length);
    }
    return values;
  }

  @Override
  public void read(Tensor x, Tensor y) {
    requireSize("read", x.size(), y);
    requireFloats("read", y);
    download(x, y.data());
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
        engine.copyToDevice(y.address(), host, 4 * y.size());
      } else {
        long staged = engine.scratch(4 * y.size()).part(0);
        engine.copyToDevice(staged, host, 4 * y.size());
        convert("fathom_elem_from_float", staged, y.address(), y.size());
      }
      // The caller may free the host's memory, which is not page-locked.
      engine.stream().synchronize();
    }
  }

  private void download(Tensor x, MemorySegment host) {
    if (x.size() == 0) {
      return;
    }
    synchronized (engine) {
      long source = x.address();
      if (x.type() != ElementType.FLOAT32) {
        source = engine.scratch(4 * x.size()).part(0);
        convert("fathom_float_from_elem", x.address(), source, x.size());
      }
      engine.copyToHost(host, source, 4 * x.size());
      engine.stream().synchronize();
    }
  }

  private void convert(String kernel, long x, long y, long n) {
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
