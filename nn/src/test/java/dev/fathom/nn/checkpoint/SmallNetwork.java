package dev.fathom.nn.checkpoint;

import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.ParameterShapes;
import dev.fathom.nn.model.Release;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Parameters of a network of the published architecture and any size, with random values, under the
 * names of the published checkpoints and under those of Hugging Face.
 */
final class SmallNetwork {
  private final ModelConfig config;
  private final Map<String, WritableTensor> tensors = new LinkedHashMap<>();

  private SmallNetwork(ModelConfig config) {
    this.config = config;
    Random random = new Random(7);
    shapes()
        .forEach((name, shape) -> {
          float[] values = new float[(int) TensorInfo.of(name, DType.F32, shape).elements()];
          for (int i = 0; i < values.length; i++) {
            values[i] = random.nextFloat() - 0.5f;
          }
          tensors.put(name, WritableTensor.floats(name, MemorySegment.ofArray(values), shape));
        });
  }

  /** The small network of the reference vectors. */
  static SmallNetwork gelu() {
    return of(128, 4, false, 32, List.of(16, 32, 64, 128));
  }

  static SmallNetwork swiglu() {
    return of(64, 4, true, 16, List.of(8, 8, 8, 8));
  }

  static SmallNetwork of(
      int embed, int depth, boolean swiglu, int features, List<Integer> channels) {
    List<Integer> taps = List.of(depth - 4, depth - 3, depth - 2, depth - 1);
    String name = "vit" + embed + "x" + depth;
    return new SmallNetwork(
        new ModelConfig(
            name,
            embed,
            depth,
            embed / 64,
            swiglu,
            taps,
            features,
            channels,
            Release.V1,
            0,
            14,
            5));
  }

  /** As V1, with the taps of the last four blocks. */
  ModelConfig config() {
    return config;
  }

  Map<String, long[]> shapes() {
    return ParameterShapes.published(config);
  }

  List<WritableTensor> tensors() {
    return List.copyOf(tensors.values());
  }

  /** The same parameters as {@code DepthAnythingForDepthEstimation} names and splits them. */
  List<WritableTensor> huggingFace() {
    List<WritableTensor> renamed = new ArrayList<>();
    tensors.forEach((name, tensor) -> {
      if (name.contains(".attn.qkv.")) {
        split(name, tensor, renamed);
      } else {
        renamed.add(rename(tensor, huggingFaceName(name)));
      }
    });
    return renamed;
  }

  private void split(String name, WritableTensor tensor, List<WritableTensor> renamed) {
    float[] values = floats(tensor);
    int part = values.length / 3;
    long[] shape = tensor.info().dims();
    shape[0] /= 3;
    String[] kinds = {"query", "key", "value"};
    for (int i = 0; i < 3; i++) {
      String target =
          name.replace("pretrained.blocks.", "backbone.encoder.layer.")
              .replace("attn.qkv", "attention.attention." + kinds[i]);
      MemorySegment slice = MemorySegment.ofArray(values).asSlice(4L * i * part, 4L * part);
      renamed.add(WritableTensor.floats(target, slice, shape));
    }
  }

  private static String huggingFaceName(String name) {
    if (name.startsWith("pretrained.")) {
      return name.replace("pretrained.blocks.", "backbone.encoder.layer.")
          .replace("pretrained.norm.", "backbone.layernorm.")
          .replace("pretrained.cls_token", "backbone.embeddings.cls_token")
          .replace("pretrained.mask_token", "backbone.embeddings.mask_token")
          .replace("pretrained.pos_embed", "backbone.embeddings.position_embeddings")
          .replace("pretrained.patch_embed.proj", "backbone.embeddings.patch_embeddings.projection")
          .replace("ls1.gamma", "layer_scale1.lambda1")
          .replace("ls2.gamma", "layer_scale2.lambda1")
          .replace("attn.proj", "attention.output.dense")
          .replace("mlp.w12", "mlp.weights_in")
          .replace("mlp.w3", "mlp.weights_out");
    }
    String scratch = "depth_head.scratch.";
    return name.replaceFirst(
            "depth_head.projects.(\\d)", "neck.reassemble_stage.layers.$1.projection")
        .replaceFirst("depth_head.resize_layers.(\\d)", "neck.reassemble_stage.layers.$1.resize")
        .replace(scratch + "refinenet1.", "neck.fusion_stage.layers.3.")
        .replace(scratch + "refinenet2.", "neck.fusion_stage.layers.2.")
        .replace(scratch + "refinenet3.", "neck.fusion_stage.layers.1.")
        .replace(scratch + "refinenet4.", "neck.fusion_stage.layers.0.")
        .replace("out_conv.", "projection.")
        .replaceFirst("resConfUnit(\\d).conv(\\d)", "residual_layer$1.convolution$2")
        .replace(scratch + "layer1_rn", "neck.convs.0")
        .replace(scratch + "layer2_rn", "neck.convs.1")
        .replace(scratch + "layer3_rn", "neck.convs.2")
        .replace(scratch + "layer4_rn", "neck.convs.3")
        .replace(scratch + "output_conv1", "head.conv1")
        .replace(scratch + "output_conv2.0", "head.conv2")
        .replace(scratch + "output_conv2.2", "head.conv3");
  }

  static WritableTensor rename(WritableTensor tensor, String name) {
    TensorInfo info = tensor.info();
    return WritableTensor.of(
        new TensorInfo(name, info.dtype(), info.shape()), MemorySegment.ofArray(floats(tensor)));
  }

  static float[] floats(WritableTensor tensor) {
    float[] values = new float[(int) tensor.info().elements()];
    MemorySegment target = MemorySegment.ofArray(values);
    long[] position = {0};
    try {
      tensor.writeTo(bytes -> {
        MemorySegment.copy(bytes, 0, target, position[0], bytes.byteSize());
        position[0] += bytes.byteSize();
      });
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return values;
  }

  static float[] floats(WeightSource weights, String name) {
    long elements = 1;
    for (long size : weights.shape(name)) {
      elements *= size;
    }
    float[] values = new float[(int) elements];
    weights.readFloats(name, MemorySegment.ofArray(values));
    return values;
  }
}
