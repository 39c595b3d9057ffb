package dev.fathom.nn.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.CpuIsa;
import dev.fathom.nn.Golden;
import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The forward pass against the published code's results, on every instruction set of the machine.
 */
class GoldenForwardTest {

  /** Relative L2 error; the references were computed in float64 (tiny) and float32. */
  private static final double TOLERANCE = 2e-5;

  /** The small network of the reference vectors. */
  static final ModelConfig TINY =
      new ModelConfig(
          "tiny",
          128,
          4,
          2,
          false,
          List.of(0, 1, 2, 3),
          32,
          List.of(16, 32, 64, 128),
          Release.V1,
          0,
          14,
          37);

  /** Instruction sets of this machine, each with 1, 2 and 5 threads. */
  static Stream<Arguments> devices() {
    List<Arguments> devices = new ArrayList<>();
    for (CpuIsa isa : CpuIsa.values()) {
      if (isa != CpuIsa.AUTO && isa.code() <= CpuIsa.best().code()) {
        for (int threads : new int[] {1, 2, 5}) {
          devices.add(Arguments.of(isa, threads));
        }
      }
    }
    return devices.stream();
  }

  static Stream<Arguments> publishedOnDevices() {
    return devices()
        .flatMap(device ->
            Stream.of("v1.vits", "v2.vits", "v2.metric.vits")
                .map(name -> Arguments.of(name, device.get()[0], device.get()[1])));
  }

  @ParameterizedTest
  @MethodSource("devices")
  void tinyMatchesAtEveryStage(CpuIsa isa, int threads) {
    try (CpuBackend backend = new CpuBackend(threads, isa);
        NativeMemory memory = new NativeMemory()) {
      DepthAnything network =
          new DepthAnything(new Loader(backend, memory, Golden.weights()), TINY);
      Map<String, float[]> stages = new HashMap<>();
      Pass pass =
          new Pass(
              backend,
              memory,
              (name, tensor) -> {
                // The last enlargement is fused into the next convolution; here it is done alone.
                if (name.equals("refinenet1.small")) {
                  long[] s = tensor.shape();
                  Tensor large = memory.allocate(s[0], 2 * s[1], 2 * s[2], s[3]);
                  backend.resample().resizeBilinear(tensor, true, large);
                  stages.put("refinenet1", large.toArray());
                  memory.release(large);
                } else {
                  stages.put(name, tensor.toArray());
                }
              });
      Tensor image = memory.allocate(2, 70, 98, 3).set(Golden.input("tiny.input", 2, 70, 98));
      Tensor depth = network.forward(pass, image);

      requireClose("tiny.depth", depth.toArray(), false);
      requireClose("tiny.patch_embed", patches(stages.get("patch_embed")), false);
      for (String name : List.of("blocks.0", "blocks.3")) {
        requireClose("tiny." + name, stages.get(name), false);
      }
      for (int i = 0; i < 4; i++) {
        requireClose("tiny.feature" + i, stages.get("feature" + i), false);
      }
      for (String name :
          List.of(
              "layer1_rn",
              "layer4_rn",
              "refinenet4",
              "refinenet3",
              "refinenet2",
              "refinenet1",
              "output_conv1")) {
        requireClose("tiny." + name, stages.get(name), true);
      }
    }
  }

  /** The reference is the bare projection: tokens without class token and positions. */
  private static float[] patches(float[] tokens) {
    float[] cls = Golden.weight("pretrained.cls_token", 1, 1, 128);
    assertTrue(cls.length == 128);
    float[] position = positions();
    float[] result = new float[2 * 35 * 128];
    for (int b = 0; b < 2; b++) {
      for (int i = 0; i < 35 * 128; i++) {
        result[b * 35 * 128 + i] = tokens[(b * 36 + 1) * 128 + i] - position[128 + i];
      }
    }
    return result;
  }

  private static float[] positions() {
    try (CpuBackend backend = new CpuBackend(1);
        NativeMemory memory = new NativeMemory()) {
      PositionTable table =
          PositionTable.load(
              new Loader(backend, memory, Golden.weights()), "pretrained.pos_embed", TINY);
      return table.forward(new Pass(backend, memory), 5, 7).toArray();
    }
  }

  @ParameterizedTest
  @MethodSource("publishedOnDevices")
  void publishedSmallNetworksMatch(String name, CpuIsa isa, int threads) {
    requireClose(name + ".depth", predict(name, isa, threads, 1, 70, 98), false);
  }

