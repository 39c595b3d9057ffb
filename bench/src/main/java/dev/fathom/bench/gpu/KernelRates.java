package dev.fathom.bench.gpu;

import dev.fathom.bindings.cuda.ConvProvider;
import dev.fathom.bindings.cuda.CudaException;
import dev.fathom.bindings.cuda.GemmProvider;
import dev.fathom.bindings.cuda.VendorLibraries;
import dev.fathom.nn.cuda.CudaBackend;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.op.LinearOps;
import dev.fathom.nn.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The kernels that multiply, at a network's shapes: ours with all that is fused into them, the
 * libraries' with the bare product.
 */
final class KernelRates implements AutoCloseable {

  static final String PEAKS = "Peaks";
  static final String LINEAR = "Linear layers";
  static final String LINEAR_BACKWARD = "Linear layers, backward";
  static final String ATTENTION = "Attention";
  static final String CONVOLUTION = "3x3 convolutions";

  private static final double LEAST_SECONDS = 2;
  private static final long COPY_BYTES = 2L << 30;
  private static final int PEAK_SIDE = 8192;

  private final CudaBackend backend;
  private final GpuTimer timer;
  private final Budget budget;
  private final Results results;
  private final boolean small;
  private final List<GemmProvider> gemms = new ArrayList<>();
  private final @Nullable ConvProvider convolution;

  KernelRates(CudaBackend backend, GpuTimer timer, Budget budget, Results results, boolean small) {
    this.backend = backend;
    this.timer = timer;
    this.budget = budget;
    this.results = results;
    this.small = small;
    for (var offer : VendorLibraries.gemm(timer.stream().context())) {
      if (offer.provider() != null) {
        gemms.add(offer.provider());
      } else {
        results.note("not compared with: " + offer);
      }
    }
    var offer = VendorLibraries.convolution(timer.stream().context());
    convolution = offer.provider();
    if (convolution == null) {
      results.note("not compared with: " + offer);
    }
  }

  /** What the machine reaches: a copy and a large product, by a library where there is one. */
  void peaks() {
    long n = small ? 1 << 16 : COPY_BYTES / 4;
    int side = small ? 64 : PEAK_SIDE;
    double copied;
    try (Operands operands = new Operands(backend)) {
      Tensor x = operands.floats(n);
      Tensor y = operands.floats(n);
      copied = timer.warm(() -> backend.resample().copy(x, y));
    }
    results.add(Row.bytes(PEAKS, "copy of " + ((4 * n) >> 20) + " MiB", copied, 8.0 * n));
    double flop = 2.0 * side * side * side;
    double best;
    try (Operands operands = new Operands(backend)) {
      Tensor x = operands.elements(side, side);
      Tensor w = operands.elements(side, side);
      Tensor y = operands.elements(side, side);
      best = ours(x, w, y);
      List<Row.Peer> peers = peers(operands, side, side, side, x, w, y, false);
      results.add(Row.flop(PEAKS, "product of " + side + "^3", best, flop, peers));
      for (Row.Peer peer : peers) {
        best = Math.min(best, peer.ms());
      }
    }
    results.peaks(flop / best * 1e-9, 8.0 * n / copied * 1e-6);
  }

  private double ours(Tensor x, Tensor w, Tensor y) {
    // The packed form of a weight whose rows are multiples of 8 is the weight.
    return timer.warm(
        () -> backend.linear().linear(x, w, null, Activation.NONE, null, null, y, null));
  }

  private List<Row.Peer> peers(
      Operands operands, long m, long n, long k, Tensor x, Tensor w, Tensor y, boolean cold) {
    List<Row.Peer> peers = new ArrayList<>();
    for (GemmProvider library : gemms) {
      Runnable product =
          () ->
              library.multiply(
                  timer.stream(),
                  Math.toIntExact(m),
                  Math.toIntExact(k),
                  Math.toIntExact(n),
                  operands.borrowed(x),
                  operands.borrowed(w),
                  null,
                  operands.borrowed(y));
      peers.add(new Row.Peer(library.name(), cold ? timer.cold(product) : timer.warm(product)));
    }
    return peers;
  }

