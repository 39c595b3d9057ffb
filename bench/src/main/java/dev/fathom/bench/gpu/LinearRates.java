package dev.fathom.bench.gpu;

import dev.fathom.nn.layer.Mlp;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.LinearOps;
import dev.fathom.nn.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Linear layers and their gradients: ours with all that is fused into them. */
final class LinearRates {

  static final String SECTION = "Linear layers";
  static final String BACKWARD = "Linear layers, backward";

  /** Channels of the giant network, which alone has gated units. */
  private static final int GIANT = 1536;

  private final Rig rig;

  LinearRates(Rig rig) {
    this.rig = rig;
  }

  /** A layer of rows m, from k channels to n. */
  private record Layer(String name, long m, long n, long k, boolean gelu, boolean scaled) {

    double flop() {
      return 2.0 * m * n * k;
    }

    private String row(NetworkShape at, String what) {
      return "%s %s%s, batch %d [%d,%d,%d]"
          .formatted(at.model().name(), name, what, at.batch(), m, n, k);
    }
  }

  /** y = x w^T on ours and on the libraries. */
  static void product(
      Rig rig, String section, String name, Operands operands, Tensor x, Tensor w, Tensor y) {
    long m = x.extent(0);
    long n = w.extent(0);
    long k = x.extent(1);
    // The packed form of a weight whose rows are multiples of 8 is the weight.
    rig.flop(
        section,
        name,
        2.0 * m * n * k,
        false,
        () -> rig.backend().linear().linear(x, w, null, Activation.NONE, null, null, y, null),
        () -> rig.peers().product(operands, m, n, k, x, w, y, false));
  }

  private static Layer[] blocks(NetworkShape at) {
    long dim = at.model().embedDim();
    long m = at.rows();
    return new Layer[] {
      new Layer("qkv", m, 3 * dim, dim, false, false),
      new Layer("proj", m, dim, dim, false, true),
      new Layer("fc1", m, 4 * dim, dim, true, false),
      new Layer("fc2", m, dim, 4 * dim, false, true)
    };
  }

  /** The 1x1 convolutions of the head, each shape once. */
  private static Layer[] head(int batch, NetworkShape at) {
    long features = at.model().features();
    long grid = at.grid();
    long half = (grid + 1) / 2;
    Layer[] layers = new Layer[8];
    for (int i = 0; i < 4; i++) {
      long out = at.model().outChannels().get(i);
      layers[i] =
          new Layer("projects." + i, batch * grid * grid, out, at.model().embedDim(), false, false);
      long extent = i == 3 ? half : grid << (2 - i);
      layers[4 + i] =
          new Layer(
              "out_conv of %d x %d".formatted(extent, extent),
              batch * extent * extent,
              features,
              features,
              false,
              false);
    }
    return layers;
  }

  /** qkv, proj, fc1 and fc2. */
  void forward(NetworkShape at) {
    for (Layer layer : blocks(at)) {
      forward(at, layer);
    }
  }

  /** The head's. */
  void head(NetworkShape at) {
    for (Layer layer : head(at.batch(), at)) {
      forward(at, layer);
    }
  }

  private void forward(NetworkShape at, Layer layer) {
    rig.group(
        layer.row(at, ""),
        operands -> {
          LinearOps ops = rig.backend().linear();
          Tensor x = operands.elements(layer.m, layer.k);
          Tensor w = operands.elements(layer.n, layer.k);
          Tensor bias = operands.floats(layer.n);
          Tensor scale = layer.scaled ? operands.floats(layer.n) : null;
          Tensor residual = layer.scaled ? operands.elements(layer.m, layer.n) : null;
          Tensor y = operands.elements(layer.m, layer.n);
          rig.flop(
              SECTION,
              layer.row(at, ""),
              layer.flop(),
              at.cold(),
              () -> ops.linear(x, w, bias, activation(layer), scale, residual, y, null),
              () -> rig.peers().product(operands, layer.m, layer.n, layer.k, x, w, y, at.cold()));
        });
  }

  private static Activation activation(Layer layer) {
    return layer.gelu ? Activation.GELU : Activation.NONE;
  }

  /** Gradients of inputs, of weights, and of all that a layer has. */
  void backward(NetworkShape at) {
    for (Layer layer : blocks(at)) {
      backward(at, layer, true);
    }
  }

