package dev.fathom.bench.gpu;

import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.tensor.Tensor;

/**
 * Sizes that no published network has, which other kernels take: rows that are no multiples of 8,
 * and the giant's, which is not among the networks measured.
 */
final class OddRates {

  static final String SECTION = "Other sizes";

  private static final int GIANT = 1536;

  private final Rig rig;

  OddRates(Rig rig) {
    this.rig = rig;
  }

  void run(NetworkShape at) {
    int odd = rig.small() ? 19 : 1003;
    new NormRates(rig).backward(SECTION, "of the giant", at, GIANT);
    new NormRates(rig).backward(SECTION, "of %d channels".formatted(odd), at, odd);
    linear(at, odd);
    int few = rig.small() ? 9 : 99;
    convolution(at, few);
    transposed(at, few);
    resizing(at, few);
  }

  private void linear(NetworkShape at, int dim) {
    long rows = at.rows();
    double flop = 2.0 * rows * dim * dim;
    String shape = " [%d,%d,%d]".formatted(rows, dim, dim);
    rig.group(
        "linear" + shape,
        operands -> {
          Tensor x = operands.elements(rows, dim);
          Tensor y = operands.elements(rows, dim);
          Tensor dx = operands.elements(rows, dim);
          Tensor weight = operands.floats(dim, dim);
          Tensor dWeight = operands.floats(dim, dim);
          var ops = rig.backend().linear();
          Tensor packed = ops.packLinear(weight, operands.memory());
          rig.flop(
              SECTION,
              "linear" + shape,
              flop,
              false,
              () -> ops.linear(x, packed, null, Activation.NONE, null, null, y, null),
              Rig::alone);
          rig.flop(
              SECTION,
              "linear backward" + shape,
              2 * flop,
              false,
              () ->
                  ops.linearBackward(
                      x,
                      weight,
                      packed,
                      null,
                      Activation.NONE,
                      null,
                      null,
                      y,
                      dx,
                      false,
                      dWeight,
                      null,
                      null),
              Rig::alone);
        });
  }

  private void convolution(NetworkShape at, int channels) {
    long side = at.grid();
    Conv2dShape shape = new Conv2dShape(channels, channels, 3, 1);
    double flop = 18.0 * at.batch() * side * side * channels * channels;
    String name = ", %d channels, %d x %d".formatted(channels, side, side);
    rig.group(
        "convolution" + name,
        operands -> {
          Tensor x = operands.elements(at.batch(), side, side, channels);
          Tensor y = operands.elements(at.batch(), side, side, channels);
          Tensor dx = operands.elements(at.batch(), side, side, channels);
          Tensor weight = operands.floats(channels, channels, 3, 3);
          Tensor dWeight = operands.floats(channels, channels, 3, 3);
          var ops = rig.backend().conv();
          Tensor packed = ops.packConv2d(shape, weight, operands.memory());
          rig.flop(
              SECTION,
              "convolution" + name,
              flop,
              false,
              () -> ops.conv2d(shape, x, side, side, packed, null, Fusion.NONE, y),
              Rig::alone);
          rig.flop(
              SECTION,
              "convolution backward" + name,
              2 * flop,
              false,
              () ->
                  ops.conv2dBackward(
                      shape, x, side, side, weight, false, false, null, y, dx, false, dWeight,
                      null),
              Rig::alone);
        });
  }

  private void transposed(NetworkShape at, int channels) {
    long side = at.grid();
    double flop = 8.0 * at.batch() * side * side * channels * channels;
    String name = ", %d channels, %d x %d, stride 2".formatted(channels, side, side);
    rig.group(
        "transposed" + name,
        operands -> {
          Tensor x = operands.elements(at.batch(), side, side, channels);
          Tensor dx = operands.elements(at.batch(), side, side, channels);
          Tensor y = operands.elements(at.batch(), 2 * side, 2 * side, channels);
          Tensor weight = operands.floats(channels, channels, 2, 2);
          Tensor dWeight = operands.floats(channels, channels, 2, 2);
          var ops = rig.backend().conv();
          Tensor packed = ops.packConvTranspose2d(channels, channels, 2, weight, operands.memory());
          rig.flop(
              SECTION,
              "transposed" + name,
              flop,
              false,
              () -> ops.convTranspose2d(2, x, packed, null, y),
              Rig::alone);
          rig.flop(
              SECTION,
              "transposed backward" + name,
              2 * flop,
              false,
              () -> ops.convTranspose2dBackward(2, x, weight, y, dx, dWeight, null),
              Rig::alone);
        });
  }

  private void resizing(NetworkShape at, int channels) {
    long side = at.grid();
    String name = ", %d channels, %d x %d to twice that".formatted(channels, side, side);
    rig.group(
        "resizing" + name,
        operands -> {
          Tensor x = operands.elements(at.batch(), side, side, channels);
          Tensor y = operands.elements(at.batch(), 2 * side, 2 * side, channels);
          double bytes = rig.elementBytes((double) x.size() + y.size());
          var ops = rig.backend().resample();
          rig.bytes(SECTION, "bilinear" + name, bytes, () -> ops.resizeBilinear(x, true, y));
          rig.bytes(
              SECTION,
              "bilinear backward" + name,
              bytes,
              () -> ops.resizeBilinearBackward(y, true, x, false));
        });
  }
}