  private static String shape(String layer, ModelConfig model, int batch, long m, long n, long k) {
    return "%s %s, batch %d [%d,%d,%d]".formatted(model.name(), layer, batch, m, n, k);
  }

  /** qkv, proj, fc1 and fc2 with their epilogues. */
  void linear(ModelConfig model, int batch, long tokens) {
    long dim = model.embedDim();
    forward("qkv", model, batch, tokens * batch, 3 * dim, dim, false, false);
    forward("proj", model, batch, tokens * batch, dim, dim, false, true);
    forward("fc1", model, batch, tokens * batch, 4 * dim, dim, true, false);
    forward("fc2", model, batch, tokens * batch, dim, 4 * dim, false, true);
  }

  private void forward(
      String layer,
      ModelConfig model,
      int batch,
      long m,
      long n,
      long k,
      boolean gelu,
      boolean scaled) {
    if (!budget.allows(LEAST_SECONDS)) {
      return;
    }
    boolean cold = batch == 1;
    try (Operands operands = new Operands(backend)) {
      LinearOps ops = backend.linear();
      Tensor x = operands.elements(m, k);
      Tensor w = operands.elements(n, k);
      Tensor bias = operands.floats(n);
      Tensor scale = operands.floats(n);
      Tensor residual = operands.elements(m, n);
      Tensor y = operands.elements(m, n);
      Runnable work =
          () ->
              ops.linear(
                  x,
                  w,
                  bias,
                  gelu ? Activation.GELU : Activation.NONE,
                  scaled ? scale : null,
                  scaled ? residual : null,
                  y,
                  null);
      double ms = cold ? timer.cold(work) : timer.warm(work);
      results.add(
          Row.flop(
              LINEAR,
              shape(layer, model, batch, m, n, k),
              ms,
              2.0 * m * n * k,
              peers(operands, m, n, k, x, w, y, cold)));
    }
  }

  /** Gradients of inputs and of weights. */
  void linearBackward(ModelConfig model, int batch, long tokens) {
    long dim = model.embedDim();
    backward("qkv", model, batch, tokens * batch, 3 * dim, dim);
    backward("fc1", model, batch, tokens * batch, 4 * dim, dim);
    backward("fc2", model, batch, tokens * batch, dim, 4 * dim);
  }

  private void backward(String layer, ModelConfig model, int batch, long m, long out, long in) {
    if (!budget.allows(LEAST_SECONDS)) {
      return;
    }
    try (Operands operands = new Operands(backend)) {
      LinearOps ops = backend.linear();
      Tensor x = operands.elements(m, in);
      Tensor dx = operands.elements(m, in);
      Tensor dy = operands.elements(m, out);
      Tensor weight = operands.floats(out, in);
      Tensor packed = operands.elements(out, in);
      Tensor dWeight = operands.floats(out, in);
      double toInput =
          timer.warm(() ->
              ops.linearBackward(
                  x, weight, packed, null, Activation.NONE, null, null, dy, dx, false, null, null,
                  null));
      double toWeight =
          timer.warm(() ->
              ops.linearBackward(
                  x,
                  weight,
                  packed,
                  null,
                  Activation.NONE,
                  null,
                  null,
                  dy,
                  null,
                  false,
                  dWeight,
                  null,
                  null));
      double flop = 2.0 * m * out * in;
      Tensor w = operands.elements(in, out);
      results.add(
          Row.flop(
              LINEAR_BACKWARD,
              shape(layer + " dx", model, batch, m, in, out),
              toInput,
              flop,
              peers(operands, m, in, out, dy, w, dx, false)));
      // The library's product of these sizes, of operands that lie as it likes them best.
      results.add(
          Row.flop(
              LINEAR_BACKWARD,
              shape(layer + " dW", model, batch, out, in, m),
              toWeight,
              flop,
              peers(operands, out, in, m, dy, x, w, false)));
    }
  }

