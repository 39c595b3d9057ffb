package dev.fathom.nn.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.Golden;
import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.AugmentOps.ColorOp;
import dev.fathom.nn.op.AugmentOps.ColorStep;
import dev.fathom.nn.op.AugmentOps.Crop;
import dev.fathom.nn.op.AugmentOps.Distortion;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.op.ConvOps.Projection;
import dev.fathom.nn.op.LossOps.Box;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * Every operator of the CUDA backend beside the CPU's, at odd sizes: what Java launches, with which
 * geometry and scratch memory. The kernels in float32, on the emulator, in several orders of
 * threads, where whatever is asynchronous happens as late as it may.
 */
class CudaOperatorsTest {

  private static final double TOLERANCE = 2e-5;

  /** Orders of the emulator's threads; all must give the same bits. */
  private static final int SCHEDULES = 4;

  /** Calls operators and collects what they give. */
  @FunctionalInterface
  private interface Body {
    void run(Bench bench);
  }

  /** A backend with tensors of reproducible numbers. */
  private static final class Bench {
    final Backend backend;
    final BlockMemory memory;
    final List<float[]> results = new ArrayList<>();
    private int made;

    Bench(Backend backend, BlockMemory memory) {
      this.backend = backend;
      this.memory = memory;
    }

    /** Numbers in -1..1. */
    Tensor some(long... shape) {
      Tensor tensor = memory.allocate(shape);
      backend
          .transfer()
          .write(Golden.hashed("operand" + made++, Math.toIntExact(tensor.size())), tensor);
      return tensor;
    }

    /** Numbers in 0..1. */
    Tensor share(long... shape) {
      Tensor tensor = memory.allocate(shape);
      float[] values = Golden.hashed("operand" + made++, Math.toIntExact(tensor.size()));
      for (int i = 0; i < values.length; i++) {
        values[i] = (values[i] + 1) / 2;
      }
      backend.transfer().write(values, tensor);
      return tensor;
    }

    Tensor room(long... shape) {
      return memory.allocate(shape);
    }

    void keep(Tensor... tensors) {
      for (Tensor tensor : tensors) {
        results.add(backend.transfer().read(tensor));
      }
    }

    void keep(Scalar value) {
      results.add(new float[] {(float) value.get()});
    }
  }

  private static void same(Body body) {
    List<float[]> expected;
    try (Backend cpu = new CpuBackend(2);
        BlockMemory memory = cpu.newMemory()) {
      Bench bench = new Bench(cpu, memory);
      body.run(bench);
      expected = bench.results;
    }
    try (Backend cuda = Emulated.backend(ElementType.FLOAT32)) {
      List<float[]> first = expected;
      for (int schedule = 0; schedule < SCHEDULES; schedule++) {
        Emulated.configure(schedule, true);
        try (BlockMemory memory = cuda.newMemory()) {
          Bench bench = new Bench(cuda, memory);
          body.run(bench);
          assertEquals(expected.size(), bench.results.size());
          for (int i = 0; i < expected.size(); i++) {
            double error = Golden.relativeError(bench.results.get(i), expected.get(i));
            assertTrue(error < TOLERANCE, "result " + i + ": relative error " + error);
            if (schedule > 0) {
              assertArrayEquals(first.get(i), bench.results.get(i), "other bits, result " + i);
            }
          }
          first = bench.results;
        }
      }
    }
  }

  @AfterEach
  void asItWas() {
    Emulated.configure(0, false);
  }

