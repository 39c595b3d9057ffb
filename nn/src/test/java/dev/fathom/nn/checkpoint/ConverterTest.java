package dev.fathom.nn.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.model.Release;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConverterTest {
  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({
    "plain.safetensors,.pth",
    "plain.pth,.safetensors",
    "legacy.pth,.safetensors",
    "legacy.pth,.pt",
    "nested.pt,.bin"
  })
  void everyFormatConvertsWithTypesAndValues(String source, String extension) throws IOException {
    Path target = folder.resolve("converted" + extension);
    Converter.Result result =
        Converter.convert(
            GoldenFiles.copy(source, folder),
            target,
            Converter.Names.AS_IS,
            Map.of("origin", source));
    assertEquals(15, result.tensors());
    try (Checkpoint checkpoint = Checkpoint.open(target)) {
      assertEquals(result.format(), checkpoint.format());
      assertEquals(source, checkpoint.metadata().get("origin"));
      GoldenFiles.expected()
          .forEach((name, tensor) -> {
            TensorInfo info = new TensorInfo(name, tensor.dtype(), tensor.shape());
            assertEquals(info, checkpoint.info(name));
            assertArrayEquals(tensor.floats(), GoldenFiles.floats(checkpoint, name), name);
          });
    }
  }

  @Test
  void canonicalNamesKeepWhatTheConfigurationTold() throws IOException {
    Path source = folder.resolve("model.safetensors");
    SmallNetwork network = SmallNetwork.gelu();
    SafeTensorsWriter.write(source, network.huggingFace(), Map.of("note", "kept"));
    Files.writeString(
        folder.resolve("config.json"),
        "{\"depth_estimation_type\":\"metric\",\"max_depth\":80,"
            + "\"backbone_config\":{\"out_indices\":[1,2,3,4]}}");
    Path target = folder.resolve("small.pth");
    Converter.convert(source, target, Converter.Names.CANONICAL, Map.of());
    Files.delete(folder.resolve("config.json"));
    try (Checkpoint checkpoint = Checkpoint.open(target)) {
      assertEquals("kept", checkpoint.metadata().get("note"));
      assertEquals(network.shapes().keySet(), checkpoint.names());
      CheckpointWeights weights = CheckpointWeights.of(checkpoint);
      assertEquals(NameScheme.ORIGINAL, weights.scheme());
      assertEquals(List.of(), weights.require(network.shapes()));
      for (WritableTensor tensor : network.tensors()) {
        String name = tensor.info().name();
        assertArrayEquals(SmallNetwork.floats(tensor), SmallNetwork.floats(weights, name), name);
      }
      InferredModel model = InferredModel.of(weights, null, null, null);
      assertEquals(Release.V2_METRIC, model.config().release());
      assertEquals(80, model.config().maxDepth());
      assertFalse(model.isGuessed());
    }
  }

  @Test
  void aGuessedReleaseIsNotWrittenDown() throws IOException {
    Path source = folder.resolve("source.safetensors");
    SafeTensorsWriter.write(source, SmallNetwork.gelu().tensors(), Map.of());
    Path target = folder.resolve("target.safetensors");
    Converter.convert(source, target, Converter.Names.CANONICAL, Map.of());
    try (Checkpoint checkpoint = Checkpoint.open(target)) {
      assertEquals(Map.of("format", "pt"), checkpoint.metadata());
    }
  }

  @Test
  void aFileConvertsOntoItself() throws IOException {
    Path file = folder.resolve("weights.safetensors");
    SafeTensorsWriter.write(file, SmallNetwork.gelu().huggingFace(), Map.of());
    Converter.convert(file, file, Converter.Names.CANONICAL, Map.of());
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      assertEquals(SmallNetwork.gelu().shapes().keySet(), Set.copyOf(checkpoint.names()));
    }
  }

  @Test
  void unknownExtensionsAndBadSourcesLeaveNothing() throws IOException {
    Path source = GoldenFiles.copy("evil.pth", folder);
    assertThrows(
        IllegalArgumentException.class,
        () -> Converter.convert(source, folder.resolve("x.onnx"), Converter.Names.AS_IS, Map.of()));
    Path target = folder.resolve("x.pth");
    assertThrows(
        CheckpointException.class,
        () -> Converter.convert(source, target, Converter.Names.AS_IS, Map.of()));
    Path other = GoldenFiles.copy("plain.pth", folder);
    CheckpointException refused =
        assertThrows(
            CheckpointException.class,
            () -> Converter.convert(other, target, Converter.Names.CANONICAL, Map.of()));
    assertTrue(refused.getMessage().contains("no Depth Anything weights"), refused.getMessage());
    assertFalse(Files.exists(target));
  }
}
