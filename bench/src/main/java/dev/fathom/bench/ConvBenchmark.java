package dev.fathom.bench;

import dev.fathom.bench.Trial.Operand;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.ConvOps;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.op.ConvOps.Projection;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Param;

/**
 * The head's convolutions with what is fused into them. FLOP are those of the direct sum, so that
 * Winograd, which multiplies less, can exceed the peak; resizing is not counted.
 */
public class ConvBenchmark extends OperatorBenchmark {

  private static final int LAST_CHANNELS = 32;

  /** A layer of the head, as {@code DptHead} names it; residual1 to 3 are the residual units. */
  @Param({
    "enlarge4",
    "enlarge2",
    "shrink2",
    "layer1_rn",
    "layer2_rn",
    "layer3_rn",
    "layer4_rn",
    "residual1",
    "residual2",
    "residual3",
    "output_conv1",
    "output_conv2"
  })
  public String layer;

  @Override
  Operator prepare(Trial trial) {
    int features = config().features();
    // Sides of the four maps, fine to coarse.
    int[] sides = {4 * PATCHES, 2 * PATCHES, PATCHES, (PATCHES + 1) / 2};
    return switch (layer) {
      case "enlarge4" -> transposed(trial, channels(0), 4);
      case "enlarge2" -> transposed(trial, channels(1), 2);
      case "shrink2" -> plain(trial, new Conv2dShape(channels(3), channels(3), 3, 2), PATCHES);
      case "layer1_rn", "layer2_rn", "layer3_rn", "layer4_rn" -> {
        int i = layer.charAt("layer".length()) - '1';
        yield plain(trial, new Conv2dShape(channels(i), features, 3, 1), sides[i]);
      }
      case "residual1", "residual2", "residual3" ->
          residual(trial, features, sides[layer.charAt("residual".length()) - '1']);
      case "output_conv1" -> resized(trial, features, 4 * PATCHES, 8 * PATCHES);
      case "output_conv2" -> projected(trial, features / 2, 8 * PATCHES, SIDE);
      default -> throw unknown(layer);
    };
  }

  private int channels(int map) {
    return config().outChannels().get(map);
  }

  private static Operator plain(Trial trial, Conv2dShape shape, int side) {
    Operand x = trial.uniform(1, 1, side, side, shape.in());
    return operator(trial, shape, x, side, Fusion.NONE, null, "");
  }

  /** The second convolution of a residual unit: ReLU as it reads, its input's input added. */
  private static Operator residual(Trial trial, int features, int side) {
    Operand x = trial.uniform(1, 1, side, side, features);
    Operand residual = trial.uniform(1, 1, side, side, features);
    Fusion fusion = new Fusion(true, false, Activation.NONE, residual.tensor(), null, null);
    Conv2dShape shape = new Conv2dShape(features, features, 3, 1);
    return operator(trial, shape, x, side, fusion, residual, ", ReLU, residual");
  }

  private static Operator resized(Trial trial, int features, int from, int to) {
    Operand x = trial.uniform(1, 1, from, from, features);
    Fusion fusion = new Fusion(false, true, Activation.NONE, null, null, null);
    Conv2dShape shape = new Conv2dShape(features, features / 2, 3, 1);
    return operator(trial, shape, x, to, fusion, null, ", resized from " + from);
  }

