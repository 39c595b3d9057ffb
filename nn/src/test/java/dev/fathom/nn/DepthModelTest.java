package dev.fathom.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.CpuIsa;
import dev.fathom.nn.checkpoint.CheckpointException;
import dev.fathom.nn.checkpoint.DType;
import dev.fathom.nn.checkpoint.InferredModel;
import dev.fathom.nn.checkpoint.SafeTensorsWriter;
import dev.fathom.nn.checkpoint.TensorInfo;
import dev.fathom.nn.checkpoint.TorchWriter;
import dev.fathom.nn.checkpoint.WritableTensor;
import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.ParameterShapes;
import dev.fathom.nn.model.Release;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The library's surface: from a picture and a checkpoint to a depth map. */
class DepthModelTest {

  private static final float[] MEAN = {0.485f, 0.456f, 0.406f};
  private static final float[] STD = {0.229f, 0.224f, 0.225f};

  private static final ModelConfig SMALL =
      new ModelConfig(
          "vit64x4",
          64,
          4,
          1,
          false,
          List.of(0, 1, 2, 3),
          16,
          List.of(8, 8, 16, 16),
          Release.V1,
          0,
          14,
          37);

  @TempDir private Path folder;

  static Stream<Arguments> devices() {
    return Stream.of(CpuIsa.values())
        .filter(isa -> isa != CpuIsa.AUTO && isa.code() <= CpuIsa.best().code())
        .flatMap(isa -> Stream.of(1, 2, 5).map(threads -> Arguments.of(isa, threads)));
  }

  @ParameterizedTest
  @MethodSource("devices")
  void aPictureGoesThroughThePublishedTransform(CpuIsa isa, int threads) throws IOException {
    RgbImage picture = picture();
    Golden.Array expected = Golden.load("picture.input140");
    try (CpuBackend backend = new CpuBackend(threads, isa);
        NativeMemory memory = new NativeMemory();
        Arena arena = Arena.ofConfined()) {
      MemorySegment pixels = arena.allocateFrom(ValueLayout.JAVA_BYTE, picture.rgb());
      Tensor input = memory.allocate(1, 140, 210, 3);
      backend.resample().preprocess(pixels, picture.width(), picture.height(), MEAN, STD, input);
      float[] planar = Golden.channelsLast(expected.values(), 1, 3, 140, 210);
      assertTrue(Golden.relativeError(input.toArray(), planar) < 2e-6);
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void aPicturesDepthIsThePublishedOne(CpuIsa isa, int threads) throws IOException {
    DepthModelOptions options =
        DepthModelOptions.defaults().withInputSize(140).withThreads(threads).withIsa(isa);
    ModelConfig config = ModelConfig.published("vits", Release.V1, 0);
    try (DepthModel model = DepthModel.of(config, Golden.weights(), options)) {
      DepthMap raw = model.estimateRaw(picture());
      assertEquals(210, raw.width());
      assertEquals(140, raw.height());
      assertClose("picture.depth140", raw.values());
      DepthMap depth = model.estimate(picture());
      assertEquals(320, depth.width());
      assertEquals(213, depth.height());
      assertEquals(DepthMap.Kind.DISPARITY, depth.kind());
      assertClose("picture.depth", depth.values());
      assertEquals(depth.values()[213 * 320 - 1], depth.at(319, 212));
    }
  }

  @Test
  void everyCheckpointFormatGivesTheSameDepth() throws IOException {
    List<WritableTensor> tensors = tensors(SMALL);
    Path safetensors = folder.resolve("small.safetensors");
    Path torch = folder.resolve("small.pth");
    SafeTensorsWriter.write(safetensors, tensors, InferredModel.metadata(SMALL));
    TorchWriter.write(torch, tensors, Map.of());
    RgbImage image = noise(50, 40);
    float[] expected;
    try (DepthModel model = DepthModel.of(SMALL, Golden.weights(), small())) {
      expected = model.estimate(image).values();
    }
    for (Path file : List.of(safetensors, torch)) {
      try (DepthModel model = DepthModel.load(file, small())) {
        assertEquals(SMALL.embedDim(), model.config().embedDim());
        assertArrayEquals(expected, model.estimate(image).values());
      }
    }
  }

  @Test
  void whatIsMissingOrMisshapenIsNamed() throws IOException {
    List<WritableTensor> tensors = tensors(SMALL);
    String missing = "pretrained.blocks.2.attn.qkv.bias";
    String misshapen = "depth_head.scratch.refinenet1.out_conv.bias";
    tensors.removeIf(
        tensor -> tensor.info().name().equals(missing) || tensor.info().name().equals(misshapen));
    tensors.add(WritableTensor.floats(misshapen, MemorySegment.ofArray(new float[3]), 3));
    Path file = folder.resolve("broken.safetensors");
    SafeTensorsWriter.write(file, tensors, Map.of());
    CheckpointException e =
        assertThrows(CheckpointException.class, () -> DepthModel.load(file, small()));
    assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
    assertTrue(e.getMessage().contains(missing), e.getMessage());
    assertTrue(e.getMessage().contains(misshapen + " is [3] instead of [16]"), e.getMessage());
  }

  @Test
  void unusedTensorsAreTold() throws IOException {
    List<WritableTensor> tensors = tensors(SMALL);
    tensors.add(WritableTensor.floats("extra.weight", MemorySegment.ofArray(new float[2]), 2));
    Path file = folder.resolve("extra.safetensors");
    SafeTensorsWriter.write(file, tensors, Map.of());
    try (DepthModel model = DepthModel.load(file, small())) {
      assertEquals(List.of("extra.weight"), model.unusedTensors());
    }
  }

  @ParameterizedTest
  @CsvSource({"1,1", "300,1", "1,40", "7,300", "57,29"})
  void oddPicturesWork(int width, int height) {
    try (DepthModel model = DepthModel.of(SMALL, Golden.weights(), small())) {
      DepthMap depth = model.estimate(noise(width, height));
      assertEquals(width, depth.width());
      assertEquals(height, depth.height());
      for (float value : depth.values()) {
        assertTrue(Float.isFinite(value));
      }
    }
  }

  @Test
  void aPictureTooNarrowForTheNetworkIsRefused() {
    try (DepthModel model =
        DepthModel.of(SMALL, Golden.weights(), DepthModelOptions.defaults().withThreads(1))) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () -> model.estimate(new RgbImage(1, 90, new byte[270])));
      assertTrue(e.getMessage().contains("1 x 90"), e.getMessage());
    }
  }

