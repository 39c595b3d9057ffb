package dev.fathom.nn.checkpoint;

import dev.fathom.nn.checkpoint.NameScheme.Target;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** From the parameter names of Hugging Face's implementation to the canonical ones. */
final class HuggingFaceNames {
  private static final Pattern ENCODER = Pattern.compile("(?:backbone\\.|dinov2\\.)?(.*)");
  private static final Pattern LAYER = Pattern.compile("encoder\\.layer\\.(\\d+)\\.(.*)");
  private static final Pattern REASSEMBLE =
      Pattern.compile("neck\\.reassemble_stage\\.layers\\.([0-3])\\.(projection|resize)\\.(\\w+)");
  private static final Pattern FUSION =
      Pattern.compile("neck\\.fusion_stage\\.layers\\.([0-3])\\.(.*)");
  private static final Pattern RESIDUAL =
      Pattern.compile("residual_layer([12])\\.convolution([12])\\.(\\w+)");
  private static final Pattern CONVS = Pattern.compile("neck\\.convs\\.([0-3])\\.(\\w+)");
  private static final Pattern HEAD = Pattern.compile("head\\.conv([123])\\.(\\w+)");
  private static final Pattern ATTENTION =
      Pattern.compile("attention\\.attention\\.(query|key|value)\\.(\\w+)");

  private static final List<String> QKV = List.of("query", "key", "value");

  private static final Map<String, String> STEM =
      Map.of(
          "embeddings.cls_token", "cls_token",
          "embeddings.mask_token", "mask_token",
          "embeddings.position_embeddings", "pos_embed",
          "embeddings.patch_embeddings.projection.weight", "patch_embed.proj.weight",
          "embeddings.patch_embeddings.projection.bias", "patch_embed.proj.bias",
          "layernorm.weight", "norm.weight",
          "layernorm.bias", "norm.bias");

  /** Beginnings of names within an encoder layer. */
  private static final Map<String, String> BLOCK =
      Map.of(
          "norm1.", "norm1.",
          "norm2.", "norm2.",
          "mlp.fc1.", "mlp.fc1.",
          "mlp.fc2.", "mlp.fc2.",
          "mlp.weights_in.", "mlp.w12.",
          "mlp.weights_out.", "mlp.w3.",
          "attention.output.dense.", "attn.proj.");

  private static final Map<String, String> LAYER_SCALE =
      Map.of("layer_scale1.lambda1", "ls1.gamma", "layer_scale2.lambda1", "ls2.gamma");

  private static final Map<String, String> OUTPUT =
      Map.of("1", "output_conv1", "2", "output_conv2.0", "3", "output_conv2.2");

  private HuggingFaceNames() {}

  static Optional<Target> map(String name) {
    if (name.startsWith("neck.") || name.startsWith("head.")) {
      return head(name).map(canonical -> new Target(canonical, NameScheme.WHOLE));
    }
    Matcher encoder = ENCODER.matcher(name);
    if (!encoder.matches()) {
      return Optional.empty();
    }
    String rest = encoder.group(1);
    String stem = STEM.get(rest);
    if (stem != null) {
      return Optional.of(new Target(NameScheme.ENCODER + stem, NameScheme.WHOLE));
    }
    Matcher layer = LAYER.matcher(rest);
    if (!layer.matches()) {
      return Optional.empty();
    }
    return block(NameScheme.ENCODER + "blocks." + layer.group(1) + ".", layer.group(2));
  }

  private static Optional<Target> block(String prefix, String name) {
    Matcher attention = ATTENTION.matcher(name);
    if (attention.matches()) {
      String canonical = prefix + "attn.qkv." + attention.group(2);
      return Optional.of(new Target(canonical, QKV.indexOf(attention.group(1))));
    }
    String scale = LAYER_SCALE.get(name);
    if (scale != null) {
      return Optional.of(new Target(prefix + scale, NameScheme.WHOLE));
    }
    for (Map.Entry<String, String> entry : BLOCK.entrySet()) {
      if (name.startsWith(entry.getKey())) {
        String rest = name.substring(entry.getKey().length());
        return Optional.of(new Target(prefix + entry.getValue() + rest, NameScheme.WHOLE));
      }
    }
    return Optional.empty();
  }

  private static Optional<String> head(String name) {
    Matcher match = REASSEMBLE.matcher(name);
    if (match.matches()) {
      String kind = match.group(2).equals("projection") ? "projects." : "resize_layers.";
      return Optional.of(NameScheme.HEAD + kind + match.group(1) + "." + match.group(3));
    }
    String scratch = NameScheme.HEAD + "scratch.";
    match = CONVS.matcher(name);
    if (match.matches()) {
      int layer = Integer.parseInt(match.group(1)) + 1;
      return Optional.of(scratch + "layer" + layer + "_rn." + match.group(2));
    }
    match = HEAD.matcher(name);
    if (match.matches()) {
      return Optional.of(scratch + OUTPUT.get(match.group(1)) + "." + match.group(2));
    }
    match = FUSION.matcher(name);
    if (match.matches()) {
      // Fusion runs from the deepest map up, and Hugging Face counts in that order.
      String refinenet = scratch + "refinenet" + (4 - Integer.parseInt(match.group(1))) + ".";
      String rest = match.group(2);
      if (rest.startsWith("projection.")) {
        return Optional.of(refinenet + "out_conv." + rest.substring("projection.".length()));
      }
      Matcher residual = RESIDUAL.matcher(rest);
      if (residual.matches()) {
        return Optional.of(
            "%sresConfUnit%s.conv%s.%s"
                .formatted(refinenet, residual.group(1), residual.group(2), residual.group(3)));
      }
    }
    return Optional.empty();
  }
}