  @Test
  void linear() {
    for (int[] size : new int[][] {{37, 24, 40}, {5, 19, 7}, {130, 264, 72}}) {
      same(b -> {
        Tensor x = b.some(size[0], size[1]);
        Tensor weight = b.some(size[2], size[1]);
        Tensor bias = b.some(size[2]);
        Tensor scale = b.some(size[2]);
        Tensor residual = b.some(size[0], size[2]);
        Tensor y = b.room(size[0], size[2]);
        Tensor pre = b.room(size[0], size[2]);
        var ops = b.backend.linear();
        Tensor packed = ops.packLinear(weight, b.memory);
        ops.linear(x, packed, bias, Activation.GELU, null, null, y, pre);
        b.keep(y, pre);
        Tensor dx = b.some(size[0], size[1]);
        Tensor dWeight = b.some(size[2], size[1]);
        Tensor dBias = b.some(size[2]);
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
        Tensor dScale = b.some(size[2]);
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
  void swiglu() {
    same(b -> {
      Tensor x = b.some(9, 26);
      Tensor y = b.room(9, 13);
      b.backend.linear().swiglu(x, y);
      Tensor dx = b.room(9, 26);
      b.backend.linear().swigluBackward(x, y, dx);
      b.keep(y, dx);
    });
  }

  @Test
  void attention() {
    for (int dim : new int[] {16, 64, 80}) {
      same(b -> {
        Tensor qkv = b.some(2, 67, 3L * 2 * dim);
        Tensor y = b.room(2, 67, 2L * dim);
        Tensor lse = b.room(2, 2, 67);
        Tensor dqkv = b.room(2, 67, 3L * 2 * dim);
        Tensor dy = b.some(2, 67, 2L * dim);
        b.backend.attention().attention(qkv, 2, 0.3f, y, lse);
        b.backend.attention().attentionBackward(qkv, 2, 0.3f, y, lse, dy, dqkv);
        b.keep(y, lse, dqkv);
      });
    }
  }

  @Test
  void layerNorm() {
    for (int channels : new int[] {40, 37, 600}) {
      same(b -> {
        Tensor x = b.some(2, 9, channels);
        Tensor weight = b.some(channels);
        Tensor bias = b.some(channels);
        Tensor y = b.room(2, 8, channels);
        Tensor mean = b.room(2, 8);
        Tensor rstd = b.room(2, 8);
        Tensor dx = b.some(2, 9, channels);
        Tensor dWeight = b.some(channels);
        Tensor dBias = b.some(channels);
        Tensor dy = b.some(2, 8, channels);
        b.backend.norm().layerNorm(x, 1, weight, bias, 1e-6f, y, mean, rstd);
        b.backend.norm().layerNormBackward(x, 1, weight, mean, rstd, dy, dx, true, dWeight, dBias);
        b.keep(y, mean, rstd, dx, dWeight, dBias);
      });
    }
  }

  @Test
  void convolutions() {
    for (int[] size : new int[][] {{16, 24, 3, 1}, {5, 7, 3, 1}, {16, 8, 3, 2}, {24, 16, 1, 1}}) {
      same(b -> {
        Conv2dShape shape = new Conv2dShape(size[0], size[1], size[2], size[3]);
        Tensor x = b.some(2, 11, 18, size[0]);
        Tensor weight = b.some(size[1], size[0], size[2], size[2]);
        Tensor bias = b.some(size[1]);
        long oh = shape.outExtent(11);
        long ow = shape.outExtent(18);
        Tensor residual = b.some(2, oh, ow, size[1]);
        Tensor y = b.room(2, oh, ow, size[1]);
        var ops = b.backend.conv();
        Tensor packed = ops.packConv2d(shape, weight, b.memory);
        Fusion fusion = new Fusion(true, false, Activation.NONE, residual, null, null);
        ops.conv2d(shape, x, 11, 18, packed, bias, fusion, y);
        b.keep(y);
        Tensor dx = b.some(2, 11, 18, size[0]);
        Tensor dWeight = b.some(size[1], size[0], size[2], size[2]);
        Tensor dBias = b.some(size[1]);
        Tensor dy = b.some(2, oh, ow, size[1]);
        ops.conv2dBackward(
            shape, x, 11, 18, weight, true, false, null, dy, dx, true, dWeight, dBias);
        b.keep(dx, dWeight, dBias);
      });
    }
  }

  @Test
  void convolutionOfAResizedMap() {
    same(b -> {
      Conv2dShape shape = new Conv2dShape(16, 24, 3, 1);
      Tensor x = b.some(2, 5, 7, 16);
      Tensor weight = b.some(24, 16, 3, 3);
      Tensor bias = b.some(24);
      Projection projection = new Projection(b.some(24), b.some(1), Activation.RELU, 2);
      var ops = b.backend.conv();
      Tensor packed = ops.packConv2d(shape, weight, b.memory);
      Tensor depth = b.room(2, 12, 17);
      ops.conv2d(
          shape,
          x,
          12,
          17,
          packed,
          bias,
          new Fusion(false, true, Activation.RELU, null, null, projection),
          depth);
      b.keep(depth);
      Tensor y = b.room(2, 12, 17, 24);
      ops.conv2d(
          shape,
          x,
          12,
          17,
          packed,
          bias,
          new Fusion(false, true, Activation.RELU, null, null, null),
          y);
      Tensor dy = b.some(2, 12, 17);
      Tensor inner = b.room(2, 12, 17, 24);
      Tensor dWeightOne = b.some(24);
      Tensor dBiasOne = b.some(1);
      ops.project(y, projection, depth);
      ops.projectBackward(y, projection, depth, dy, inner, dWeightOne, dBiasOne);
      b.keep(depth, inner, dWeightOne, dBiasOne);
      Tensor dx = b.some(2, 5, 7, 16);
      Tensor dWeight = b.some(24, 16, 3, 3);
      Tensor dBias = b.some(24);
      ops.conv2dBackward(
          shape, x, 12, 17, weight, false, true, y, inner, dx, false, dWeight, dBias);
      b.keep(dx, dWeight, dBias);
    });
  }

  @Test
  void transposedConvolutions() {
    for (int[] size : new int[][] {{16, 24, 4}, {5, 7, 2}}) {
      same(b -> {
        int k = size[2];
        Tensor x = b.some(2, 5, 7, size[0]);
        Tensor weight = b.some(size[0], size[1], k, k);
        Tensor bias = b.some(size[1]);
        Tensor y = b.room(2, 5L * k, 7L * k, size[1]);
        var ops = b.backend.conv();
        Tensor packed = ops.packConvTranspose2d(size[0], size[1], k, weight, b.memory);
        ops.convTranspose2d(k, x, packed, bias, y);
        Tensor dx = b.room(2, 5, 7, size[0]);
        Tensor dWeight = b.some(size[0], size[1], k, k);
        Tensor dBias = b.some(size[1]);
        ops.convTranspose2dBackward(k, x, weight, y, dx, dWeight, dBias);
        b.keep(y, dx, dWeight, dBias);
      });
    }
  }

  @Test
  void patchEmbedding() {
    same(b -> {
      Tensor image = b.some(2, 28, 42, 3);
      Tensor weight = b.some(24, 3, 14, 14);
      Tensor bias = b.some(24);
      Tensor cls = b.some(24);
      Tensor position = b.some(7, 24);
      Tensor tokens = b.room(2, 7, 24);
      var ops = b.backend.patchEmbed();
      Tensor packed = ops.packPatchEmbed(weight, b.memory);
      ops.patchEmbed(image, 14, packed, bias, cls, position, tokens);
      Tensor dWeight = b.some(24, 3, 14, 14);
      Tensor dBias = b.some(24);
      Tensor dCls = b.some(24);
      Tensor dPosition = b.some(7, 24);
      ops.patchEmbedBackward(image, 14, tokens, dWeight, dBias, dCls, dPosition);
      b.keep(tokens, dWeight, dBias, dCls, dPosition);
    });
  }

  @Test
  void resampling() {
    for (int channels : new int[] {1, 16}) {
      for (boolean corners : new boolean[] {false, true}) {
        same(b -> {
          Tensor x = b.some(2, 5, 7, channels);
          Tensor y = b.room(2, 9, 6, channels);
          var ops = b.backend.resample();
          ops.resizeBilinear(x, corners, y);
          Tensor dx = b.some(2, 5, 7, channels);
          ops.resizeBilinearBackward(y, corners, dx, true);
          b.keep(y, dx);
          ops.resizeBicubic(x, 0.6, 1.2, y);
          ops.resizeBicubicBackward(y, 0.6, 1.2, dx);
          b.keep(y, dx);
          Tensor copied = b.room(2, 5, 7, channels);
          ops.copy(x, copied);
          b.keep(copied);
        });
      }
    }
  }

  @Test
  void pictures() {
    same(b -> {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment pixels = arena.allocate(3 * 31 * 23);
        for (int i = 0; i < 3 * 31 * 23; i++) {
          pixels.set(ValueLayout.JAVA_BYTE, i, (byte) ((i * 2654435761L) >> 13));
        }
        float[] mean = {0.4f, 0.5f, 0.6f};
        float[] std = {0.2f, 0.3f, 0.25f};
        Tensor input = b.room(1, 14, 28, 3);
        b.backend.resample().preprocess(pixels, 31, 23, mean, std, input);
        Tensor read = b.room(1, 13, 11, 3);
        Crop crop = new Crop(2.5, 3, 18, 21.5, true);
        b.backend.augment().readPicture(pixels, 31, 23, crop, read);
        Tensor map = b.some(23, 31);
        Tensor readMap = b.room(13, 11);
        b.backend.augment().readMap(map, crop, readMap);
        b.keep(input, read, readMap);
        Tensor batch = b.share(3, 29, 37, 3);
        Tensor distorted = b.room(3, 29, 37, 3);
        b.backend
            .augment()
            .distort(
                batch,
                List.of(
                    new Distortion(
                        List.of(
                            new ColorStep(ColorOp.HUE, 0.1f),
                            new ColorStep(ColorOp.CONTRAST, 0.7f),
                            new ColorStep(ColorOp.BRIGHTNESS, 1.2f)),
                        false,
                        1.1f),
                    new Distortion(List.of(new ColorStep(ColorOp.SATURATION, 0.4f)), true, 0),
                    new Distortion(List.of(new ColorStep(ColorOp.CONTRAST, 1.4f)), false, 4)),
                List.of(1, 2, 0),
                List.of(new Box(3, 4, 20, 30), new Box(0, 0, 0, 0), new Box(0, 0, 29, 9)),
                mean,
                std,
                distorted);
        b.keep(distorted);
      }
    });
  }

  @Test
  void losses() {
    same(b -> {
      Tensor prediction = b.share(3, 33, 21);
      Tensor target = b.share(3, 33, 21);
      Tensor outside = b.share(3, 33, 21);
      Tensor mask = b.some(3, 33, 21);
      Tensor gradient = b.room(3, 33, 21);
      // What is 1 in the mask counts: about three quarters.
      float[] counts = b.backend.transfer().read(mask);
      for (int i = 0; i < counts.length; i++) {
        counts[i] = counts[i] > -0.5f ? 1 : 0;
      }
      b.backend.transfer().write(counts, mask);
      var ops = b.backend.loss();
      b.keep(ops.scaleShiftInvariant(prediction, target, mask, 0, 2, gradient));
      b.keep(gradient);
      b.keep(ops.scaleShiftInvariant(prediction, target, mask, 0.1, 2, gradient));
      b.keep(gradient);
      List<Box> boxes = List.of(new Box(3, 4, 20, 17), new Box(0, 0, 0, 0), new Box(0, 0, 33, 21));
      b.keep(ops.cutMix(prediction, target, outside, boxes, 1, gradient));
      b.keep(gradient);
      b.keep(ops.gradientMatching(prediction, target, mask, 1, gradient));
      b.keep(gradient);
      b.keep(ops.siLog(prediction, target, mask, 0.15, 1, gradient));
      b.keep(gradient);
      Tensor student = b.some(2, 9, 40);
      Tensor frozen = b.some(2, 9, 40);
      Tensor dStudent = b.room(2, 9, 40);
      var alignment = ops.alignment(student, frozen, 0.05, 1, dStudent);
      b.keep(alignment.loss());
      b.keep(alignment.kept());
      b.keep(dStudent);
      Tensor shares = b.share(18, 40);
      float[] rows = b.backend.transfer().read(shares);
      for (int r = 0; r < 18; r++) {
        float sum = 0;
        for (int k = 0; k < 40; k++) {
          sum += rows[r * 40 + k];
        }
        for (int k = 0; k < 40; k++) {
          rows[r * 40 + k] = r == 5 ? 0 : rows[r * 40 + k] / sum;
        }
      }
      b.backend.transfer().write(rows, shares);
      b.keep(ops.crossEntropy(student.view(18, 40), shares, 1, dStudent.view(18, 40)));
      b.keep(dStudent);
    });
  }

  @Test
  void optimiserAndVectors() {
    same(b -> {
      Tensor value = b.some(1003);
      Tensor gradient = b.some(1003);
      Tensor m = b.some(1003);
      Tensor v = b.share(1003);
      b.backend.optim().adamW(value, gradient, m, v, 7, 1e-2, 0.9, 0.999, 1e-8, 0.01, 0.5);
      b.keep(value, m, v);
      b.backend.vector().axpby(0.5f, value, 2, m);
      b.keep(m);
      b.keep(b.backend.vector().sumOfSquares(m));
      float[] holes = b.backend.transfer().read(v);
      for (int i = 0; i < holes.length; i += 3) {
        holes[i] = Float.NaN;
      }
      b.backend.transfer().write(holes, v);
      Tensor mask = b.room(1003);
      b.backend.vector().splitNan(v, mask);
      b.keep(v, mask);
    });
  }
}
