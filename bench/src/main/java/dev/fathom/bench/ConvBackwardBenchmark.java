package dev.fathom.bench;

import dev.fathom.bench.Trial.Operand;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.ConvOps;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.tensor.Tensor;
import org.openjdk.jmh.annotations.Param;

/**
 * The way back of the head's convolutions: the gradients of the input, the weight and the bias,
 * through what is fused. FLOP are those of the direct sums; resizing is not counted.
 */
public class ConvBackwardBenchmark extends OperatorBenchmark {

  private static final int LAST_CHANNELS = 32;

  /** As in {@link ConvBenchmark}; in training the last projection is an operator of its own. */
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

  /** What a layer is besides its shape. */
  private record Layer(Conv2dShape shape, int from, int side, boolean reluInput, boolean reluOut) {
    boolean resized() {
      return from != side;
    }

    String text() {
      return "%dx%d, %d to %d, %dx%d%s%s%s%s, back"
          .formatted(
              side,
              side,
              shape.in(),
              shape.out(),
              shape.kernel(),
              shape.kernel(),
              shape.stride() == 1 ? "" : " stride 2",
              reluInput ? ", ReLU before" : "",
              reluOut ? ", ReLU" : "",
              resized() ? ", resized from " + from : "");
    }
  }

  @Override
  Operator prepare(Trial trial) {
    int features = config().features();
    int[] sides = {4 * PATCHES, 2 * PATCHES, PATCHES, (PATCHES + 1) / 2};
    return switch (layer) {
      case "enlarge4" -> transposed(trial, channels(0), 4);
      case "enlarge2" -> transposed(trial, channels(1), 2);
      case "shrink2" -> {
        Conv2dShape shape = new Conv2dShape(channels(3), channels(3), 3, 2);
        yield plain(trial, new Layer(shape, PATCHES, PATCHES, false, false));
      }
      case "layer1_rn", "layer2_rn", "layer3_rn", "layer4_rn" -> {
        int i = layer.charAt("layer".length()) - '1';
        Conv2dShape shape = new Conv2dShape(channels(i), features, 3, 1);
        yield plain(trial, new Layer(shape, sides[i], sides[i], false, false));
      }
      case "residual1", "residual2", "residual3" -> {
        int side = sides[layer.charAt("residual".length()) - '1'];
        yield plain(
            trial, new Layer(new Conv2dShape(features, features, 3, 1), side, side, true, false));
      }
      case "output_conv1" -> {
        Conv2dShape shape = new Conv2dShape(features, features / 2, 3, 1);
        yield plain(trial, new Layer(shape, 4 * PATCHES, 8 * PATCHES, false, false));
      }
      case "output_conv2" -> {
        Conv2dShape shape = new Conv2dShape(features / 2, LAST_CHANNELS, 3, 1);
        yield plain(trial, new Layer(shape, 8 * PATCHES, SIDE, false, true));
      }
      default -> throw unknown(layer);
    };
  }

  private int channels(int map) {
    return config().outChannels().get(map);
  }

