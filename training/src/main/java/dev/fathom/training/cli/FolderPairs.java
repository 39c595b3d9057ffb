package dev.fathom.training.cli;

import dev.fathom.nn.RgbImage;
import dev.fathom.training.UserException;
import dev.fathom.training.data.BadSampleException;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.GroundTruth;
import dev.fathom.training.data.Sample;
import dev.fathom.training.picture.DepthFile;
import dev.fathom.training.picture.DepthReader;
import dev.fathom.training.picture.PictureException;
import dev.fathom.training.picture.PictureReader;
import java.io.IOException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Pictures with their depth maps in one folder, found by two patterns such as {@code rgb/{id}.png}
 * and {@code depth/{id}.png}.
 */
final class FolderPairs implements DataSet {
  private static final String ID = "{id}";

  private final Path folder;
  private final Pattern pictures;
  private final Pattern maps;
  private final GroundTruth.Kind kind;
  private final double scale;
  private final List<String> ids;

  /** A path below the folder, with the sample's id in its middle. */
  private record Pattern(String before, String after) {

    static Pattern of(String text, String option) {
      int at = text.indexOf(ID);
      if (at < 0 || text.indexOf(ID, at + 1) >= 0) {
        throw new UserException(option, "needs {id} once: " + text);
      }
      return new Pattern(text.substring(0, at), text.substring(at + ID.length()));
    }

    Optional<String> idOf(String path) {
      boolean matches =
          path.length() > before.length() + after.length()
              && path.startsWith(before)
              && path.endsWith(after);
      return matches
          ? Optional.of(path.substring(before.length(), path.length() - after.length()))
          : Optional.empty();
    }

    String pathOf(String id) {
      return before + id + after;
    }
  }

  private FolderPairs(
      Path folder,
      Pattern pictures,
      Pattern maps,
      GroundTruth.Kind kind,
      double scale,
      List<String> ids) {
    this.folder = folder;
    this.pictures = pictures;
    this.maps = maps;
    this.kind = kind;
    this.scale = scale;
    this.ids = ids;
  }

  /**
   * Finds the pictures.
   *
   * @param kind what the maps' numbers are
   * @param scale what they are multiplied by, to metres if they are depths
   * @throws UserException if there is no such folder, no picture in it, or a pattern without an id
   */
  static FolderPairs open(
      Path folder, String pictures, String maps, GroundTruth.Kind kind, double scale)
      throws IOException {
    Pattern picturePattern = Pattern.of(pictures, "--picture");
    Pattern mapPattern = Pattern.of(maps, "--depth");
    if (!(scale > 0 && scale < Double.POSITIVE_INFINITY)) {
      throw new UserException("--depth-scale", scale + " is not a positive number");
    }
    if (!Files.isDirectory(folder)) {
      throw new UserException(
          folder, Files.exists(folder) ? "is not a folder" : "no such file or folder");
    }
    List<String> ids;
    try (Stream<Path> files = Files.walk(folder, FileVisitOption.FOLLOW_LINKS)) {
      ids =
          files
              .map(file -> folder.relativize(file).toString().replace('\\', '/'))
              // A map may look like a picture: a.depth.png is one of {id}.png too.
              .filter(path -> pictures.equals(maps) || mapPattern.idOf(path).isEmpty())
              .flatMap(path -> picturePattern.idOf(path).stream())
              .sorted()
              .toList();
    }
    if (ids.isEmpty()) {
      throw new UserException(folder, "no picture is named like " + pictures);
    }
    return new FolderPairs(folder, picturePattern, mapPattern, kind, scale, ids);
  }

  @Override
  public String name() {
    return folder.toString();
  }

  @Override
  public int size() {
    return ids.size();
  }

  @Override
  public String id(int index) {
    return ids.get(index);
  }

  @Override
  public Sample read(int index) throws BadSampleException {
    String id = ids.get(index);
    try {
      RgbImage picture = PictureReader.read(folder.resolve(pictures.pathOf(id)));
      DepthFile map = DepthReader.read(folder.resolve(maps.pathOf(id)));
      return new Sample(id, picture, truth(map), null);
    } catch (PictureException e) {
      throw new BadSampleException(String.valueOf(e.getMessage()), e);
    }
  }

  private GroundTruth truth(DepthFile map) {
    float[] values = map.values();
    float[] known = new float[values.length];
    for (int i = 0; i < known.length; i++) {
      double value = values[i] * scale;
      // A sensor writes 0 where it has no reading; a disparity of 0 is infinitely far.
      boolean reading = value > 0 || (value == 0 && kind == GroundTruth.Kind.DISPARITY);
      known[i] = reading ? (float) value : Float.NaN;
    }
    return new GroundTruth(map.width(), map.height(), kind, known);
  }
}
