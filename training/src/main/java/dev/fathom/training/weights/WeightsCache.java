package dev.fathom.training.weights;

import dev.fathom.training.UserException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The folder that holds downloaded checkpoints. A file is there under its name only when it is
 * whole and checked.
 */
public final class WeightsCache {
  private static final int NEAR_NAMES = 3;

  private final Path folder;

  /**
   * @param folder need not exist yet
   */
  public WeightsCache(Path folder) {
    this.folder = folder;
  }

  /**
   * The user's cache: the system property {@code fathom.weights}, else {@code
   * $FATHOM_HOME/weights}, else {@code $XDG_CACHE_HOME/fathom/weights}, else {@code
   * ~/.cache/fathom/weights}.
   */
  public static WeightsCache ofUser() {
    return new WeightsCache(
        userFolder(
            System.getProperty("fathom.weights"),
            System.getenv(),
            System.getProperty("user.home")));
  }

  static Path userFolder(@Nullable String property, Map<String, String> environment, String home) {
    if (property != null && !property.isEmpty()) {
      return Path.of(property);
    }
    String fathomHome = environment.getOrDefault("FATHOM_HOME", "");
    if (!fathomHome.isEmpty()) {
      return Path.of(fathomHome, "weights");
    }
    // The XDG specification has relative paths ignored.
    String xdg = environment.getOrDefault("XDG_CACHE_HOME", "");
    Path cache = xdg.startsWith("/") ? Path.of(xdg) : Path.of(home, ".cache");
    return cache.resolve("fathom").resolve("weights");
  }

  /** The folder. */
  public Path folder() {
    return folder;
  }

  /** Where the checkpoint is or would be. */
  public Path pathOf(Checkpoint checkpoint) {
    return folder.resolve(checkpoint.fileName());
  }

  /** The file of that checkpoint (name or alias) if it has been downloaded. */
  public Optional<Path> find(String name) {
    return Catalogue.find(name).map(this::pathOf).filter(Files::isRegularFile);
  }

  /** A file of weights, and the published checkpoint that it is, if it was named as one. */
  public record Weights(Path file, Optional<Checkpoint> checkpoint) {}

  /**
   * What {@code --weights} means: the name or an alias of a published checkpoint, or a file. A
   * known name wins over a file of the same name; {@code ./vits} is the file.
   *
   * @throws UserException if there is no such file and no such name, or if the named checkpoint has
   *     not been downloaded; the message says what to do
   */
  public Weights resolve(String weights) {
    Optional<Checkpoint> known = Catalogue.find(weights);
    if (known.isPresent()) {
      Path file = pathOf(known.get());
      if (!Files.isRegularFile(file)) {
        throw new UserException(
            weights, "not downloaded yet; run: fathom weights download " + known.get().name());
      }
      return new Weights(file, known);
    }
    Path file = Path.of(weights);
    if (Files.exists(file)) {
      return new Weights(file, Optional.empty());
    }
    if (weights.contains("/") || weights.contains(".")) {
      throw new UserException(weights, "no such file");
    }
    throw new UserException(weights, "no such file and " + noSuchName(weights));
  }

  /** The error for a name that the catalogue does not have: near names first, then the rest. */
  public static UserException unknownName(String name) {
    return new UserException(name, noSuchName(name));
  }

  private static String noSuchName(String name) {
    List<String> nearest = Catalogue.nearest(name);
    return "no published checkpoint of that name; nearest are "
        + String.join(", ", nearest.subList(0, NEAR_NAMES))
        + "; the others are "
        + String.join(", ", nearest.subList(NEAR_NAMES, nearest.size()));
  }
}
