package dev.fathom.bench.gpu;

import dev.fathom.bench.TrainedNetwork;
import dev.fathom.nn.GpuKernels;
import dev.fathom.nn.checkpoint.DType;
import dev.fathom.nn.checkpoint.SafeTensorsWriter;
import dev.fathom.nn.checkpoint.TensorInfo;
import dev.fathom.nn.checkpoint.WritableTensor;
import dev.fathom.nn.cuda.CudaBackend;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.model.DepthAnything;
import dev.fathom.nn.model.Inference;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.ParameterShapes;
import dev.fathom.nn.model.RandomWeights;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.CachingMemory;
import dev.fathom.nn.tensor.NativeMemory;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;

/**
 * Whole networks and training steps of one size, and the files for a peer with the same weights.
 */
final class NetworkRates {

  static final String INFERENCE = "Networks, picture on the GPU to depth on the GPU";
  static final String TRAINING = "Training steps: forward, loss, backward, AdamW";

  private static final long SEED = 1;
  private static final int GROUPS = 3;
  private static final int STEPS_OF_A_GROUP = 4;

  /** GFLOP of one picture of 518 x 518. */
  private static final Map<String, Double> GFLOP =
      Map.of("vits", 115.27, "vitb", 380.70, "vitl", 1304.22);

  private static final int COUNTED_SIDE = 518;

  private final ModelConfig model;
  private final int side;
  private final int steps;
  private final boolean small;
  private final Results results;

  NetworkRates(ModelConfig model, int side, int steps, boolean small, Results results) {
    this.model = model;
    this.side = side;
    this.steps = steps;
    this.small = small;
    this.results = results;
  }

  String inferenceName(int batch) {
    return "%s, batch %d, %d x %d".formatted(model.name(), batch, side, side);
  }

  String trainingName(int batch) {
    return inferenceName(batch);
  }

  private double flop(int batch) {
    return side == COUNTED_SIDE ? GFLOP.getOrDefault(model.name(), 0.0) * 1e9 * batch : 0;
  }

  /** A normalised picture. */
  float[] picture(int batch) {
    float[] values = new float[batch * side * side * 3];
    Random random = new Random(SEED);
    for (int i = 0; i < values.length; i++) {
      values[i] = 2 * random.nextFloat() - 1;
    }
    return values;
  }

  /**
   * Times inference at each batch size, by graphs and, for the first, also launch by launch.
   *
   * @return the depth of {@link #picture}(1)
   */
  float[] inference(List<Integer> batches) {
    float[] depth = new float[0];
    Set<String> launched = new TreeSet<>();
    try (CudaBackend backend = new CudaBackend(GpuKernels.OWN);
        BlockMemory weights = backend.newMemory();
        GpuTimer timer = new GpuTimer(backend.stream(), small ? 1 : steps, small)) {
      DepthAnything network =
          new DepthAnything(new Loader(backend, weights, new RandomWeights(SEED)), model);
      for (int batch : batches) {
        try (BlockMemory memory = backend.newMemory()) {
          // Seen before it is timed; what a graph holds is launched here, too.
          backend.observeLaunches(launched::add);
          var _ = read(new Inference(network, backend, memory), backend, batch);
          backend.observeLaunches(null);
        }
        try (BlockMemory memory = backend.newMemory()) {
          Inference inference = new Inference(network, backend, memory);
          time(inference, backend, timer, batch, "");
          if (batch == 1) {
            depth = read(inference, backend, 1);
          }
        }
        if (batch == batches.getFirst()) {
          try (BlockMemory memory = backend.newMemory()) {
            Inference plain = new Inference(network, withoutGraphs(backend), memory);
            time(plain, backend, timer, batch, ", launch by launch");
          }
        }
      }
    }
    results.launched(launched);
    return depth;
  }

  private double ms(Inference inference, Backend backend, GpuTimer timer, int batch) {
    long[] shape = {batch, side, side, 3};
    float[] picture = picture(batch);
    // The first makes a plan, the second a graph; both work on the picture as it was written.
    for (int i = 0; i < 2; i++) {
      var _ = inference.run(shape, x -> backend.transfer().write(picture, x), y -> y.size());
    }
    return timer.warm(() -> {
      var _ = inference.run(shape, x -> {}, y -> y.size());
    });
  }

  private void time(Inference inference, Backend backend, GpuTimer timer, int batch, String how) {
    double ms = ms(inference, backend, timer, batch);
    String name = inferenceName(batch) + how;
    double flop = flop(batch);
    results.add(
        flop > 0 ? Row.flop(INFERENCE, name, ms, flop, List.of()) : Row.time(INFERENCE, name, ms));
  }

