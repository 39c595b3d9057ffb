package dev.fathom.nn.checkpoint;

import dev.fathom.nn.model.ModelConfig;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/** The parameters of a network: canonical names and shapes, in the published order. */
public final class ParameterShapes {
  /** Channels between the last two convolutions of the head, the same in every published size. */
  private static final long OUTPUT_CHANNELS = 32;

  private final SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
  private final ModelConfig config;

  private ParameterShapes(ModelConfig config) {
    this.config = config;
  }

  /**
   * Every parameter of the published checkpoints, with those that are never used (see {@link
   * WeightSource#neverUsed}).
   *
   * @return a new map of sizes, outermost first, by canonical name
   */
  public static SequencedMap<String, long[]> of(ModelConfig config) {
    ParameterShapes parameters = new ParameterShapes(config);
    parameters.encoder();
    parameters.head();
    return parameters.shapes;
  }

  private void encoder() {
    String prefix = NameScheme.ENCODER;
    long embed = config.embedDim();
    long positions = 1 + (long) config.tableSize() * config.tableSize();
    put(prefix + "cls_token", 1, 1, embed);
    put(prefix + "pos_embed", 1, positions, embed);
    put(prefix + "mask_token", 1, embed);
    put(prefix + "patch_embed.proj.weight", embed, 3, config.patch(), config.patch());
    put(prefix + "patch_embed.proj.bias", embed);
    for (int i = 0; i < config.depth(); i++) {
      String block = prefix + "blocks." + i + ".";
      norm(block + "norm1");
      linear(block + "attn.qkv", 3 * embed, embed);
      linear(block + "attn.proj", embed, embed);
      put(block + "ls1.gamma", embed);
      norm(block + "norm2");
      if (config.swiglu()) {
        long hidden = swigluHidden(embed);
        linear(block + "mlp.w12", 2 * hidden, embed);
        linear(block + "mlp.w3", embed, hidden);
      } else {
        linear(block + "mlp.fc1", 4 * embed, embed);
        linear(block + "mlp.fc2", embed, 4 * embed);
      }
      put(block + "ls2.gamma", embed);
    }
    norm(prefix + "norm");
  }

  /** DINOv2's SwiGLU keeps the parameters of a 4x MLP: 2/3 of its width, rounded up to 8. */
  static long swigluHidden(long embed) {
    return (4 * embed * 2 / 3 + 7) / 8 * 8;
  }

  private void head() {
    String head = NameScheme.HEAD;
    List<Integer> channels = config.outChannels();
    for (int i = 0; i < 4; i++) {
      conv(head + "projects." + i, channels.get(i), config.embedDim(), 1);
    }
    conv(head + "resize_layers.0", channels.get(0), channels.get(0), 4);
    conv(head + "resize_layers.1", channels.get(1), channels.get(1), 2);
    conv(head + "resize_layers.3", channels.get(3), channels.get(3), 3);
    String scratch = head + "scratch.";
    long features = config.features();
    for (int i = 1; i <= 4; i++) {
      put(scratch + "layer" + i + "_rn.weight", features, channels.get(i - 1), 3, 3);
    }
    for (int i = 1; i <= 4; i++) {
      String refinenet = scratch + "refinenet" + i + ".";
      conv(refinenet + "out_conv", features, features, 1);
      for (int unit = 1; unit <= 2; unit++) {
        conv(refinenet + "resConfUnit" + unit + ".conv1", features, features, 3);
        conv(refinenet + "resConfUnit" + unit + ".conv2", features, features, 3);
      }
    }
    conv(scratch + "output_conv1", features / 2, features, 3);
    conv(scratch + "output_conv2.0", OUTPUT_CHANNELS, features / 2, 3);
    conv(scratch + "output_conv2.2", 1, OUTPUT_CHANNELS, 1);
  }

  private void norm(String name) {
    put(name + ".weight", config.embedDim());
    put(name + ".bias", config.embedDim());
  }

  private void linear(String name, long out, long in) {
    put(name + ".weight", out, in);
    put(name + ".bias", out);
  }

  /** A convolution; the transposed ones have as many channels in as out. */
  private void conv(String name, long out, long in, long side) {
    put(name + ".weight", out, in, side, side);
    put(name + ".bias", out);
  }

  private void put(String name, long... shape) {
    shapes.put(name, shape);
  }
}