  private static Operator plain(Trial trial, Layer layer) {
    Conv2dShape shape = layer.shape();
    int in = shape.in();
    int out = shape.out();
    int kernel = shape.kernel();
    long side = layer.side();
    long from = layer.from();
    long outSide = shape.outExtent(side);
    Operand x = trial.uniform(1, 1, from, from, in);
    Operand weight = trial.weight((long) in * kernel * kernel, out, in, kernel, kernel);
    Operand dy = trial.uniform(1, 1, outSide, outSide, out);
    ConvOps ops = trial.backend().conv();
    Tensor activated = layer.reluOut() ? forward(trial, layer, x, weight, outSide) : null;
    float[] kept = activated == null ? new float[0] : activated.toArray();
    Gradients gradients =
        new Gradients(trial, from * from * in, (long) out * in * kernel * kernel, out);
    Tensor dx = gradients.part(0, 1, from, from, in);
    Tensor dWeight = gradients.part(1, out, in, kernel, kernel);
    Tensor dBias = gradients.part(2, out);
    Reference.Map source = layer.resized() ? Reference.enlarged(x, side, side) : Reference.map(x);
    Reference.Map read = layer.reluInput() ? (i, j, c) -> Math.max(source.at(i, j, c), 0) : source;
    Reference.Map plainDy = Reference.map(dy);
    Reference.Map dz =
        activated == null
            ? plainDy
            : (i, j, c) ->
                i >= 0
                        && j >= 0
                        && i < outSide
                        && j < outSide
                        && kept[Math.toIntExact((i * outSide + j) * out + c)] > 0
                    ? plainDy.at(i, j, c)
                    : 0;
    Reference.Map dRead =
        (i, j, c) -> Reference.convolutionBack(dz, weight, shape, outSide, i, j, c);
    double step = layer.resized() ? (from - 1.0) / (side - 1) : 1;
    return gradients.operator(
        layer.text(),
        Operator.Unit.FLOP,
        4.0 * outSide * outSide * out * in * kernel * kernel,
        3e-3,
        () ->
            ops.conv2dBackward(
                shape,
                x.tensor(),
                side,
                side,
                weight.tensor(),
                layer.reluInput(),
                layer.resized(),
                activated,
                dy.tensor(),
                dx,
                false,
                dWeight,
                dBias),
        (part, element) -> {
          if (part == 2) {
            return Reference.sum(outSide * outSide, p -> dz.at(p / outSide, p % outSide, element));
          }
          if (part == 1) {
            long tap = element % ((long) kernel * kernel);
            long padding = (kernel - 1L) / 2;
            return Reference.sum(
                outSide * outSide,
                p ->
                    dz.at(p / outSide, p % outSide, element / ((long) in * kernel * kernel))
                        * read.at(
                            p / outSide * shape.stride() + tap / kernel - padding,
                            p % outSide * shape.stride() + tap % kernel - padding,
                            element / ((long) kernel * kernel) % in));
          }
          long channel = element % in;
          long row = element / in / from;
          long column = element / in % from;
          if (layer.reluInput() && x.at(element) <= 0) {
            return 0;
          }
          return layer.resized()
              ? Reference.enlargedBack(dRead, step, side, row, column, channel)
              : dRead.at(row, column, channel);
        });
  }

  /** The forward result, where its ReLU must be known. */
  private static Tensor forward(Trial trial, Layer layer, Operand x, Operand weight, long outSide) {
    ConvOps ops = trial.backend().conv();
    Conv2dShape shape = layer.shape();
    Tensor y = trial.allocate(1, outSide, outSide, shape.out());
    Fusion fusion =
        new Fusion(layer.reluInput(), layer.resized(), Activation.RELU, null, null, null);
    Tensor packed = ops.packConv2d(shape, weight.tensor(), trial.memory());
    ops.conv2d(shape, x.tensor(), layer.side(), layer.side(), packed, null, fusion, y);
    return y;
  }

  private static Operator transposed(Trial trial, int channels, int kernel) {
    Operand x = trial.uniform(1, 1, PATCHES, PATCHES, channels);
    Operand weight = trial.weight(channels, channels, channels, kernel, kernel);
    long side = (long) kernel * PATCHES;
    Operand dy = trial.uniform(1, 1, side, side, channels);
    ConvOps ops = trial.backend().conv();
    long taps = (long) kernel * kernel;
    Gradients gradients =
        new Gradients(
            trial, (long) PATCHES * PATCHES * channels, taps * channels * channels, channels);
    Tensor dx = gradients.part(0, 1, PATCHES, PATCHES, channels);
    Tensor dWeight = gradients.part(1, channels, channels, kernel, kernel);
    Tensor dBias = gradients.part(2, channels);
    Reference.Map given = Reference.map(dy);
    return gradients.operator(
        "%dx%d, %d to %d, transposed %dx%d, back"
            .formatted(PATCHES, PATCHES, channels, channels, kernel, kernel),
        Operator.Unit.FLOP,
        4.0 * side * side * channels * channels,
        1e-3,
        () ->
            ops.convTranspose2dBackward(
                kernel, x.tensor(), weight.tensor(), dy.tensor(), dx, dWeight, dBias),
        (part, element) ->
            switch (part) {
              case 0 -> {
                long row = element / channels / PATCHES * kernel;
                long column = element / channels % PATCHES * kernel;
                yield Reference.sum(
                    channels * taps,
                    k ->
                        given.at(row + k % taps / kernel, column + k % kernel, k / taps)
                            * weight.at(element % channels * channels * taps + k));
              }
              case 1 -> {
                long tap = element % taps;
                yield Reference.sum(
                    (long) PATCHES * PATCHES,
                    p ->
                        x.at(p * channels + element / taps / channels)
                            * given.at(
                                p / PATCHES * kernel + tap / kernel,
                                p % PATCHES * kernel + tap % kernel,
                                element / taps % channels));
              }
              default -> Reference.sum(side * side, p -> dy.at(p * channels + element));
            });
  }
}