  /** The last layers: 3x3, ReLU, and 1x1 to one channel. */
  private static Operator projected(Trial trial, int in, int from, int to) {
    Operand x = trial.uniform(1, 1, from, from, in);
    Operand weight = trial.uniform(0.25, LAST_CHANNELS);
    Operand bias = trial.uniform(0.05, 1);
    Fusion fusion =
        new Fusion(
            false,
            true,
            Activation.RELU,
            null,
            null,
            new Projection(weight.tensor(), bias.tensor(), Activation.RELU, 1));
    Conv2dShape shape = new Conv2dShape(in, LAST_CHANNELS, 3, 1);
    Operator all = operator(trial, shape, x, to, fusion, null, ", resized from " + from + ", to 1");
    return new Operator(
        all.shape(),
        all.unit(),
        all.work() + 2.0 * to * to * LAST_CHANNELS,
        all.tolerance(),
        all.run(),
        all.result(),
        pixel -> {
          double sum = bias.at(0);
          for (int c = 0; c < LAST_CHANNELS; c++) {
            double value = all.reference().applyAsDouble(pixel * LAST_CHANNELS + c);
            sum += weight.at(c) * Math.max(value, 0);
          }
          return Math.max(sum, 0);
        });
  }

  /** The reference counts elements of the map before a projection, without its ReLU. */
  private static Operator operator(
      Trial trial,
      Conv2dShape shape,
      Operand x,
      int side,
      Fusion fusion,
      @Nullable Operand residual,
      String fused) {
    int in = shape.in();
    int out = shape.out();
    int kernel = shape.kernel();
    Operand weight = trial.weight((long) in * kernel * kernel, out, in, kernel, kernel);
    Operand bias = trial.uniform(0.05, out);
    ConvOps ops = trial.backend().conv();
    Tensor packed = ops.packConv2d(shape, weight.tensor(), trial.memory());
    long outSide = shape.outExtent(side);
    Tensor y =
        fusion.projection() == null
            ? trial.allocate(1, outSide, outSide, out)
            : trial.allocate(1, outSide, outSide);
    Reference.Map source =
        fusion.sourceResized() ? Reference.enlarged(x, side, side) : Reference.map(x);
    Reference.Map read = fusion.reluInput() ? (i, j, c) -> Math.max(source.at(i, j, c), 0) : source;
    return new Operator(
        "%dx%d, %d to %d, %dx%d%s%s"
            .formatted(
                side, side, in, out, kernel, kernel, shape.stride() == 1 ? "" : " stride 2", fused),
        Operator.Unit.FLOP,
        2.0 * outSide * outSide * out * in * kernel * kernel,
        2e-4,
        () -> ops.conv2d(shape, x.tensor(), side, side, packed, bias.tensor(), fusion, y),
        y,
        element -> {
          long place = element / out;
          long channel = element % out;
          double sum =
              Reference.convolution(
                  read,
                  weight,
                  in,
                  kernel,
                  shape.stride(),
                  place / outSide,
                  place % outSide,
                  channel);
          return sum + bias.at(channel) + (residual == null ? 0 : residual.at(element));
        });
  }

  private static Operator transposed(Trial trial, int channels, int kernel) {
    Operand x = trial.uniform(1, 1, PATCHES, PATCHES, channels);
    Operand weight = trial.weight(channels, channels, channels, kernel, kernel);
    Operand bias = trial.uniform(0.05, channels);
    ConvOps ops = trial.backend().conv();
    Tensor packed =
        ops.packConvTranspose2d(channels, channels, kernel, weight.tensor(), trial.memory());
    long side = (long) kernel * PATCHES;
    Tensor y = trial.allocate(1, side, side, channels);
    return new Operator(
        "%dx%d, %d to %d, transposed %dx%d"
            .formatted(PATCHES, PATCHES, channels, channels, kernel, kernel),
        Operator.Unit.FLOP,
        2.0 * side * side * channels * channels,
        1e-4,
        () -> ops.convTranspose2d(kernel, x.tensor(), packed, bias.tensor(), y),
        y,
        element -> {
          long place = element / channels;
          long channel = element % channels;
          long row = place / side;
          long column = place % side;
          long from = (row / kernel * PATCHES + column / kernel) * channels;
          long step = (long) kernel * kernel;
          long tap = row % kernel * kernel + column % kernel;
          return bias.at(channel)
              + Reference.dot(x, from, weight, channel * step + tap, channels * step, channels);
        });
  }
}
