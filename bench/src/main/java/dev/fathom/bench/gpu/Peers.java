package dev.fathom.bench.gpu;

import dev.fathom.bindings.cuda.ConvProvider;
import dev.fathom.bindings.cuda.CudaException;
import dev.fathom.bindings.cuda.GemmProvider;
import dev.fathom.bindings.cuda.VendorLibraries;
import dev.fathom.nn.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** NVIDIA's libraries where they are, with the bare product or convolution. */
final class Peers implements AutoCloseable {

  private final GpuTimer timer;
  private final Results results;
  private final List<GemmProvider> products = new ArrayList<>();
  private final @Nullable ConvProvider convolution;

  Peers(GpuTimer timer, Results results) {
    this.timer = timer;
    this.results = results;
    for (var offer : VendorLibraries.gemm(timer.stream().context())) {
      if (offer.provider() != null) {
        products.add(offer.provider());
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

  /** y [m,n] = x [m,k] w [n,k]^T. */
  List<Row.Peer> product(
      Operands operands, long m, long n, long k, Tensor x, Tensor w, Tensor y, boolean cold) {
    List<Row.Peer> peers = new ArrayList<>();
    for (GemmProvider library : products) {
      time(
          peers,
          library.name(),
          cold,
          () ->
              library.multiply(
                  timer.stream(),
                  Math.toIntExact(m),
                  Math.toIntExact(k),
                  Math.toIntExact(n),
                  operands.borrowed(x),
                  operands.borrowed(w),
                  null,
                  operands.borrowed(y)));
    }
    return peers;
  }

  /** What a convolution library does. */
  @FunctionalInterface
  interface Convolution {
    void run(ConvProvider library);
  }

  /** A convolution, or a gradient of one. */
  List<Row.Peer> convolution(boolean cold, Convolution work) {
    List<Row.Peer> peers = new ArrayList<>();
    ConvProvider library = convolution;
    if (library != null) {
      time(peers, library.name(), cold, () -> work.run(library));
    }
    return peers;
  }

  /** A library that refuses a shape is noted, and the rest goes on. */
  private void time(List<Row.Peer> peers, String name, boolean cold, Runnable work) {
    try {
      peers.add(new Row.Peer(name, cold ? timer.cold(work) : timer.warm(work)));
    } catch (CudaException e) {
      if (e.isContextLost()) {
        throw e;
      }
      results.note("not compared: " + name + ": " + e.getMessage());
    }
  }

  @Override
  public void close() {
    for (GemmProvider library : products) {
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
