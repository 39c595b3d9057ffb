package dev.fathom.training.weights;

import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.Release;
import java.net.URI;
import java.util.List;

/**
 * One published file of weights.
 *
 * @param name what {@code --weights} and {@code fathom weights download} call it
 * @param aliases other names for it
 * @param release the network it belongs to
 * @param size vits, vitb or vitl
 * @param maxDepth metres that metric weights reach, 0 for relative ones
 * @param format how the file is written
 * @param license its licence
 * @param megabytes its size in units of 10^6 bytes, as its page rounds it
 * @param path where it lies under {@link Catalogue#HOST}, without a leading slash
 */
public record Checkpoint(
    String name,
    List<String> aliases,
    Release release,
    String size,
    float maxDepth,
    Format format,
    License license,
    double megabytes,
    String path) {

  /** How the tensors are written and what they are called. */
  public enum Format {
    /** {@code torch.save} of a state dict with the original names. */
    TORCH("pth"),
    /** Safetensors with the names of Hugging Face's {@code DepthAnythingForDepthEstimation}. */
    SAFETENSORS("safetensors");

    private final String extension;

    Format(String extension) {
      this.extension = extension;
    }

    /** The file name's extension, without the dot. */
    public String extension() {
      return extension;
    }
  }

  public Checkpoint {
    aliases = List.copyOf(aliases);
  }

  /** The file's address at the publisher's. */
  public URI address() {
    return URI.create(Catalogue.HOST + "/" + path);
  }

  /**
   * The file's name in the cache: the checkpoint's name, because many are published as one name.
   */
  public String fileName() {
    return name + "." + format.extension();
  }

  /** The network that these weights are for. */
  public ModelConfig config() {
    return ModelConfig.published(size, release, maxDepth);
  }
}
