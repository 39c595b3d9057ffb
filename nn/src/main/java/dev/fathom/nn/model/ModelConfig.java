package dev.fathom.nn.model;

import java.util.List;

/**
 * The shape of one Depth Anything network: a DINOv2 encoder and a DPT head.
 *
 * @param name vits, vitb, vitl, vitg, or another name for a network of other sizes
 * @param embedDim channels of a token
 * @param depth encoder blocks
 * @param heads attention heads; {@code embedDim / heads} is the head dimension
 * @param swiglu whether the MLP is SwiGLU (the giant) rather than GELU
 * @param taps the four blocks, counted from 0, whose outputs the head reads
 * @param features channels of the head's fusion blocks
 * @param outChannels channels of the four reassembled maps
 * @param release which published network
 * @param maxDepth metres that the sigmoid is scaled to; 0 unless the release is metric
 * @param patch side of a patch in pixels
 * @param tableSize side of the position table in patches
 */
public record ModelConfig(
    String name,
    int embedDim,
    int depth,
    int heads,
    boolean swiglu,
    List<Integer> taps,
    int features,
    List<Integer> outChannels,
    Release release,
    float maxDepth,
    int patch,
    int tableSize) {

  /** Depth in metres that V2's indoor metric weights reach. */
  public static final float INDOOR_MAX_DEPTH = 20;

  public ModelConfig {
    taps = List.copyOf(taps);
    outChannels = List.copyOf(outChannels);
    if (taps.size() != 4 || outChannels.size() != 4) {
      throw new IllegalArgumentException("four taps and four out channels are needed");
    }
    if (embedDim % heads != 0) {
      throw new IllegalArgumentException(
          "embed dim " + embedDim + " is not a multiple of " + heads + " heads");
    }
    if (taps.stream().anyMatch(tap -> tap < 0 || tap >= depth)) {
      throw new IllegalArgumentException("taps " + taps + " are outside " + depth + " blocks");
    }
    if ((release == Release.V2_METRIC) != (maxDepth > 0)) {
      throw new IllegalArgumentException("a largest depth goes with v2-metric and only with it");
    }
  }

  /**
   * A published size.
   *
   * @param name vits, vitb, vitl or vitg
   * @param release the network; vitg has V2 taps only
   * @param maxDepth metres, for {@link Release#V2_METRIC}; ignored otherwise
   * @throws IllegalArgumentException if there is no such network
   */
  public static ModelConfig published(String name, Release release, float maxDepth) {
    boolean v1 = release == Release.V1;
    float scale = release == Release.V2_METRIC ? maxDepth : 0;
    List<Integer> twelve = v1 ? List.of(8, 9, 10, 11) : List.of(2, 5, 8, 11);
    return switch (name) {
      case "vits" ->
          new ModelConfig(
              name,
              384,
              12,
              6,
              false,
              twelve,
              64,
              List.of(48, 96, 192, 384),
              release,
              scale,
              14,
              37);
      case "vitb" ->
          new ModelConfig(
              name,
              768,
              12,
              12,
              false,
              twelve,
              128,
              List.of(96, 192, 384, 768),
              release,
              scale,
              14,
              37);
      case "vitl" ->
          new ModelConfig(
              name,
              1024,
              24,
              16,
              false,
              v1 ? List.of(20, 21, 22, 23) : List.of(4, 11, 17, 23),
              256,
              List.of(256, 512, 1024, 1024),
              release,
              scale,
              14,
              37);
      case "vitg" -> {
        if (v1) {
          throw new IllegalArgumentException("vitg was never part of v1; its release is v2");
        }
        yield new ModelConfig(
            name,
            1536,
            40,
            24,
            true,
            List.of(9, 19, 29, 39),
            384,
            List.of(1536, 1536, 1536, 1536),
            release,
            scale,
            14,
            37);
      }
      default ->
          throw new IllegalArgumentException(
              "unknown model '" + name + "'; known are vits, vitb, vitl and vitg");
    };
  }

  /** Channels of one attention head. */
  public int headDim() {
    return embedDim / heads;
  }
}