  /** One set of packed weights serves every number of threads. */
  @ParameterizedTest
  @MethodSource("otherNetworks")
  void otherNetworksMatchOnAnyNumberOfThreads(
      String name, CpuIsa isa, int batch, int height, int width) {
    float[] image = Golden.input(name + ".input", batch, height, width);
    try (CpuBackend packing = new CpuBackend(2, isa);
        NativeMemory memory = new NativeMemory()) {
      DepthAnything network =
          new DepthAnything(new Loader(packing, memory, Golden.weights()), config(name));
      for (int threads : new int[] {1, 2, 5}) {
        try (CpuBackend backend = new CpuBackend(threads, isa);
            NativeMemory working = new NativeMemory()) {
          float[] depth =
              new Inference(network, backend, working)
                  .run(
                      new long[] {batch, height, width, 3},
                      tensor -> tensor.set(image),
                      Tensor::toArray);
          requireClose(name + ".depth", depth, false);
        }
      }
    }
  }

  static Stream<Arguments> otherNetworks() {
    return Stream.of(CpuIsa.values())
        .filter(isa -> isa != CpuIsa.AUTO && isa.code() <= CpuIsa.best().code())
        .flatMap(isa ->
            Stream.of(
                Arguments.of("v1.vitb", isa, 1, 70, 98),
                Arguments.of("v1.vitl", isa, 1, 70, 98),
                Arguments.of("v2.vitb", isa, 1, 70, 98),
                Arguments.of("v2.vitl", isa, 1, 70, 98),
                Arguments.of("v1.vits.square", isa, 2, 126, 126),
                Arguments.of("v1.vits.518", isa, 1, 518, 518)));
  }

  @Test
  void resultsDoNotDependOnThreadsOrRuns() {
    float[] one = predict("v1.vits", CpuIsa.AUTO, 1, 1, 70, 98);
    for (int threads : new int[] {1, 2, 3, 5}) {
      assertArrayEquals(one, predict("v1.vits", CpuIsa.AUTO, threads, 1, 70, 98));
    }
  }

  @Test
  void aBatchEqualsItsPicturesOneByOne() {
    try (CpuBackend backend = new CpuBackend(2);
        NativeMemory memory = new NativeMemory()) {
      DepthAnything network =
          new DepthAnything(new Loader(backend, memory, Golden.weights()), TINY);
      Inference inference = new Inference(network, backend, memory);
      float[] images = Golden.input("batch", 3, 42, 56);
      float[] together =
          inference.run(new long[] {3, 42, 56, 3}, image -> image.set(images), Tensor::toArray);
      int pixels = 42 * 56;
      for (int b = 0; b < 3; b++) {
        float[] single = java.util.Arrays.copyOfRange(images, 3 * b * pixels, 3 * (b + 1) * pixels);
        float[] alone =
            inference.run(new long[] {1, 42, 56, 3}, image -> image.set(single), Tensor::toArray);
        float[] expected = java.util.Arrays.copyOfRange(together, b * pixels, (b + 1) * pixels);
        assertTrue(Golden.relativeError(alone, expected) < 1e-6, "picture " + b);
      }
    }
  }

  private static ModelConfig config(String name) {
    List<String> parts = List.of(name.split("\\.", -1));
    boolean metric = name.contains("metric");
    Release release =
        metric ? Release.V2_METRIC : parts.get(0).equals("v1") ? Release.V1 : Release.V2;
    return ModelConfig.published(metric ? parts.get(2) : parts.get(1), release, 20);
  }

  private static float[] predict(
      String name, CpuIsa isa, int threads, int batch, int height, int width) {
    ModelConfig config = config(name);
    try (CpuBackend backend = new CpuBackend(threads, isa);
        NativeMemory memory = new NativeMemory()) {
      DepthAnything network =
          new DepthAnything(new Loader(backend, memory, Golden.weights()), config);
      float[] image = Golden.input(name + ".input", batch, height, width);
      return new Inference(network, backend, memory)
          .run(new long[] {batch, height, width, 3}, tensor -> tensor.set(image), Tensor::toArray);
    }
  }

  private static void requireClose(String name, float[] actual, boolean channelsLast) {
    Golden.Array expected = Golden.load(name);
    double error =
        Golden.relativeError(actual, channelsLast ? expected.channelsLast() : expected.values());
    assertTrue(error <= TOLERANCE, name + ": relative error " + error);
  }
}