  private float[] read(Inference inference, Backend backend, int batch) {
    float[] picture = picture(batch);
    return inference.run(
        new long[] {batch, side, side, 3},
        x -> backend.transfer().write(picture, x),
        y -> backend.transfer().read(y));
  }

  /** The backend, but for recording. */
  private static Backend withoutGraphs(Backend backend) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (_, method, arguments) -> {
              if (method.getName().equals("record")) {
                return null;
              }
              try {
                return method.invoke(backend, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  /** The same network with NVIDIA's libraries in the place of some kernels, as peers. */
  void libraries(int batch) {
    for (GpuKernels kernels :
        List.of(
            new GpuKernels(GpuKernels.Gemm.CUBLASLT, GpuKernels.Conv.FATHOM),
            new GpuKernels(GpuKernels.Gemm.FATHOM, GpuKernels.Conv.CUDNN))) {
      try (CudaBackend backend = new CudaBackend(kernels);
          BlockMemory weights = backend.newMemory();
          BlockMemory memory = backend.newMemory();
          GpuTimer timer = new GpuTimer(backend.stream(), small ? 1 : steps, small)) {
        DepthAnything network =
            new DepthAnything(new Loader(backend, weights, new RandomWeights(SEED)), model);
        double ms = ms(new Inference(network, backend, memory), backend, timer, batch);
        String name =
            kernels.gemm() == GpuKernels.Gemm.FATHOM
                ? "with cuDNN's convolutions"
                : "with cuBLASLt's products";
        results.beside(INFERENCE, inferenceName(batch), new Row.Peer(name, ms));
      } catch (IllegalStateException e) {
        results.note("not compared: " + e.getMessage());
      }
    }
  }

  /** Times training steps; without room for the batch, a note says so. */
  void training(int batch) {
    float[] target = new float[batch * side * side];
    for (int i = 0; i < target.length; i++) {
      target[i] = (float) (1 + 0.9 * Math.sin(0.02 * i));
    }
    try (CudaBackend backend = new CudaBackend(GpuKernels.OWN);
        CachingMemory memory = new CachingMemory(backend.newMemory())) {
      TrainedNetwork network =
          new TrainedNetwork(
              backend,
              memory,
              model,
              new RandomWeights(SEED),
              batch,
              side,
              picture(batch),
              target,
              false);
      Runnable step =
          () -> {
            var _ = network.step();
          };
      Set<String> launched = new TreeSet<>();
      backend.observeLaunches(launched::add);
      step.run();
      backend.observeLaunches(null);
      results.launched(launched);
      double ms;
      try (GpuTimer timer = new GpuTimer(backend.stream(), small ? 1 : GROUPS, small)) {
        ms = timer.grouped(step, small ? 1 : STEPS_OF_A_GROUP);
      }
      double flop = 3 * flop(batch);
      String name = trainingName(batch);
      results.add(
          flop > 0 ? Row.flop(TRAINING, name, ms, flop, List.of()) : Row.time(TRAINING, name, ms));
      results.note(
          "training %s: tensors take %.1f GB at the most"
              .formatted(name, memory.peakBytes() * 1e-9));
    } catch (OutOfMemoryError e) {
      results.note("training " + trainingName(batch) + ": " + e.getMessage());
    }
  }

  /** Writes the weights and {@link #picture}(1) for a peer. */
  void write(Path file) throws IOException {
    RandomWeights random = new RandomWeights(SEED);
    List<WritableTensor> tensors = new ArrayList<>();
    ParameterShapes.of(model)
        .forEach((name, shape) ->
            tensors.add(
                WritableTensor.generated(
                    TensorInfo.of(name, DType.F32, shape), () -> random.values(name, shape))));
    try (NativeMemory host = new NativeMemory()) {
      MemorySegment input = host.allocate(1, side, side, 3).set(picture(1)).data();
      tensors.add(
          WritableTensor.floats("input", input.asSlice(0, 12L * side * side), 1, side, side, 3));
      SafeTensorsWriter.write(file, tensors, Map.of());
    }
  }

  /** Numbers of the network. */
  long parameters() {
    long sum = 0;
    for (long[] shape : ParameterShapes.of(model).values()) {
      long size = 1;
      for (long extent : shape) {
        size *= extent;
      }
      sum += size;
    }
    return sum;
  }
}
