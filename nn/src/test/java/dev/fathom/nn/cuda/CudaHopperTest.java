package dev.fathom.nn.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.Golden;
import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * The products in bfloat16, whose kernels the emulator's device of compute capability 9.0 takes
 * from the modules for it, beside the CPU's in float32: plans, maps, splits and scratch memory.
 */
class CudaHopperTest {

  /** Some of bfloat16's 2^-9 for each of: operands, the result, a gradient on the way. */
  private static final double TOLERANCE = 8e-3;

  /** Of the emulator's device. */
  private static final int MULTIPROCESSORS = 4;

  /** Calls operators and collects what they give. */
  @FunctionalInterface
  private interface Body {
    void run(Bench bench);
  }

  /** A backend with tensors of reproducible numbers in -1..1. */
  private static final class Bench {
    final Backend backend;
    final BlockMemory memory;
    final ElementType elements;
    final List<float[]> results = new ArrayList<>();
    private int made;

    Bench(Backend backend, BlockMemory memory, ElementType elements) {
      this.backend = backend;
      this.memory = memory;
      this.elements = elements;
    }

    private Tensor write(Tensor tensor) {
      float[] values = Golden.hashed("hopper" + made++, Math.toIntExact(tensor.size()));
      for (int i = 0; i < values.length; i++) {
        // As bfloat16 has it, on both sides.
        values[i] = Float.intBitsToFloat(Float.floatToRawIntBits(values[i]) & 0xffff0000);
      }
      backend.transfer().write(values, tensor);
      return tensor;
    }

    /** A parameter or its gradient. */
    Tensor floats(long... shape) {
      return write(memory.allocate(shape));
    }

    /** An activation or its gradient. */
    Tensor some(long... shape) {
      return write(room(shape));
    }

    Tensor room(long... shape) {
      return memory.allocate(elements, shape);
    }

    void keep(Tensor... tensors) {
      for (Tensor tensor : tensors) {
        results.add(backend.transfer().read(tensor));
      }
    }
  }

  private static void near(Body body) {
    List<float[]> expected;
    try (Backend cpu = new CpuBackend(2);
        BlockMemory memory = cpu.newMemory()) {
      Bench bench = new Bench(cpu, memory, ElementType.FLOAT32);
      body.run(bench);
      expected = bench.results;
    }
    try (Backend cuda = Emulated.backend(ElementType.BFLOAT16);
        BlockMemory memory = cuda.newMemory()) {
      Bench bench = new Bench(cuda, memory, ElementType.BFLOAT16);
      body.run(bench);
      assertEquals(expected.size(), bench.results.size());
      for (int i = 0; i < expected.size(); i++) {
        double error = Golden.relativeError(bench.results.get(i), expected.get(i));
        assertTrue(error < TOLERANCE, "result " + i + ": relative error " + error);
      }
    }
  }

  /** Rows, in, out: the last two have a weight's gradient and a result in parts. */
  private static final int[][] LINEAR = {
    {37, 24, 40}, {130, 264, 72}, {70, 40, 29}, {1300, 40, 24}, {40, 2600, 24}
  };

  @Test
  void linear() {
    for (int[] size : LINEAR) {
      near(b -> {
        Tensor x = b.some(size[0], size[1]);
        Tensor weight = b.floats(size[2], size[1]);
        Tensor bias = b.floats(size[2]);
        Tensor scale = b.floats(size[2]);
        Tensor residual = b.some(size[0], size[2]);
        Tensor y = b.room(size[0], size[2]);
        Tensor pre = b.some(size[0], size[2]);
        var ops = b.backend.linear();
        Tensor packed = ops.packLinear(weight, b.memory);
        ops.linear(x, packed, bias, Activation.GELU, null, null, y, null);
        b.keep(y);
        Tensor dx = b.some(size[0], size[1]);
        Tensor dWeight = b.floats(size[2], size[1]);
        Tensor dBias = b.floats(size[2]);
        Tensor dy = b.some(size[0], size[2]);
        ops.linearBackward(
            x,
            weight,
            packed,
            bias,
            Activation.GELU,
            pre,
            null,
            dy,
            dx,
            true,
            dWeight,
            dBias,
            null);
        b.keep(dx, dWeight, dBias);
        ops.linear(x, packed, bias, Activation.NONE, scale, residual, residual, null);
        b.keep(residual);
        Tensor dScale = b.floats(size[2]);
        ops.linearBackward(
            x,
            weight,
            packed,
            bias,
            Activation.NONE,
            null,
            scale,
            dy,
            dx,
            false,
            dWeight,
            dBias,
            dScale);
        b.keep(dx, dWeight, dBias, dScale);
      });
    }
  }

  @Test
  void linearLayersOfTheseSizesAreSplit() {
    assertTrue(splits(24, 40, 1300) > 1, "the gradient of a weight from 1300 rows");
    assertTrue(splits(40, 24, 2600) > 1, "the result from 2600 features");
  }

  private static int splits(long m, long n, long k) {
    return GemmPlan.choose(GemmPlan.HOPPER, true, m, n, k, MULTIPROCESSORS, GemmPlan.MOST_SPLITS)
        .splits();
  }

  @Test
  void convolutions() {
    for (int[] size : new int[][] {{72, 24, 3}, {16, 13, 3}, {24, 40, 1}, {320, 8, 3}}) {
      for (boolean relu : new boolean[] {false, true}) {
        near(b -> {
          Conv2dShape shape = new Conv2dShape(size[0], size[1], size[2], 1);
          Tensor x = b.some(2, 7, 19, size[0]);
          Tensor weight = b.floats(size[1], size[0], size[2], size[2]);
          Tensor bias = b.floats(size[1]);
          Tensor residual = b.some(2, 7, 19, size[1]);
          Tensor residual2 = b.some(2, 7, 19, size[1]);
          Tensor y = b.room(2, 7, 19, size[1]);
          var ops = b.backend.conv();
          Tensor packed = ops.packConv2d(shape, weight, b.memory);
          Activation activation = relu ? Activation.NONE : Activation.RELU;
          Fusion fusion = new Fusion(relu, false, activation, residual, residual2, null);
          ops.conv2d(shape, x, 7, 19, packed, bias, fusion, y);
          b.keep(y);
          Tensor dx = b.some(2, 7, 19, size[0]);
          Tensor dWeight = b.floats(size[1], size[0], size[2], size[2]);
          Tensor dBias = b.floats(size[1]);
          Tensor dy = b.some(2, 7, 19, size[1]);
          ops.conv2dBackward(
              shape, x, 7, 19, weight, relu, false, null, dy, dx, relu, dWeight, dBias);
          b.keep(dx, dWeight, dBias);
        });
      }
    }
  }
}