  /** What moves data: packing, and the giant's gated units. */
  void moves(NetworkShape at) {
    packing(at);
    gated(at);
  }

  /** The head's. */
  void headBackward(NetworkShape at) {
    for (Layer layer : head(at.batch(), at)) {
      backward(at, layer, false);
    }
  }

  private void backward(NetworkShape at, Layer layer, boolean whole) {
    rig.group(
        layer.row(at, " backward"),
        operands -> {
          Tensor x = operands.elements(layer.m, layer.k);
          Tensor dx = operands.elements(layer.m, layer.k);
          Tensor dy = operands.elements(layer.m, layer.n);
          Tensor weight = operands.floats(layer.n, layer.k);
          Tensor packed = operands.elements(layer.n, layer.k);
          Tensor dWeight = operands.floats(layer.n, layer.k);
          Tensor transposed = operands.elements(layer.k, layer.n);
          LinearOps ops = rig.backend().linear();
          rig.flop(
              BACKWARD,
              layer.row(at, " dx"),
              layer.flop(),
              false,
              () -> back(ops, x, weight, packed, dy, dx, null),
              () ->
                  rig.peers()
                      .product(operands, layer.m, layer.k, layer.n, dy, transposed, dx, false));
          // The library's product of these sizes, of operands that lie as it likes them best.
          rig.flop(
              BACKWARD,
              layer.row(at, " dW"),
              layer.flop(),
              false,
              () -> back(ops, x, weight, packed, dy, null, dWeight),
              () -> rig.peers().product(operands, layer.n, layer.k, layer.m, dy, x, packed, false));
          if (whole) {
            Tensor bias = operands.floats(layer.n);
            Tensor dBias = operands.floats(layer.n);
            Tensor before = layer.gelu ? operands.elements(layer.m, layer.n) : null;
            Tensor scale = layer.scaled ? operands.floats(layer.n) : null;
            Tensor dScale = layer.scaled ? operands.floats(layer.n) : null;
            rig.flop(
                BACKWARD,
                layer.row(at, " with all that it has"),
                2 * layer.flop(),
                false,
                () ->
                    ops.linearBackward(
                        x,
                        weight,
                        packed,
                        bias,
                        activation(layer),
                        before,
                        scale,
                        dy,
                        dx,
                        false,
                        dWeight,
                        dBias,
                        dScale),
                Rig::alone);
          }
        });
  }

  private static void back(
      LinearOps ops,
      Tensor x,
      Tensor weight,
      Tensor packed,
      Tensor dy,
      @Nullable Tensor dx,
      @Nullable Tensor dWeight) {
    ops.linearBackward(
        x, weight, packed, null, Activation.NONE, null, null, dy, dx, false, dWeight, null, null);
  }

  private void packing(NetworkShape at) {
    long dim = at.model().embedDim();
    rig.group(
        "packing",
        operands -> {
          Tensor weight = operands.floats(4 * dim, dim);
          double count = 4.0 * dim * dim;
          rig.bytes(
              VectorRates.SECTION,
              "weight of %s packed, [%d,%d]".formatted(at.model().name(), 4 * dim, dim),
              4 * count + rig.elementBytes(count),
              () -> {
                Tensor packed = rig.backend().linear().packLinear(weight, operands.memory());
                operands.memory().release(packed);
              });
        });
  }

  private void gated(NetworkShape at) {
    long hidden = Mlp.swigluHidden(rig.small() ? at.model().embedDim() : GIANT);
    rig.group(
        "swiglu",
        operands -> {
          Tensor x = operands.elements(at.rows(), 2 * hidden);
          Tensor dx = operands.elements(at.rows(), 2 * hidden);
          Tensor y = operands.elements(at.rows(), hidden);
          double each = rig.elementBytes((double) at.rows() * hidden);
          String shape = ", batch %d [%d,%d]".formatted(at.batch(), at.rows(), hidden);
          rig.bytes(
              VectorRates.SECTION,
              "swiglu of the giant" + shape,
              3 * each,
              () -> rig.backend().linear().swiglu(x, y));
          rig.bytes(
              VectorRates.SECTION,
              "swiglu backward" + shape,
              5 * each,
              () -> rig.backend().linear().swigluBackward(x, y, dx));
        });
  }
}