  @Test
  void aLoopOverSizesAllocatesNothingMore() {
    try (DepthModel model = DepthModel.of(SMALL, Golden.weights(), small())) {
      RgbImage large = noise(90, 70);
      RgbImage other = noise(40, 60);
      float[] first = model.estimate(large).values();
      long bytes = model.nativeBytes();
      for (int i = 0; i < 10; i++) {
        DepthMap unrelated = model.estimate(other);
        assertEquals(40, unrelated.width());
        assertArrayEquals(first, model.estimate(large).values());
      }
      assertEquals(bytes, model.nativeBytes());
    }
  }

  @Test
  void threadsTakeTurns() throws Exception {
    try (DepthModel model = DepthModel.of(SMALL, Golden.weights(), small());
        ExecutorService threads = Executors.newFixedThreadPool(4)) {
      RgbImage image = noise(64, 48);
      float[] expected = model.estimate(image).values();
      List<Future<float[]>> results = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        results.add(threads.submit(() -> model.estimate(image).values()));
      }
      for (Future<float[]> result : results) {
        assertArrayEquals(expected, result.get());
      }
    }
  }

  @Test
  void useAfterCloseThrows() {
    DepthModel model = DepthModel.of(SMALL, Golden.weights(), small());
    model.close();
    model.close();
    assertThrows(IllegalStateException.class, () -> model.estimate(noise(20, 20)));
    assertThrows(IllegalStateException.class, model::nativeBytes);
  }

  @Test
  void everyKindOfBufferedImageIsTaken() {
    RgbImage image = noise(31, 23);
    BufferedImage bgr = image.toBufferedImage();
    assertArrayEquals(image.rgb(), RgbImage.of(bgr).rgb());
    BufferedImage argb = new BufferedImage(31, 23, BufferedImage.TYPE_INT_ARGB);
    for (int y = 0; y < 23; y++) {
      for (int x = 0; x < 31; x++) {
        argb.setRGB(x, y, 0xff000000 | image.at(x, y));
      }
    }
    assertArrayEquals(image.rgb(), RgbImage.of(argb).rgb());
    RgbImage part = RgbImage.of(bgr.getSubimage(3, 4, 10, 9));
    assertEquals(10, part.width());
    assertEquals(image.at(3, 4), part.at(0, 0));
    assertEquals(image.at(12, 12), part.at(9, 8));
  }

  private static DepthModelOptions small() {
    return DepthModelOptions.defaults().withThreads(2).withInputSize(42);
  }

  private static List<WritableTensor> tensors(ModelConfig config) {
    List<WritableTensor> tensors = new ArrayList<>();
    ParameterShapes.of(config)
        .forEach((name, shape) ->
            tensors.add(
                WritableTensor.generated(
                    TensorInfo.of(name, DType.F32, shape), () -> Golden.weight(name, shape))));
    return tensors;
  }

  private static RgbImage noise(int width, int height) {
    float[] hashed = Golden.hashed("noise", 3 * width * height);
    byte[] rgb = new byte[hashed.length];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) (127.5f * (hashed[i] + 1));
    }
    return new RgbImage(width, height, rgb);
  }

  private static RgbImage picture() throws IOException {
    try (InputStream in = DepthModelTest.class.getResourceAsStream("/golden/picture.png")) {
      return RgbImage.of(ImageIO.read(in));
    }
  }

  private static void assertClose(String name, float[] actual) {
    double error = Golden.relativeError(actual, Golden.load(name).values());
    assertTrue(error <= 2e-5, name + ": relative error " + error);
  }
}
