package dev.fathom.bench.gpu;

import dev.fathom.bindings.cuda.ConvProvider;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import java.util.ArrayList;
import java.util.List;

/**
 * A convolution of the head.
 *
 * @param name as in the network
 * @param side of the map that is convolved
 * @param source side of the map that is read, smaller if it is resized as it is read
 * @param relu whether it takes the input's ReLU
 * @param residual whether something is added
 * @param activated whether its result goes through a ReLU
 */
record ConvLayer(
    String name,
    Conv2dShape shape,
    int side,
    int source,
    boolean relu,
    boolean residual,
    boolean activated) {

  private static final int LAST_CHANNELS = 32;

  /** The head's convolutions, the largest first; those of equal shapes once. */
  static List<ConvLayer> of(NetworkShape at) {
    int features = at.model().features();
    int grid = at.grid();
    List<Integer> out = at.model().outChannels();
    int[] sides = {4 * grid, 2 * grid, grid, (grid + 1) / 2};
    List<ConvLayer> layers = new ArrayList<>();
    layers.add(resized("output_conv1", features, features / 2, 8 * grid, 4 * grid, false));
    layers.add(resized("output_conv2", features / 2, LAST_CHANNELS, at.side(), 8 * grid, true));
    for (int side : sides) {
      layers.add(unit("residual unit, first", features, side, false));
      layers.add(unit("residual unit, second", features, side, true));
    }
    for (int i = 0; i < sides.length; i++) {
      layers.add(
          new ConvLayer(
              "layer" + (i + 1) + "_rn",
              new Conv2dShape(out.get(i), features, 3, 1),
              sides[i],
              sides[i],
              false,
              false,
              false));
    }
    layers.add(
        new ConvLayer(
            "resize_layers.3, stride 2",
            new Conv2dShape(out.get(3), out.get(3), 3, 2),
            grid,
            grid,
            false,
            false,
            false));
    return layers;
  }

  private static ConvLayer unit(String name, int features, int side, boolean residual) {
    return new ConvLayer(
        name, new Conv2dShape(features, features, 3, 1), side, side, true, residual, false);
  }

  private static ConvLayer resized(
      String name, int in, int out, int side, int source, boolean activated) {
    return new ConvLayer(
        name, new Conv2dShape(in, out, 3, 1), side, source, false, false, activated);
  }

  /** Whether the map is resized as it is read. */
  boolean isResized() {
    return source != side;
  }

  int outSide() {
    return Math.toIntExact(shape.outExtent(side));
  }

  double flop(int batch) {
    return 2.0
        * shape.kernel()
        * shape.kernel()
        * shape.in()
        * shape.out()
        * batch
        * outSide()
        * outSide();
  }

  /** For a library, which reads the map as it is convolved. */
  ConvProvider.Shape library(int batch) {
    return new ConvProvider.Shape(
        batch, side, side, shape.in(), shape.out(), shape.kernel(), shape.stride());
  }

  String row(NetworkShape at, String what) {
    return "%s %s%s, batch %d, %d to %d channels, %s%d x %d"
        .formatted(
            at.model().name(),
            name,
            what,
            at.batch(),
            shape.in(),
            shape.out(),
            isResized() ? source + " x " + source + " read as " : "",
            side,
            side);
  }
}
