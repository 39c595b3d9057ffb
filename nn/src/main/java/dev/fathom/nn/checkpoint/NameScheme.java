package dev.fathom.nn.checkpoint;

import java.util.Collection;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How a checkpoint names the network's parameters. The canonical names are those of the published
 * Depth Anything checkpoints: {@code pretrained.} for the encoder, {@code depth_head.} for the DPT
 * head.
 *
 * <p>The correspondence with Hugging Face's names is that of its conversion scripts {@code
 * convert_depth_anything_to_hf.py} and {@code convert_dinov2_to_hf.py}.
 */
public enum NameScheme {
  /** {@code pretrained.blocks.0.attn.qkv.weight}, {@code depth_head.scratch.layer1_rn.weight}. */
  ORIGINAL {
    @Override
    Optional<Target> map(String name) {
      return name.startsWith(ENCODER) || name.startsWith(HEAD) ? whole(name) : Optional.empty();
    }
  },
  /** As {@link #ORIGINAL} under {@code core.core.}, beside the parameters of a ZoeDepth head. */
  ZOEDEPTH {
    @Override
    Optional<Target> map(String name) {
      return name.startsWith(CORE) ? ORIGINAL.map(name.substring(CORE.length())) : Optional.empty();
    }
  },
  /** A plain DINOv2 encoder: {@code blocks.0.attn.qkv.weight}. */
  DINOV2 {
    @Override
    Optional<Target> map(String name) {
      return DINOV2_NAME.matcher(name).lookingAt() ? whole(ENCODER + name) : Optional.empty();
    }
  },
  /**
   * {@code DepthAnythingForDepthEstimation} or {@code Dinov2Model} of Hugging Face: {@code
   * backbone.encoder.layer.0.attention.attention.query.weight}.
   */
  HUGGING_FACE {
    @Override
    Optional<Target> map(String name) {
      return HuggingFaceNames.map(name);
    }
  };

  static final String ENCODER = "pretrained.";
  static final String HEAD = "depth_head.";
  static final String CORE = "core.core.";

  /** The part of a canonical tensor that is the whole of it. */
  static final int WHOLE = -1;

  private static final Pattern DINOV2_NAME =
      Pattern.compile("(cls_token|pos_embed|mask_token|norm\\.|patch_embed\\.|blocks\\.\\d+\\.)");

  /**
   * Where a tensor of a file belongs.
   *
   * @param name a canonical name
   * @param part its place among the parts that are joined along the first dimension, or {@link
   *     #WHOLE}
   */
  record Target(String name, int part) {}

  /** The canonical place of a tensor; empty if the scheme gives the name no meaning. */
  abstract Optional<Target> map(String name);

  private static Optional<Target> whole(String name) {
    return Optional.of(new Target(name, WHOLE));
  }

  /** The scheme of a set of names, from which wrappers' prefixes are already removed. */
  static NameScheme of(Collection<String> names) {
    for (NameScheme scheme : new NameScheme[] {ORIGINAL, ZOEDEPTH, HUGGING_FACE, DINOV2}) {
      if (names.stream().anyMatch(name -> scheme.map(name).isPresent())) {
        return scheme;
      }
    }
    return ORIGINAL;
  }

  /** The index of the block that a canonical name belongs to, or -1. */
  static int block(String canonical) {
    Matcher matcher = BLOCK.matcher(canonical);
    return matcher.lookingAt() ? Integer.parseInt(matcher.group(1)) : -1;
  }

  private static final Pattern BLOCK = Pattern.compile("pretrained\\.blocks\\.(\\d{1,4})\\.");
}
