package dev.fathom.nn.checkpoint;

import static dev.fathom.nn.checkpoint.CheckpointException.quote;

import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.Release;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The network that a checkpoint's weights belong to. Its size follows from the tensors' shapes. The
 * release and the largest depth do not: they come from, in this order, the caller, the file's
 * metadata, the {@code config.json} of Hugging Face, the file's name; and else are guessed.
 *
 * @param config the network
 * @param guessed what was assumed without any sign, as a clause for the user; empty if nothing
 * @param encoderOnly whether the checkpoint holds an encoder without a head (plain DINOv2); the
 *     head's sizes are then those of the published network with that encoder
 */
public record InferredModel(ModelConfig config, String guessed, boolean encoderOnly) {
  private static final List<String> PUBLISHED = List.of("vits", "vitb", "vitl", "vitg");
  private static final int HEAD_DIM = 64;
  private static final long LARGEST_SIZE = 1 << 16;

  /** Sizes that the tensors' shapes tell. */
  private record Architecture(
      int embedDim,
      int depth,
      boolean swiglu,
      int features,
      List<Integer> outChannels,
      int patch,
      int tableSize) {}

  /** Whether something was assumed without any sign. */
  public boolean isGuessed() {
    return !guessed.isEmpty();
  }

  /**
   * The network of a checkpoint.
   *
   * @param model the size that the caller expects (vits, vitb, vitl, vitg), or null
   * @param release the caller's choice, or null to infer it
   * @param maxDepth the caller's choice in metres, or null to infer it
   * @throws CheckpointException if the weights are of another size than the caller expects, or of
   *     no Depth Anything network
   * @throws IllegalArgumentException if there is no size called {@code model}
   */
  public static InferredModel of(
      CheckpointWeights weights,
      @Nullable String model,
      @Nullable Release release,
      @Nullable Float maxDepth)
      throws CheckpointException {
    if (model != null && !PUBLISHED.contains(model)) {
      throw new IllegalArgumentException(
          "unknown model '" + model + "'; known are " + String.join(", ", PUBLISHED));
    }
    return new Inference(weights).infer(model, release, maxDepth);
  }

  /** The metadata to write with a network's weights, so that nothing need be guessed later. */
  public static Map<String, String> metadata(ModelConfig config) {
    return ModelHints.metadata(config);
  }

  /** One inference. */
  private static final class Inference {
    private final CheckpointWeights weights;
    private final boolean encoderOnly;

    Inference(CheckpointWeights weights) {
      this.weights = weights;
      this.encoderOnly =
          weights.names().stream().noneMatch(name -> name.startsWith(NameScheme.HEAD));
    }

    InferredModel infer(
        @Nullable String model, @Nullable Release chosen, @Nullable Float chosenDepth)
        throws CheckpointException {
      Architecture found = architecture();
      String name = name(found);
      if (model != null && !model.equals(name)) {
        throw error(
            "it holds %s (embed dim %d, %d blocks), not %s"
                .formatted(name, found.embedDim, found.depth, model));
      }
      ModelHints hints = hints();
      List<String> guesses = new ArrayList<>();
      Release release = chosen != null ? chosen : hints.release();
      if (release == null) {
        release = name.equals("vitg") ? Release.V2 : Release.V1;
        if (release == Release.V1) {
          guesses.add("release v1");
        }
      }
      // What is said of another release than the caller's is no help.
      boolean relevant = hints.release() == null || hints.release() == release;
      float maxDepth = 0;
      if (release == Release.V2_METRIC) {
        Float told = chosenDepth != null ? chosenDepth : relevant ? hints.maxDepth() : null;
        if (told == null) {
          guesses.add("largest depth " + ModelConfig.INDOOR_MAX_DEPTH + " m");
        }
        maxDepth = told != null ? told : ModelConfig.INDOOR_MAX_DEPTH;
        if (!(maxDepth > 0 && maxDepth < Float.POSITIVE_INFINITY)) {
          throw error("the largest depth is " + maxDepth + "; it must be positive");
        }
      }
      List<Integer> taps = relevant ? hints.taps() : null;
      ModelConfig config =
          new ModelConfig(
              name,
              found.embedDim,
              found.depth,
              heads(found, hints),
              found.swiglu,
              taps != null ? checked(taps, found.depth, hints) : taps(name, release, found.depth),
              found.features,
              found.outChannels,
              release,
              maxDepth,
              found.patch,
              found.tableSize);
      String guessed =
          guesses.isEmpty()
              ? ""
              : "assumed " + String.join(" and ", guesses) + ", which the checkpoint does not tell";
      return new InferredModel(config, guessed, encoderOnly);
    }

    private ModelHints hints() throws CheckpointException {
      Checkpoint checkpoint = weights.checkpoint();
      List<ModelHints> all = new ArrayList<>();
      all.add(ModelHints.ofMetadata(checkpoint));
      if (weights.scheme() == NameScheme.HUGGING_FACE) {
        all.add(ModelHints.ofHuggingFaceConfig(checkpoint.path()));
      }
      all.add(ModelHints.ofName(checkpoint.path()));
      return all.stream().reduce(all.getFirst(), Inference::orElse);
    }

