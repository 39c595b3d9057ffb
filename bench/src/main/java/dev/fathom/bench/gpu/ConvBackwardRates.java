package dev.fathom.bench.gpu;

import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Gradients of the head's convolutions; the library's are bare. */
final class ConvBackwardRates {

  static final String SECTION = "Convolutions, backward";

  private final Rig rig;

  ConvBackwardRates(Rig rig) {
    this.rig = rig;
  }

  void run(NetworkShape at) {
    for (ConvLayer layer : ConvLayer.of(at)) {
      convolution(at, layer);
    }
    transposed(at, 0, 4);
    transposed(at, 1, 2);
  }

  private void convolution(NetworkShape at, ConvLayer layer) {
    rig.group(
        layer.row(at, " backward"),
        operands -> {
          Conv2dShape shape = layer.shape();
          int batch = at.batch();
          int side = layer.side();
          int out = layer.outSide();
          long kernel = shape.kernel();
          Tensor x = operands.elements(batch, layer.source(), layer.source(), shape.in());
          Tensor dx = operands.elements(batch, layer.source(), layer.source(), shape.in());
          Tensor weight = operands.floats(shape.out(), shape.in(), kernel, kernel);
          Tensor dWeight = operands.floats(shape.out(), shape.in(), kernel, kernel);
          Tensor dBias = operands.floats(shape.out());
          Tensor dy = operands.elements(batch, out, out, shape.out());
          Tensor y = layer.activated() ? operands.elements(batch, out, out, shape.out()) : null;
          Tensor packed = operands.elements(shape.out(), kernel * kernel, shape.in());
          Tensor whole = layer.isResized() ? operands.elements(batch, side, side, shape.in()) : x;
          rig.flop(
              SECTION,
              layer.row(at, " dx"),
              layer.flop(batch),
              false,
              () -> back(layer, x, weight, null, dy, dx, null, null),
              () ->
                  rig.peers()
                      .convolution(
                          false,
                          library ->
                              library.inputGradient(
                                  rig.timer().stream(),
                                  layer.library(batch),
                                  operands.borrowed(packed),
                                  operands.borrowed(dy),
                                  operands.borrowed(layer.isResized() ? whole : dx))));
          rig.flop(
              SECTION,
              layer.row(at, " dW"),
              layer.flop(batch),
              false,
              () -> back(layer, x, weight, null, dy, null, dWeight, null),
              () ->
                  rig.peers()
                      .convolution(
                          false,
                          library ->
                              library.weightGradient(
                                  rig.timer().stream(),
                                  layer.library(batch),
                                  operands.borrowed(whole),
                                  operands.borrowed(dy),
                                  operands.borrowed(packed))));
          rig.flop(
              SECTION,
              layer.row(at, " with all that it has"),
              2 * layer.flop(batch),
              false,
              () -> back(layer, x, weight, y, dy, dx, dWeight, dBias),
              Rig::alone);
        });
  }

  private void back(
      ConvLayer layer,
      Tensor x,
      Tensor weight,
      @Nullable Tensor activated,
      Tensor dy,
      @Nullable Tensor dx,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias) {
    rig.backend()
        .conv()
        .conv2dBackward(
            layer.shape(),
            x,
            layer.side(),
            layer.side(),
            weight,
            layer.relu(),
            layer.isResized(),
            activated,
            dy,
            dx,
            false,
            dWeight,
            dBias);
  }

  /** The library's are the bare products of the same sizes. */
  private void transposed(NetworkShape at, int index, int kernel) {
    long channels = at.model().outChannels().get(index);
    long grid = at.grid();
    long pixels = at.batch() * grid * grid;
    long columns = (long) kernel * kernel * channels;
    double flop = 2.0 * pixels * columns * channels;
    String name =
        ", batch %d, %d channels, %d x %d, stride %d"
            .formatted(at.batch(), channels, grid, grid, kernel);
    String layer = "%s resize_layers.%d, transposed, ".formatted(at.model().name(), index);
    rig.group(
        layer + "backward" + name,
        operands -> {
          Tensor x = operands.elements(at.batch(), grid, grid, channels);
          Tensor dx = operands.elements(at.batch(), grid, grid, channels);
          Tensor weight = operands.floats(channels, channels, kernel, kernel);
          Tensor dWeight = operands.floats(channels, channels, kernel, kernel);
          Tensor dBias = operands.floats(channels);
          Tensor dy = operands.elements(at.batch(), kernel * grid, kernel * grid, channels);
          Tensor packed = operands.elements((long) kernel * kernel, channels, channels);
          var ops = rig.backend().conv();
          rig.flop(
              SECTION,
              layer + "dx" + name,
              flop,
              false,
              () -> ops.convTranspose2dBackward(kernel, x, weight, dy, dx, null, null),
              () ->
                  rig.peers().product(operands, pixels, channels, columns, dy, packed, dx, false));
          rig.flop(
              SECTION,
              layer + "dW and bias" + name,
              flop,
              false,
              () -> ops.convTranspose2dBackward(kernel, x, weight, dy, null, dWeight, dBias),
              () -> rig.peers().product(operands, channels, columns, pixels, x, dy, packed, false));
        });
  }
}
