package dev.fathom.training.data;

import dev.fathom.training.UserException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Samples in tar shards, named as WebDataset does: members {@code key.ext} with one key, which ends
 * at the first dot of the name, are one sample. The headers are read once when the set is opened;
 * then any sample is read where it lies.
 *
 * <p>Without patterns a sample is a key with a picture ({@code key.jpg}); with them, members belong
 * together as files do: {@code {id}.jpg} and {@code {id}.depth.png}. A sample's id is its shard's
 * name without {@code .tar}, and its key.
 */
public final class TarShardDataSet extends FileDataSet {

  private TarShardDataSet(String name, List<SampleParts> samples, DataSpec spec) {
    super(name, samples, spec);
  }

  /**
   * Reads the headers of all shards.
   *
   * @param spec its path is a shard, a folder of shards, or a pattern such as {@code
   *     train-{0000..0012}.tar} or {@code train-*.tar}
   * @throws UserException if a shard is missing, damaged, cut off or compressed, or has no sample
   */
  public static TarShardDataSet open(DataSpec spec) {
    return open(spec, false);
  }

  static TarShardDataSet open(DataSpec spec, boolean everyPicture) {
    List<Path> shards = Shards.find(spec.path());
    List<String> names = names(shards);
    List<SampleParts> samples = new ArrayList<>();
    for (int i = 0; i < shards.size(); i++) {
      Path shard = shards.get(i);
      SampleTable table = new SampleTable(spec, shard.toString(), true);
      TarReader.members(shard).forEach(table::add);
      for (SampleParts sample : table.samples(everyPicture)) {
        samples.add(sample.withId(names.get(i) + "/" + sample.id()));
      }
    }
    return new TarShardDataSet(spec.path(), samples, spec);
  }

  /** File names if no two are the same, otherwise paths, without their extension. */
  private static List<String> names(List<Path> shards) {
    List<String> names = new ArrayList<>();
    List<String> paths = new ArrayList<>();
    for (Path shard : shards) {
      names.add(withoutExtension(shard.getFileName().toString()));
      paths.add(withoutExtension(shard.toString()));
    }
    Set<String> known = new HashSet<>(names);
    if (known.size() == names.size()) {
      return names;
    }
    if (new HashSet<>(paths).size() < paths.size()) {
      throw new UserException(shards.getFirst(), "a shard is named twice");
    }
    return paths;
  }

  private static String withoutExtension(String name) {
    return Shards.isShardName(name) ? name.substring(0, name.length() - ".tar".length()) : name;
  }
}
