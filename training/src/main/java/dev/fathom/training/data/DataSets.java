package dev.fathom.training.data;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Opens data sets. */
public final class DataSets {

  private DataSets() {}

  /**
   * Opens what a path means: a list ({@code .csv}, {@code .tsv}); shards ({@code .tar}, a folder
   * with {@code .tar} files directly in it, a pattern of them); any other folder, by its patterns
   * if it has some, otherwise as pictures alone.
   *
   * @throws UserException if there is no such thing, it cannot be read, or there is no sample in
   *     it; one line that names it
   */
  public static DataSet open(DataSpec spec) {
    return open(spec, false);
  }

  /**
   * As {@link #open(DataSpec)}, but a picture whose depth map is missing is not left out: it is in
   * the set, and reading it fails.
   *
   * @throws UserException as there
   */
  public static DataSet openEveryPicture(DataSpec spec) {
    return open(spec, true);
  }

  private static DataSet open(DataSpec spec, boolean everyPicture) {
    String lower = spec.path().toLowerCase(Locale.ROOT);
    Path path = existing(spec.path());
    if (path == null) {
      if (Shards.isPattern(spec.path())) {
        if (!Shards.isShardName(spec.path())) {
          throw new UserException(
              spec.path(), "a pattern as a path is for shards and ends in .tar; name the folder");
        }
        return TarShardDataSet.open(spec, everyPicture);
      }
      throw new UserException(spec.path(), "no such file or folder");
    }
    if (Files.isDirectory(path)) {
      if (hasShards(path)) {
        return TarShardDataSet.open(spec, everyPicture);
      }
      return spec.hasPatterns()
          ? PairDataSet.ofPatterns(spec, everyPicture)
          : FolderDataSet.open(path);
    }
    if (lower.endsWith(".csv") || lower.endsWith(".tsv")) {
      return PairDataSet.ofList(spec);
    }
    if (lower.endsWith(".tar")) {
      return TarShardDataSet.open(spec, everyPicture);
    }
    throw new UserException(
        spec.path(), "not a data set: a folder, a list (.csv, .tsv) or a shard (.tar)");
  }

  /**
   * Opens several sets as one; see {@link ConcatDataSet}.
   *
   * @throws UserException as {@link #open(DataSpec)}, or if there are none
   */
  public static DataSet open(List<DataSpec> specs) {
    if (specs.isEmpty()) {
      throw UserException.of("no data set is given");
    }
    List<DataSet> sets = new ArrayList<>();
    for (DataSpec spec : specs) {
      sets.add(open(spec));
    }
    return sets.size() == 1 ? sets.getFirst() : new ConcatDataSet(sets);
  }

  private static @Nullable Path existing(String text) {
    try {
      Path path = Path.of(text);
      return Files.exists(path) ? path : null;
    } catch (InvalidPathException e) {
      return null;
    }
  }

  private static boolean hasShards(Path folder) {
    try (DirectoryStream<Path> entries =
        Files.newDirectoryStream(
            folder,
            entry -> {
              String name = entry.getFileName().toString();
              return !name.startsWith(".") && Shards.isShardName(name);
            })) {
      return entries.iterator().hasNext();
    } catch (IOException e) {
      throw new UserException(folder.toString(), "cannot read the folder: " + e.getMessage(), e);
    }
  }
}
