package dev.fathom.nn.checkpoint;

import static dev.fathom.nn.checkpoint.CheckpointException.quote;

import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.Release;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What a checkpoint's surroundings tell of the network and its tensors do not: the release, the
 * largest depth, the tapped blocks, the number of heads. Null where nothing is said.
 *
 * @param source where it is said, for messages
 */
record ModelHints(
    String source,
    @Nullable Release release,
    @Nullable Float maxDepth,
    @Nullable List<Integer> taps,
    @Nullable Integer heads) {

  static final String RELEASE = "fathom.release";
  static final String MAX_DEPTH = "fathom.max_depth";
  static final String TAPS = "fathom.taps";
  static final String HEADS = "fathom.heads";

  private static final float OUTDOOR_MAX_DEPTH = 80;
  private static final long LONGEST_CONFIG = 1 << 20;

  /** Names that say nothing, so that the folder's name is looked at. */
  private static final Pattern GENERIC_NAME =
      Pattern.compile("(model|pytorch_model|diffusion_pytorch_model)\\.(safetensors|bin|pth|pt)");

  private static final int FOLDERS = 3;
  private static final Pattern VERSION_2 = Pattern.compile(".*(^|_)v2(_|\\.|$).*");
  private static final Pattern STAGE = Pattern.compile("stage(\\d{1,4})");

  private static ModelHints none(String source) {
    return new ModelHints(source, null, null, null, null);
  }

  /** The metadata that describe a network to {@link #ofMetadata}. */
  static Map<String, String> metadata(ModelConfig config) {
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put(RELEASE, config.release().label());
    if (config.release() == Release.V2_METRIC) {
      metadata.put(MAX_DEPTH, Float.toString(config.maxDepth()));
    }
    metadata.put(TAPS, String.join(",", config.taps().stream().map(String::valueOf).toList()));
    metadata.put(HEADS, Integer.toString(config.heads()));
    return metadata;
  }

  static ModelHints ofMetadata(Checkpoint checkpoint) throws CheckpointException {
    Map<String, String> metadata = checkpoint.metadata();
    String release = metadata.get(RELEASE);
    String depth = metadata.get(MAX_DEPTH);
    String taps = metadata.get(TAPS);
    String heads = metadata.get(HEADS);
    try {
      List<Integer> blocks = null;
      if (taps != null) {
        blocks = new ArrayList<>();
        for (String tap : taps.split(",", -1)) {
          blocks.add(Integer.valueOf(tap.strip()));
        }
      }
      return new ModelHints(
          "its metadata",
          release == null ? null : Release.of(release),
          depth == null ? null : Float.valueOf(depth),
          blocks,
          heads == null ? null : Integer.valueOf(heads));
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(
          checkpoint.path(),
          "its metadata cannot be read: " + quote(String.valueOf(e.getMessage())),
          e);
    }
  }

  /** The {@code config.json} that Hugging Face keeps beside the weights, if there is one. */
  static ModelHints ofHuggingFaceConfig(Path weights) throws CheckpointException {
    Path file = weights.resolveSibling("config.json");
    if (!Files.isRegularFile(file)) {
      return none("no config.json");
    }
    try {
      if (Files.size(file) > LONGEST_CONFIG) {
        throw new CheckpointException(file, "is too long for a configuration");
      }
      if (Json.parse(Files.readString(file)) instanceof Map<?, ?> config) {
        return ofHuggingFaceConfig(config);
      }
      throw new CheckpointException(file, "is not an object");
    } catch (FormatException e) {
      throw new CheckpointException(file, e.problem(), e);
    } catch (CheckpointException e) {
      throw e;
    } catch (IOException e) {
      throw new CheckpointException(file, "cannot be read: " + e.getMessage(), e);
    }
  }

  private static ModelHints ofHuggingFaceConfig(Map<?, ?> config) {
    Map<?, ?> backbone =
        config.get("backbone_config") instanceof Map<?, ?> members ? members : Map.of();
    List<Integer> taps = taps(backbone);
    boolean metric = "metric".equals(config.get("depth_estimation_type"));
    Release release = null;
    if (metric) {
      release = Release.V2_METRIC;
    } else if (taps != null) {
      release = consecutive(taps) ? Release.V1 : Release.V2;
    }
    Float maxDepth =
        metric && config.get("max_depth") instanceof Number depth ? depth.floatValue() : null;
    Integer heads =
        backbone.get("num_attention_heads") instanceof Long number ? clamp(number) : null;
    return new ModelHints("config.json", release, maxDepth, taps, heads);
  }

  /** Hugging Face counts the output of the k-th block, from 0, as stage k + 1. */
  private static @Nullable List<Integer> taps(Map<?, ?> backbone) {
    List<Integer> taps = new ArrayList<>();
    if (backbone.get("out_indices") instanceof List<?> indices) {
      for (Object index : indices) {
        if (index instanceof Long number) {
          taps.add(clamp(number - 1));
        }
      }
    } else if (backbone.get("out_features") instanceof List<?> features) {
      for (Object feature : features) {
        Matcher stage = STAGE.matcher(String.valueOf(feature));
        if (stage.matches()) {
          taps.add(Integer.parseInt(stage.group(1)) - 1);
        }
      }
    }
    return taps.isEmpty() ? null : taps;
  }

  private static int clamp(long value) {
    return Math.clamp(value, -1, Integer.MAX_VALUE);
  }

  private static boolean consecutive(List<Integer> taps) {
    for (int i = 1; i < taps.size(); i++) {
      if (taps.get(i) != taps.get(i - 1) + 1) {
        return false;
      }
    }
    return true;
  }

  /**
   * The published names: {@code depth_anything_vitl14}, {@code depth_anything_v2_vits}, {@code
   * depth_anything_v2_metric_vkitti_vitl}, and Hugging Face's folders, such as {@code
   * Depth-Anything-V2-Metric-Outdoor-Small-hf}.
   */
  static ModelHints ofName(Path weights) {
    Path path = weights.toAbsolutePath();
    String name = plain(path.getFileName());
    for (int i = 0; i < FOLDERS && !name.contains("depth_anything"); i++) {
      path = path.getParent();
      if (path == null || (i == 0 && !GENERIC_NAME.matcher(name).matches())) {
        break;
      }
      name = plain(path.getFileName());
    }
    String source = "the name " + quote(name);
    if (!name.contains("depth_anything")) {
      return none(source);
    }
    if (!VERSION_2.matcher(name).matches()) {
      return new ModelHints(source, Release.V1, null, null, null);
    }
    boolean indoor = name.contains("hypersim") || name.contains("indoor");
    boolean outdoor = name.contains("kitti") || name.contains("outdoor");
    if (!name.contains("metric") && !indoor && !outdoor) {
      return new ModelHints(source, Release.V2, null, null, null);
    }
    Float maxDepth = null;
    if (indoor != outdoor) {
      maxDepth = indoor ? ModelConfig.INDOOR_MAX_DEPTH : OUTDOOR_MAX_DEPTH;
    }
    return new ModelHints(source, Release.V2_METRIC, maxDepth, null, null);
  }

  private static String plain(@Nullable Path name) {
    return String.valueOf(name).toLowerCase(Locale.ROOT).replaceAll("[-\\s]+", "_");
  }
}
