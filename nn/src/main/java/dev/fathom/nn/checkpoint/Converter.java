package dev.fathom.nn.checkpoint;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Rewrites a checkpoint in another format. Tensors are streamed one by one from the mapped file and
 * keep their types; views become contiguous, and tensors that share a storage are written apart.
 */
public final class Converter {
  /** Which names the copy has. */
  public enum Names {
    /** Those of the source. */
    AS_IS,
    /** The published names; query, key and value joined. */
    CANONICAL
  }

  /**
   * What was written.
   *
   * @param bytes of the tensors together
   */
  public record Result(Checkpoint.Format format, int tensors, long bytes) {}

  private Converter() {}

  /**
   * Converts a file. The target's extension gives the format: {@code .safetensors}, or {@code
   * .pth}, {@code .pt} or {@code .bin} for that of {@code torch.save}.
   *
   * <p>The source's metadata go along. With canonical names, what is known of the release and the
   * largest depth - from the metadata, a {@code config.json} or the source's name - is put into the
   * metadata, since neither the configuration nor the name goes along.
   *
   * @param metadata added to the source's, and before them where both have a key
   * @throws CheckpointException if the source cannot be read or, for canonical names, is of no
   *     Depth Anything network
   * @throws IllegalArgumentException if the target has another extension
   * @throws IOException if the target cannot be written; an older file is then untouched
   */
  public static Result convert(Path source, Path target, Names names, Map<String, String> metadata)
      throws IOException {
    Checkpoint.Format format = format(target);
    try (Checkpoint checkpoint = Checkpoint.open(source)) {
      Map<String, String> all = new LinkedHashMap<>();
      List<WritableTensor> tensors =
          switch (names) {
            case AS_IS -> checkpoint.names().stream().map(checkpoint::writable).toList();
            case CANONICAL -> {
              CheckpointWeights weights = CheckpointWeights.of(checkpoint);
              InferredModel model = InferredModel.of(weights, null, null, null);
              if (!model.isGuessed() && !model.encoderOnly()) {
                all.putAll(InferredModel.metadata(model.config()));
              }
              yield weights.names().stream().map(weights::writable).toList();
            }
          };
      all.putAll(checkpoint.metadata());
      all.putAll(metadata);
      if (format == Checkpoint.Format.SAFETENSORS) {
        // Readers of the Python ecosystem expect to be told the framework.
        all.putIfAbsent("format", "pt");
        SafeTensorsWriter.write(target, tensors, all);
      } else {
        TorchWriter.write(target, tensors, all);
      }
      long bytes = tensors.stream().mapToLong(tensor -> tensor.info().byteSize()).sum();
      return new Result(format, tensors.size(), bytes);
    }
  }

  private static Checkpoint.Format format(Path target) {
    String name = target.toString().toLowerCase(Locale.ROOT);
    if (name.endsWith(".safetensors")) {
      return Checkpoint.Format.SAFETENSORS;
    }
    if (name.endsWith(".pth") || name.endsWith(".pt") || name.endsWith(".bin")) {
      return Checkpoint.Format.TORCH_ZIP;
    }
    throw new IllegalArgumentException(
        "the name must end with .safetensors, .pth, .pt or .bin: " + target);
  }
}
