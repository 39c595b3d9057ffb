package dev.fathom.bench.gpu;

import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.op.ConvOps.Projection;
import dev.fathom.nn.tensor.Tensor;

/** The head's convolutions with what is fused into them; the library's are bare. */
final class ConvRates {

  static final String SECTION = "Convolutions";

  private final Rig rig;

  ConvRates(Rig rig) {
    this.rig = rig;
  }

  void run(NetworkShape at) {
    for (ConvLayer layer : ConvLayer.of(at)) {
      convolution(at, layer);
      if (layer.activated()) {
        projected(at, layer);
      }
    }
    transposed(at, 0, 4);
    transposed(at, 1, 2);
  }

  private void convolution(NetworkShape at, ConvLayer layer) {
    String name = layer.row(at, "");
    rig.group(
        name,
        operands -> {
          var shape = layer.shape();
          int batch = at.batch();
          int side = layer.side();
          int out = layer.outSide();
          Tensor x = operands.elements(batch, layer.source(), layer.source(), shape.in());
          Tensor packed =
              operands.elements(shape.out(), (long) shape.kernel() * shape.kernel(), shape.in());
          Tensor bias = operands.floats(shape.out());
          Tensor y = operands.elements(batch, out, out, shape.out());
          Tensor residual =
              layer.residual() ? operands.elements(batch, out, out, shape.out()) : null;
          Fusion fusion =
              new Fusion(
                  layer.relu(),
                  layer.isResized(),
                  layer.activated() ? Activation.RELU : Activation.NONE,
                  residual,
                  null,
                  null);
          rig.flop(
              SECTION,
              name,
              layer.flop(batch),
              at.cold(),
              () -> rig.backend().conv().conv2d(shape, x, side, side, packed, bias, fusion, y),
              () -> {
                Tensor whole =
                    layer.isResized() ? operands.elements(batch, side, side, shape.in()) : x;
                return rig.peers()
                    .convolution(
                        at.cold(),
                        library ->
                            library.convolve(
                                rig.timer().stream(),
                                layer.library(batch),
                                operands.borrowed(whole),
                                operands.borrowed(packed),
                                operands.borrowed(y)));
              });
        });
  }

  /** The last convolution of inference, and what training does in its place. */
  private void projected(NetworkShape at, ConvLayer layer) {
    String name = layer.row(at, " with its projection");
    var shape = layer.shape();
    int batch = at.batch();
    int side = layer.side();
    rig.group(
        name,
        operands -> {
          Tensor x = operands.elements(batch, layer.source(), layer.source(), shape.in());
          Tensor packed =
              operands.elements(shape.out(), (long) shape.kernel() * shape.kernel(), shape.in());
          Tensor bias = operands.floats(shape.out());
          Tensor y = operands.floats(batch, side, side);
          Projection projection =
              new Projection(operands.floats(shape.out()), operands.floats(1), Activation.RELU, 1);
          Fusion fusion = new Fusion(false, true, Activation.RELU, null, null, projection);
          rig.flop(
              SECTION,
              name,
              layer.flop(batch),
              at.cold(),
              () -> rig.backend().conv().conv2d(shape, x, side, side, packed, bias, fusion, y),
              Rig::alone);
        });
    rig.group(
        "projection",
        operands -> {
          Tensor x = operands.elements(batch, side, side, shape.out());
          Tensor dx = operands.elements(batch, side, side, shape.out());
          Tensor y = operands.floats(batch, side, side);
          Tensor dy = operands.floats(batch, side, side);
          Tensor dWeight = operands.floats(shape.out());
          Tensor dBias = operands.floats(1);
          Projection projection =
              new Projection(operands.floats(shape.out()), operands.floats(1), Activation.RELU, 1);
          double map = 4.0 * batch * side * side;
          double read = rig.elementBytes((double) batch * side * side * shape.out());
          String sizes =
              ", batch %d, %d channels, %d x %d".formatted(batch, shape.out(), side, side);
          rig.bytes(
              VectorRates.SECTION,
              at.model().name() + " projection" + sizes,
              read + map,
              () -> rig.backend().conv().project(x, projection, y));
          rig.bytes(
              VectorRates.SECTION,
              at.model().name() + " projection backward" + sizes,
              2 * read + 2 * map,
              () -> rig.backend().conv().projectBackward(x, projection, y, dy, dx, dWeight, dBias));
        });
  }

  /** The library's is the bare product of the same sizes. */
  private void transposed(NetworkShape at, int index, int kernel) {
    long channels = at.model().outChannels().get(index);
    long grid = at.grid();
    long pixels = at.batch() * grid * grid;
    long columns = (long) kernel * kernel * channels;
    String name =
        "%s resize_layers.%d, transposed, batch %d, %d channels, %d x %d, stride %d"
            .formatted(at.model().name(), index, at.batch(), channels, grid, grid, kernel);
    rig.group(
        name,
        operands -> {
          Tensor x = operands.elements(at.batch(), grid, grid, channels);
          Tensor packed = operands.elements((long) kernel * kernel, channels, channels);
          Tensor bias = operands.floats(channels);
          Tensor y = operands.elements(at.batch(), kernel * grid, kernel * grid, channels);
          rig.flop(
              SECTION,
              name,
              2.0 * pixels * columns * channels,
              at.cold(),
              () -> rig.backend().conv().convTranspose2d(kernel, x, packed, bias, y),
              () ->
                  rig.peers()
                      .product(operands, pixels, columns, channels, x, packed, y, at.cold()));
        });
  }
}