    /** What the first says, completed by the second where they speak of the same release. */
    private static ModelHints orElse(ModelHints first, ModelHints second) {
      if (first.release() != null
          && second.release() != null
          && first.release() != second.release()) {
        return first;
      }
      return new ModelHints(
          first.taps() != null || first.heads() != null ? first.source() : second.source(),
          first.release() != null ? first.release() : second.release(),
          first.maxDepth() != null ? first.maxDepth() : second.maxDepth(),
          first.taps() != null ? first.taps() : second.taps(),
          first.heads() != null ? first.heads() : second.heads());
    }

    private Architecture architecture() throws CheckpointException {
      long[] positions = shape(NameScheme.ENCODER + "pos_embed", 3);
      long[] patches = shape(NameScheme.ENCODER + "patch_embed.proj.weight", 4);
      int embed = size(positions[2]);
      int table = (int) Math.round(Math.sqrt(size(positions[1]) - 1.0));
      if (1 + (long) table * table != positions[1] || patches[2] != patches[3]) {
        throw error("its position table or its patches are not square");
      }
      int depth = 0;
      boolean swiglu = false;
      for (String name : weights.names()) {
        depth = Math.max(depth, NameScheme.block(name) + 1);
        swiglu |= name.endsWith(".mlp.w12.weight");
      }
      if (depth < 4) {
        throw error("its encoder has " + depth + " blocks; at least 4 are needed");
      }
      int patch = size(patches[2]);
      if (encoderOnly) {
        ModelConfig published = encoder(embed, depth, swiglu);
        return new Architecture(
            embed, depth, swiglu, published.features(), published.outChannels(), patch, table);
      }
      List<Integer> channels = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        channels.add(size(shape(NameScheme.HEAD + "projects." + i + ".weight", 4)[0]));
      }
      int features = size(shape(NameScheme.HEAD + "scratch.layer1_rn.weight", 4)[0]);
      return new Architecture(embed, depth, swiglu, features, channels, patch, table);
    }

    private ModelConfig encoder(int embed, int depth, boolean swiglu) throws CheckpointException {
      for (String name : PUBLISHED) {
        ModelConfig config = ModelConfig.published(name, Release.V2, 0);
        if (config.embedDim() == embed && config.depth() == depth && config.swiglu() == swiglu) {
          return config;
        }
      }
      throw error(
          "it holds an encoder alone, of embed dim %d and %d blocks, which is no published size"
              .formatted(embed, depth));
    }

    private long[] shape(String name, int rank) throws CheckpointException {
      if (!weights.contains(name)) {
        throw error(
            "it holds no Depth Anything weights: %s is not among its %d tensors%s"
                .formatted(name, weights.names().size(), first()));
      }
      long[] shape = weights.shape(name);
      if (shape.length != rank) {
        throw error(name + " has " + shape.length + " dimensions instead of " + rank);
      }
      return shape;
    }

    private String first() {
      return weights.names().isEmpty()
          ? ""
          : ", the first of which is " + quote(weights.names().getFirst());
    }

    private int size(long value) throws CheckpointException {
      if (value < 1 || value > LARGEST_SIZE) {
        throw error("a size of " + value + " is outside what a network can have");
      }
      return (int) value;
    }

    private static String name(Architecture found) {
      for (String name : PUBLISHED) {
        ModelConfig config = ModelConfig.published(name, Release.V2, 0);
        if (config.embedDim() == found.embedDim
            && config.depth() == found.depth
            && config.swiglu() == found.swiglu
            && config.features() == found.features
            && config.outChannels().equals(found.outChannels)) {
          return name;
        }
      }
      return "vit" + found.embedDim + "x" + found.depth;
    }

    private int heads(Architecture found, ModelHints hints) throws CheckpointException {
      Integer told = hints.heads();
      int heads = told != null ? told : found.embedDim / HEAD_DIM;
      if (heads < 1 || found.embedDim % heads != 0) {
        throw error(
            "an embed dim of %d cannot be split over %s heads"
                .formatted(found.embedDim, told != null ? told : "64-channel"));
      }
      return heads;
    }

    private List<Integer> checked(List<Integer> taps, int depth, ModelHints hints)
        throws CheckpointException {
      if (taps.size() != 4 || taps.stream().anyMatch(tap -> tap < 0 || tap >= depth)) {
        throw error(
            "%s gives the tapped blocks %s, which %d blocks do not have"
                .formatted(hints.source(), taps, depth));
      }
      return taps;
    }

    /** Published taps; for other depths the last four (V1) or the last of each quarter (V2). */
    private List<Integer> taps(String name, Release release, int depth) throws CheckpointException {
      if (PUBLISHED.contains(name)) {
        if (name.equals("vitg") && release == Release.V1) {
          throw error("it holds vitg, which was never part of v1");
        }
        return ModelConfig.published(name, release, 1).taps();
      }
      return release == Release.V1
          ? IntStream.range(depth - 4, depth).boxed().toList()
          : IntStream.rangeClosed(1, 4).mapToObj(i -> i * depth / 4 - 1).toList();
    }

    private CheckpointException error(String problem) {
      return new CheckpointException(weights.checkpoint().path(), problem);
    }
  }
}
