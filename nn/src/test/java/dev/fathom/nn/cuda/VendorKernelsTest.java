package dev.fathom.nn.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.CpuIsa;
import dev.fathom.bindings.cuda.ConvProvider;
import dev.fathom.bindings.cuda.CudaContext;
import dev.fathom.bindings.cuda.CudaProbe;
import dev.fathom.bindings.cuda.CudaStream;
import dev.fathom.bindings.cuda.DeviceMemory;
import dev.fathom.bindings.cuda.GemmProvider;
import dev.fathom.nn.Device;
import dev.fathom.nn.Golden;
import dev.fathom.nn.GpuKernels;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * Layers on a library beside layers on ours, in bfloat16 on the emulator. The libraries here are
 * plain loops: what is tested is what is handed to them and what is done with their results.
 */
class VendorKernelsTest {

  /** Three roundings to bfloat16 of numbers that add up to about the result's size. */
  private static final double TOLERANCE = 1.2e-2;

  private static float[] read(CudaStream stream, DeviceMemory memory) {
    int n = Math.toIntExact(memory.byteSize() / Short.BYTES);
    float[] values = new float[n];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(memory.byteSize(), Short.BYTES);
      stream.copyToHost(host, memory);
      stream.synchronize();
      for (int i = 0; i < n; i++) {
        values[i] = Float.intBitsToFloat(host.getAtIndex(ValueLayout.JAVA_SHORT, i) << 16);
      }
    }
    return values;
  }

  private static void write(CudaStream stream, float[] values, DeviceMemory memory) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(memory.byteSize(), Short.BYTES);
      for (int i = 0; i < values.length; i++) {
        int bits = Float.floatToRawIntBits(values[i]);
        host.setAtIndex(
            ValueLayout.JAVA_SHORT, i, (short) ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16));
      }
      stream.copyToDevice(memory, host);
      stream.synchronize();
    }
  }

  /** Counts its calls. */
  private static final class PlainProducts implements GemmProvider {
    private int calls;

    @Override
    public String name() {
      return "loops";
    }

    @Override
    public boolean hasBias() {
      return false;
    }

    @Override
    public void multiply(
        CudaStream stream,
        int rows,
        int inputs,
        int outputs,
        DeviceMemory x,
        DeviceMemory w,
        @Nullable DeviceMemory bias,
        DeviceMemory y) {
      calls++;
      assertEquals(2L * rows * inputs, x.byteSize());
      assertEquals(2L * outputs * inputs, w.byteSize());
      assertEquals(2L * rows * outputs, y.byteSize());
      float[] a = read(stream, x);
      float[] b = read(stream, w);
      float[] c = new float[rows * outputs];
      for (int r = 0; r < rows; r++) {
        for (int o = 0; o < outputs; o++) {
          for (int k = 0; k < inputs; k++) {
            c[r * outputs + o] += a[r * inputs + k] * b[o * inputs + k];
          }
        }
      }
      write(stream, c, y);
    }

    @Override
    public void close() {}
  }

  /** Counts its calls. */
  private static final class PlainConvolution implements ConvProvider {
    private int calls;

    @Override
    public String name() {
      return "loops";
    }

    @Override
    public void convolve(
        CudaStream stream, Shape shape, DeviceMemory x, DeviceMemory w, DeviceMemory y) {
      assertEquals(3, shape.kernel());
      assertEquals(1, shape.stride());
      int height = shape.height();
      int width = shape.width();
      int inputs = shape.inputs();
      int outputs = shape.outputs();
      calls++;
      float[] a = read(stream, x);
      float[] b = read(stream, w);
      float[] c = new float[shape.batch() * height * width * outputs];
      for (int at = 0; at < c.length; at++) {
        int o = at % outputs;
        int column = at / outputs % width;
        int row = at / outputs / width % height;
        int picture = at / outputs / width / height;
        for (int tap = 0; tap < 9; tap++) {
          int v = row + tap / 3 - 1;
          int u = column + tap % 3 - 1;
          if (v >= 0 && v < height && u >= 0 && u < width) {
            for (int i = 0; i < inputs; i++) {
              c[at] +=
                  a[((picture * height + v) * width + u) * inputs + i]
                      * b[(o * 9 + tap) * inputs + i];
            }
          }
        }
      }
      write(stream, c, y);
    }

    @Override
    public void inputGradient(
        CudaStream stream, Shape shape, DeviceMemory w, DeviceMemory dy, DeviceMemory dx) {
      throw new AssertionError("every way back is ours");
    }

    @Override
    public void weightGradient(
        CudaStream stream, Shape shape, DeviceMemory x, DeviceMemory dy, DeviceMemory dw) {
      throw new AssertionError("every way back is ours");
    }

    @Override
    public void close() {}
  }

  /** Tensors of reproducible numbers on the emulator. */
  private static final class Bench implements AutoCloseable {
    final Engine engine;
    final CudaMemory memory;
    final CudaTransfer transfer;
    private int made;

    Bench() {
      var _ = Emulated.requireEmulator();
      CudaContext context = CudaContext.open();
      engine =
          new Engine(
              context,
              KernelImages.emulated(CudaProbe.get().libraryFolder(), ElementType.BFLOAT16));
      memory = new CudaMemory(engine);
      transfer = new CudaTransfer(engine);
    }

    Tensor elements(long... shape) {
      return filled(memory.allocate(ElementType.BFLOAT16, shape));
    }

    Tensor floats(long... shape) {
      return filled(memory.allocate(shape));
    }

    private Tensor filled(Tensor tensor) {
      transfer.write(Golden.hashed("vendor" + made++, Math.toIntExact(tensor.size())), tensor);
      return tensor;
    }

    Tensor room(long... shape) {
      return memory.allocate(ElementType.BFLOAT16, shape);
    }

    void same(Tensor actual, Tensor expected) {
      double error = Golden.relativeError(transfer.read(actual), transfer.read(expected));
      assertTrue(error < TOLERANCE, "relative error " + error);
    }

    @Override
    public void close() {
      memory.close();
      engine.close();
    }
  }

  @Test
  void linearLayersOnALibrary() {
    try (Bench b = new Bench()) {
      PlainProducts library = new PlainProducts();
      CudaLinear ours = new CudaLinear(b.engine, new Products(b.engine));
      CudaLinear vendor = new VendorLinear(b.engine, new Products(b.engine), library);
      Tensor x = b.elements(2, 5, 16);
      Tensor weight = b.floats(24, 16);
      Tensor bias = b.floats(24);
      Tensor scale = b.floats(24);
      Tensor residual = b.elements(2, 5, 24);
      Tensor packed = vendor.packLinear(weight, b.memory);
      Tensor expected = b.room(2, 5, 24);
      Tensor actual = b.room(2, 5, 24);
      Tensor expectedBefore = b.room(2, 5, 24);
      Tensor before = b.room(2, 5, 24);
      ours.linear(x, packed, null, Activation.NONE, null, null, expected, null);
      vendor.linear(x, packed, null, Activation.NONE, null, null, actual, null);
      b.same(actual, expected);
      ours.linear(x, packed, bias, Activation.GELU, scale, residual, expected, expectedBefore);
      vendor.linear(x, packed, bias, Activation.GELU, scale, residual, actual, before);
      b.same(actual, expected);
      b.same(before, expectedBefore);
      // Onto the residual itself.
      vendor.linear(x, packed, bias, Activation.GELU, scale, residual, residual, null);
      b.same(residual, expected);
      assertEquals(3, library.calls);
    }
  }

  @Test
  void layersThatALibraryDoesNotTakeAreOurs() {
    try (Bench b = new Bench()) {
      PlainProducts library = new PlainProducts();
      CudaLinear vendor = new VendorLinear(b.engine, new Products(b.engine), library);
      Tensor x = b.elements(3, 13);
      Tensor packed = vendor.packLinear(b.floats(8, 13), b.memory);
      Tensor y = b.room(3, 8);
      vendor.linear(x, packed, null, Activation.NONE, null, null, y, null);
      var _ = b.transfer.read(y);
      assertEquals(0, library.calls);
    }
  }

  @Test
  void convolutionsOnALibrary() {
    try (Bench b = new Bench()) {
      PlainConvolution library = new PlainConvolution();
      Products products = new Products(b.engine);
      CudaResample resample = new CudaResample(b.engine);
      CudaConv ours = new CudaConv(b.engine, products, resample);
      CudaConv vendor = new VendorConv(b.engine, products, resample, library);
      Conv2dShape shape = new Conv2dShape(16, 8, 3, 1);
      Tensor x = b.elements(2, 5, 7, 16);
      Tensor packed = vendor.packConv2d(shape, b.floats(8, 16, 3, 3), b.memory);
      Tensor bias = b.floats(8);
      Tensor first = b.elements(2, 5, 7, 8);
      Tensor second = b.elements(2, 5, 7, 8);
      Tensor expected = b.room(2, 5, 7, 8);
      Tensor actual = b.room(2, 5, 7, 8);
      for (Fusion fusion :
          new Fusion[] {
            Fusion.NONE,
            new Fusion(true, false, Activation.RELU, null, null, null),
            new Fusion(true, false, Activation.NONE, first, second, null)
          }) {
        ours.conv2d(shape, x, 5, 7, packed, bias, fusion, expected);
        vendor.conv2d(shape, x, 5, 7, packed, bias, fusion, actual);
        b.same(actual, expected);
      }
      ours.conv2d(shape, x, 5, 7, packed, null, Fusion.NONE, expected);
      vendor.conv2d(shape, x, 5, 7, packed, null, Fusion.NONE, actual);
      b.same(actual, expected);
      assertEquals(4, library.calls);
    }
  }

  @Test
  void librariesThatAreNotThereAreNamed() {
    var _ = Emulated.requireEmulator();
    GpuKernels cudnn = new GpuKernels(GpuKernels.Gemm.FATHOM, GpuKernels.Conv.CUDNN);
    IllegalArgumentException onCpu =
        assertThrows(
            IllegalArgumentException.class,
            () -> Device.CPU.open(1, CpuIsa.AUTO, cudnn, line -> {}));
    assertTrue(String.valueOf(onCpu.getMessage()).contains("cudnn"), onCpu.getMessage());
    assertThrows(IllegalArgumentException.class, () -> GpuKernels.Gemm.of("mkl"));
    assertThrows(IllegalArgumentException.class, () -> GpuKernels.Conv.of("mkl"));
  }
}