  /** Forward and backward; the backward's operations are counted as 2.5 times the forward's. */
  void attention(ModelConfig model, int batch, long tokens) {
    if (!budget.allows(LEAST_SECONDS)) {
      return;
    }
    long dim = model.embedDim();
    int heads = model.heads();
    float scale = (float) (1 / Math.sqrt((double) model.headDim()));
    double flop = 4.0 * batch * tokens * tokens * dim;
    try (Operands operands = new Operands(backend)) {
      Tensor qkv = operands.elements(batch, tokens, 3 * dim);
      Tensor y = operands.elements(batch, tokens, dim);
      Tensor logSumExp = operands.floats(batch, heads, tokens);
      String name = "%s, batch %d, %d tokens".formatted(model.name(), batch, tokens);
      Runnable forward = () -> backend.attention().attention(qkv, heads, scale, y, logSumExp);
      results.add(
          Row.flop(
              ATTENTION,
              "forward " + name,
              batch == 1 ? timer.cold(forward) : timer.warm(forward),
              flop,
              List.of()));
      Tensor dy = operands.elements(batch, tokens, dim);
      Tensor dqkv = operands.elements(batch, tokens, 3 * dim);
      Runnable backward =
          () -> backend.attention().attentionBackward(qkv, heads, scale, y, logSumExp, dy, dqkv);
      results.add(
          Row.flop(
              ATTENTION,
              "backward " + name,
              batch == 1 ? timer.cold(backward) : timer.warm(backward),
              2.5 * flop,
              List.of()));
    }
  }

  /** The head's convolutions, with ReLU as they read, bias and residual. */
  void convolutions(ModelConfig model, int batch, int grid) {
    int channels = model.features();
    for (int side : new int[] {grid, 2 * grid, 4 * grid, 8 * grid}) {
      if (!budget.allows(LEAST_SECONDS)) {
        return;
      }
      try (Operands operands = new Operands(backend)) {
        Conv2dShape shape = new Conv2dShape(channels, channels, 3, 1);
        Tensor x = operands.elements(batch, side, side, channels);
        Tensor residual = operands.elements(batch, side, side, channels);
        Tensor y = operands.elements(batch, side, side, channels);
        Tensor packed = operands.elements(channels, 9, channels);
        Tensor bias = operands.floats(channels);
        Fusion fusion = new Fusion(true, false, Activation.NONE, residual, null, null);
        double ms =
            timer.warm(() -> backend.conv().conv2d(shape, x, side, side, packed, bias, fusion, y));
        List<Row.Peer> peers = new ArrayList<>();
        ConvProvider library = convolution;
        if (library != null) {
          peers.add(
              new Row.Peer(
                  library.name(),
                  timer.warm(() ->
                      library.convolve(
                          timer.stream(),
                          new ConvProvider.Shape(batch, side, side, channels, channels, 3, 1),
                          operands.borrowed(x),
                          operands.borrowed(packed),
                          operands.borrowed(y)))));
        }
        results.add(
            Row.flop(
                CONVOLUTION,
                "%s, batch %d, %d channels, %d x %d"
                    .formatted(model.name(), batch, channels, side, side),
                ms,
                18.0 * batch * side * side * channels * channels,
                peers));
      }
    }
  }

  @Override
  public void close() {
    for (GemmProvider library : gemms) {
      close(library::close);
    }
    ConvProvider library = convolution;
    if (library != null) {
      close(library::close);
    }
  }

  /** A library that cannot be closed does not keep the others open. */
  private void close(Runnable library) {
    try {
      library.run();
    } catch (CudaException e) {
      results.note("closing a library: " + e.getMessage());
    }
  }
}
