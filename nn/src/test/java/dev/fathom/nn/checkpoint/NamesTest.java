package dev.fathom.nn.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NamesTest {
  @TempDir Path folder;

  @Test
  void originalNamesAreTheCanonicalOnes() throws IOException {
    assertSameWeights(NameScheme.ORIGINAL, save(SmallNetwork.gelu().tensors()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"module.", "_orig_mod.", "module._orig_mod."})
  void wrappersPrefixesAreDropped(String prefix) throws IOException {
    assertSameWeights(NameScheme.ORIGINAL, renamed(name -> prefix + name));
  }

  @Test
  void zoeDepthKeepsItsHeadBesideTheCore() throws IOException {
    List<WritableTensor> tensors = new ArrayList<>();
    for (WritableTensor tensor : SmallNetwork.gelu().tensors()) {
      tensors.add(SmallNetwork.rename(tensor, "core.core." + tensor.info().name()));
    }
    tensors.add(WritableTensor.floats("conv2.bias", MemorySegment.ofArray(new float[64]), 64));
    try (Checkpoint checkpoint = Checkpoint.open(save(tensors))) {
      CheckpointWeights weights = CheckpointWeights.of(checkpoint);
      assertEquals(NameScheme.ZOEDEPTH, weights.scheme());
      assertEquals(List.of("conv2.bias"), weights.require(SmallNetwork.gelu().shapes()));
    }
  }

  @Test
  void plainDinov2IsAnEncoder() throws IOException {
    List<WritableTensor> encoder = new ArrayList<>();
    for (WritableTensor tensor : SmallNetwork.gelu().tensors()) {
      String name = tensor.info().name();
      if (name.startsWith("pretrained.")) {
        encoder.add(SmallNetwork.rename(tensor, name.substring("pretrained.".length())));
      }
    }
    try (Checkpoint checkpoint = Checkpoint.open(save(encoder))) {
      CheckpointWeights weights = CheckpointWeights.of(checkpoint);
      assertEquals(NameScheme.DINOV2, weights.scheme());
      WeightSource.Comparison comparison = weights.compare(SmallNetwork.gelu().shapes());
      assertTrue(comparison.missing().stream().allMatch(name -> name.startsWith("depth_head.")));
      assertEquals(encoder.size(), weights.names().size());
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void huggingFaceNamesMapToTheCanonicalOnes(boolean swiglu) throws IOException {
    SmallNetwork network = swiglu ? SmallNetwork.swiglu() : SmallNetwork.gelu();
    Path file = save(network.huggingFace());
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      CheckpointWeights weights = CheckpointWeights.of(checkpoint);
      assertEquals(NameScheme.HUGGING_FACE, weights.scheme());
      assertEquals(List.of(), weights.require(network.shapes()));
      for (WritableTensor tensor : network.tensors()) {
        assertArrayEquals(
            SmallNetwork.floats(tensor), SmallNetwork.floats(weights, tensor.info().name()));
      }
    }
  }

  @Test
  void missingPartsOfAJoinedTensorAreNamed() throws IOException {
    List<WritableTensor> tensors = new ArrayList<>(SmallNetwork.gelu().huggingFace());
    tensors.removeIf(tensor -> tensor.info().name().contains("layer.1.attention.attention.key"));
    assertRefused(tensors, "'pretrained.blocks.1.attn.qkv.weight' lacks its query, key or value");
  }

  @Test
  void partsOfDifferentShapesAreNamed() throws IOException {
    List<WritableTensor> tensors = new ArrayList<>(SmallNetwork.gelu().huggingFace());
    String key = "backbone.encoder.layer.1.attention.attention.key.bias";
    tensors.removeIf(tensor -> tensor.info().name().equals(key));
    tensors.add(WritableTensor.floats(key, MemorySegment.ofArray(new float[3]), 3));
    assertRefused(tensors, "key.bias' (F32 [3])");
  }

  @Test
  void twoTensorsOfOneCanonicalNameAreNamed() throws IOException {
    List<WritableTensor> tensors = new ArrayList<>(SmallNetwork.gelu().huggingFace());
    tensors.add(
        WritableTensor.floats("dinov2.layernorm.bias", MemorySegment.ofArray(new float[128]), 128));
    assertRefused(tensors, "are both 'pretrained.norm.bias'");
  }

  @Test
  void whatIsMissingOrMisshapenIsToldInOneLine() throws IOException {
    Map<String, long[]> expected = new LinkedHashMap<>(SmallNetwork.gelu().shapes());
    expected.put("pretrained.norm.bias", new long[] {64});
    for (int i = 0; i < 7; i++) {
      expected.put("pretrained.blocks.9.missing" + i, new long[] {1});
    }
    expected.put("pretrained.mask_token", new long[] {1, 128});
    expected.put("depth_head.scratch.refinenet4.resConfUnit1.conv1.bias", new long[] {32});
    Path file = save(SmallNetwork.gelu().tensors());
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      CheckpointWeights weights = CheckpointWeights.of(checkpoint);
      CheckpointException refused =
          assertThrows(CheckpointException.class, () -> weights.require(expected));
      assertEquals(
          file
              + ": 7 tensors are missing: pretrained.blocks.9.missing0,"
              + " pretrained.blocks.9.missing1, pretrained.blocks.9.missing2,"
              + " pretrained.blocks.9.missing3, pretrained.blocks.9.missing4 and 2 more;"
              + " 1 tensor has the wrong shape: pretrained.norm.bias is [128] instead of [64]",
          refused.getMessage());
    }
  }

  private Path renamed(UnaryOperator<String> rename) throws IOException {
    return save(
        SmallNetwork.gelu().tensors().stream()
            .map(tensor -> SmallNetwork.rename(tensor, rename.apply(tensor.info().name())))
            .toList());
  }

  private Path save(List<WritableTensor> tensors) throws IOException {
    Path file = folder.resolve("weights.safetensors");
    SafeTensorsWriter.write(file, tensors, Map.of());
    return file;
  }

  private void assertRefused(List<WritableTensor> tensors, String reason) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(save(tensors))) {
      CheckpointException refused =
          assertThrows(CheckpointException.class, () -> CheckpointWeights.of(checkpoint));
      assertTrue(refused.getMessage().contains(reason), refused.getMessage());
    }
  }

  private static void assertSameWeights(NameScheme scheme, Path file) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      CheckpointWeights weights = CheckpointWeights.of(checkpoint);
      assertEquals(scheme, weights.scheme());
      assertEquals(List.of(), weights.require(SmallNetwork.gelu().shapes()));
      for (WritableTensor tensor : SmallNetwork.gelu().tensors()) {
        assertArrayEquals(
            SmallNetwork.floats(tensor), SmallNetwork.floats(weights, tensor.info().name()));
      }
    }
  }
}
