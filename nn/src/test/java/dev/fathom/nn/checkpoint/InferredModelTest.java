package dev.fathom.nn.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.ParameterShapes;
import dev.fathom.nn.model.Release;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class InferredModelTest {
  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"vits", "vitb", "vitl", "vitg"})
  void publishedSizesAreFoundByTheirShapes(String name) throws IOException {
    ModelConfig config = ModelConfig.published(name, Release.V2, 0);
    Path file = empty(config, folder.resolve("weights.safetensors"), Map.of());
    InferredModel model = infer(file, null, Release.V2, null);
    assertEquals(config, model.config());
    assertFalse(model.isGuessed());
    assertFalse(model.encoderOnly());
  }

  @Test
  void withoutAnySignTheReleaseIsGuessedAsV1() throws IOException {
    ModelConfig config = ModelConfig.published("vits", Release.V1, 0);
    InferredModel model = infer(empty(config, folder.resolve("weights.pth"), Map.of()));
    assertEquals(config, model.config());
    assertTrue(model.isGuessed());
    assertEquals("assumed release v1, which the checkpoint does not tell", model.guessed());
  }

  @Test
  void theGiantIsAlwaysV2() throws IOException {
    ModelConfig config = ModelConfig.published("vitg", Release.V2, 0);
    Path file = empty(config, folder.resolve("weights.safetensors"), Map.of());
    assertEquals(config, infer(file).config());
    assertFalse(infer(file).isGuessed());
    assertRefused(file, null, Release.V1, "never part of v1");
  }

  @ParameterizedTest
  @CsvSource({
    "depth_anything_vitl14.pth, V1, 0",
    "depth-anything-small.safetensors, V1, 0",
    "depth_anything_v2_vits.pth, V2, 0",
    "Depth-Anything-V2-Small.safetensors, V2, 0",
    "depth_anything_v2_metric_hypersim_vitl.pth, V2_METRIC, 20",
    "depth_anything_v2_metric_vkitti_vits.pth, V2_METRIC, 80",
    "depth_anything_metric_depth_indoor.pt, V1, 0",
    "Depth-Anything-V2-Metric-Indoor-Small-hf/model.safetensors, V2_METRIC, 20",
    "Depth-Anything-V2-Metric-Outdoor-Small-hf/model.safetensors, V2_METRIC, 80",
    "depth-anything-small-hf/pytorch_model.bin, V1, 0",
    "models--depth-anything--Depth-Anything-V2-Small-hf/snapshots/abc/model.safetensors, V2, 0"
  })
  void theNameTellsTheRelease(String name, Release release, float maxDepth) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    ModelConfig config = ModelConfig.published("vits", release, maxDepth);
    InferredModel model = infer(empty(config, file, Map.of()));
    assertEquals(config, model.config());
    assertFalse(model.isGuessed());
  }

  @Test
  void aFoldersNameCountsOnlyForNamesThatSayNothing() throws IOException {
    Path program = Files.createDirectory(folder.resolve("Depth-Anything-V2"));
    ModelConfig config = ModelConfig.published("vits", Release.V1, 0);
    assertTrue(infer(empty(config, program.resolve("mine.pth"), Map.of())).isGuessed());
  }

  @Test
  void aMetricNameWithoutARangeIsGuessedAsIndoor() throws IOException {
    ModelConfig config = ModelConfig.published("vits", Release.V2_METRIC, 20);
    Path file = empty(config, folder.resolve("depth_anything_v2_metric_vits.pth"), Map.of());
    assertEquals(config, infer(file).config());
    assertTrue(infer(file).isGuessed());
    assertEquals(35f, infer(file, null, null, 35f).config().maxDepth());
  }

  @Test
  void metadataGoBeforeTheName() throws IOException {
    ModelConfig config = ModelConfig.published("vits", Release.V2_METRIC, 80);
    Path file =
        empty(config, folder.resolve("depth_anything_vits14.pth"), InferredModel.metadata(config));
    assertEquals(config, infer(file).config());
  }

  @Test
  void metadataDescribeANetworkOfAnySize() throws IOException {
    SmallNetwork network = SmallNetwork.gelu();
    ModelConfig small = network.config();
    ModelConfig config =
        new ModelConfig(
            small.name(),
            128,
            4,
            4,
            false,
            List.of(0, 1, 2, 3),
            32,
            small.outChannels(),
            Release.V2,
            0,
            14,
            5);
    Path file = folder.resolve("weights.safetensors");
    SafeTensorsWriter.write(file, network.tensors(), InferredModel.metadata(config));
    assertEquals(config, infer(file).config());
  }

  @Test
  void brokenMetadataAreTold() throws IOException {
    Path file = folder.resolve("weights.safetensors");
    for (Map<String, String> metadata :
        List.of(
            Map.of("fathom.release", "v9"),
            Map.of("fathom.max_depth", "far"),
            Map.of("fathom.taps", "0,1,,3"))) {
      SafeTensorsWriter.write(file, SmallNetwork.gelu().tensors(), metadata);
      assertRefused(file, null, null, "its metadata cannot be read");
    }
    SafeTensorsWriter.write(file, SmallNetwork.gelu().tensors(), Map.of("fathom.taps", "0,1,2,4"));
    assertRefused(file, null, null, "its metadata gives the tapped blocks [0, 1, 2, 4]");
    SafeTensorsWriter.write(file, SmallNetwork.gelu().tensors(), Map.of("fathom.heads", "3"));
    assertRefused(file, null, null, "cannot be split over 3 heads");
  }

  @Test
  void theCallersChoiceGoesBeforeEverything() throws IOException {
    ModelConfig stored = ModelConfig.published("vits", Release.V2_METRIC, 80);
    Path file =
        empty(stored, folder.resolve("depth_anything_vits14.pth"), InferredModel.metadata(stored));
    assertEquals(
        ModelConfig.published("vits", Release.V1, 0),
        infer(file, "vits", Release.V1, null).config());
    assertEquals(
        ModelConfig.published("vits", Release.V2_METRIC, 5),
        infer(file, null, Release.V2_METRIC, 5f).config());
  }

  @Test
  void anotherSizeThanTheCallersIsAnError() throws IOException {
    ModelConfig config = ModelConfig.published("vitb", Release.V1, 0);
    Path file = empty(config, folder.resolve("weights.pth"), Map.of());
    assertRefused(file, "vits", null, "it holds vitb (embed dim 768, 12 blocks), not vits");
    assertThrows(IllegalArgumentException.class, () -> infer(file, "vitx", null, null));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'\"depth_estimation_type\":\"metric\",\"max_depth\":80' | 1,2,3,4 | V2_METRIC | 80",
        "'\"depth_estimation_type\":\"relative\"' | 2,3,4,5 | V1 | 0",
        "'\"max_depth\":1' | 1,3,5,6 | V2 | 0"
      })
  void huggingFacesConfigTells(String fields, String stages, Release release, float maxDepth)
      throws IOException {
    SmallNetwork network = SmallNetwork.of(128, 6, false, 32, List.of(16, 32, 64, 128));
    Path file = folder.resolve("model.safetensors");
    SafeTensorsWriter.write(file, network.huggingFace(), Map.of());
    Files.writeString(
        folder.resolve("config.json"),
        "{%s,\"backbone_config\":{\"num_attention_heads\":4,\"out_indices\":[%s]}}"
            .formatted(fields, stages));
    InferredModel model = infer(file);
    assertEquals(release, model.config().release());
    assertEquals(maxDepth, model.config().maxDepth());
    assertEquals(4, model.config().heads());
    List<Integer> taps = new ArrayList<>();
    for (String stage : stages.split(",", -1)) {
      taps.add(Integer.parseInt(stage) - 1);
    }
    assertEquals(taps, model.config().taps());
    assertFalse(model.isGuessed());
  }

  @Test
  void huggingFacesStageNamesTellTheTaps() throws IOException {
    Path file = folder.resolve("model.safetensors");
    SafeTensorsWriter.write(file, SmallNetwork.gelu().huggingFace(), Map.of());
    Files.writeString(
        folder.resolve("config.json"),
        "{\"backbone_config\":{\"out_features\":[\"stage1\",\"stage2\",\"stage3\",\"stage4\"]}}");
    assertEquals(List.of(0, 1, 2, 3), infer(file).config().taps());
    Files.writeString(folder.resolve("config.json"), "{\"backbone_config\":");
    assertRefused(file, null, null, "config.json: ends too early");
  }

  @Test
  void aPlainEncoderTakesThePublishedHead() throws IOException {
    ModelConfig config = ModelConfig.published("vits", Release.V2, 0);
    Map<String, long[]> encoder = new LinkedHashMap<>();
    ParameterShapes.published(config)
        .forEach((name, shape) -> {
          if (name.startsWith("pretrained.")) {
            encoder.put(name.substring("pretrained.".length()), shape);
          }
        });
    Path file = folder.resolve("dinov2_vits14_pretrain.safetensors");
    InferredModel model =
        infer(SparseCheckpoint.write(file, encoder, Map.of()), null, Release.V2, null);
    assertEquals(config, model.config());
    assertTrue(model.encoderOnly());
  }

  @Test
  void otherWeightsAreRefused() throws IOException {
    assertRefused(
        GoldenFiles.copy("plain.pth", folder),
        null,
        null,
        "no Depth Anything weights: pretrained.pos_embed is not among its 15 tensors, the first of"
            + " which is 'f32'");
  }

  private static InferredModel infer(Path file) throws IOException {
    return infer(file, null, null, null);
  }

  private static InferredModel infer(
      Path file, @Nullable String model, @Nullable Release release, @Nullable Float maxDepth)
      throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      return InferredModel.of(CheckpointWeights.of(checkpoint), model, release, maxDepth);
    }
  }

  private static void assertRefused(
      Path file, @Nullable String model, @Nullable Release release, String reason) {
    CheckpointException refused =
        assertThrows(CheckpointException.class, () -> infer(file, model, release, null));
    assertTrue(refused.getMessage().contains(reason), refused.getMessage());
  }

  /** A file with the shapes of a network, whatever its size. */
  private static Path empty(ModelConfig config, Path file, Map<String, String> metadata)
      throws IOException {
    return SparseCheckpoint.write(file, ParameterShapes.published(config), metadata);
  }
}
