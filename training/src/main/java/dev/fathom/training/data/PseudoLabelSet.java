package dev.fathom.training.data;

import dev.fathom.training.UserException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Pictures of a set together with disparities that a {@link ShardWriter} wrote for them: samples
 * whose truth is of kind {@link GroundTruth.Kind#DISPARITY}. They are matched by id and come in the
 * order of the pictures; pictures without a disparity are left out, see {@link #missing}. A map
 * covers the whole picture; its sides are those of the network's input, which need not be exactly
 * in the picture's proportions. Closing it closes the set of the pictures.
 */
public final class PseudoLabelSet implements DataSet {

  private static final DataSpec DISPARITY =
      DataSpec.of("pseudo-labels").withNumbers(DataSpec.Kind.DISPARITY, 1).withInvalid(List.of());

  private final DataSet pictures;
  private final Path folder;
  private final int[] indices;
  private final Part[] maps;

  private PseudoLabelSet(DataSet pictures, Path folder, int[] indices, Part[] maps) {
    this.pictures = pictures;
    this.folder = folder;
    this.indices = indices;
    this.maps = maps;
  }

  /**
   * Matches the pictures of a set with the shards in a folder.
   *
   * @throws UserException if there are no shards, one is damaged, two disparities have one id, or
   *     one has an id that the set does not have: the shards were made of another set
   */
  public static PseudoLabelSet open(DataSet pictures, Path folder) {
    Map<String, Integer> known = HashMap.newHashMap(pictures.size());
    for (int i = 0; i < pictures.size(); i++) {
      known.put(pictures.id(i), i);
    }
    List<ShardIndex.Entry> shards = ShardIndex.read(folder);
    if (shards.isEmpty()) {
      throw new UserException(folder, "no finished shard of pseudo-labels in this folder");
    }
    @Nullable Part[] maps = new Part[pictures.size()];
    int count = 0;
    for (ShardIndex.Entry shard : shards) {
      Path file = folder.resolve(shard.shard());
      for (Part member : TarReader.members(file)) {
        if (member.name().endsWith(ShardWriter.DISPARITY)) {
          String key =
              member.name().substring(0, member.name().length() - ShardWriter.DISPARITY.length());
          String id = ShardKeys.id(key);
          Integer index = known.get(id);
          if (index == null) {
            throw new UserException(
                file, "a pseudo-label of '" + id + "', which is not in " + pictures.name());
          }
          if (maps[index] != null) {
            throw new UserException(file, "a second pseudo-label of '" + id + "'");
          }
          maps[index] = member;
          count++;
        }
      }
    }
    int[] indices = new int[count];
    Part[] present = new Part[count];
    int next = 0;
    for (int i = 0; i < maps.length; i++) {
      Part map = maps[i];
      if (map != null) {
        indices[next] = i;
        present[next++] = map;
      }
    }
    return new PseudoLabelSet(pictures, folder, indices, present);
  }

  /** Number of pictures that have no disparity: those that were bad, or a run not yet complete. */
  public int missing() {
    return pictures.size() - indices.length;
  }

  @Override
  public String name() {
    return pictures.name() + " with " + folder;
  }

  @Override
  public int size() {
    return indices.length;
  }

  @Override
  public String id(int index) {
    return pictures.id(indices[index]);
  }

  @Override
  public Sample read(int index) throws BadSampleException {
    Sample sample = pictures.read(indices[index]);
    GroundTruth truth =
        SampleReader.ofNetworkMaps(DISPARITY).truth(maps[index], null, null, sample.picture());
    return new Sample(sample.id(), sample.picture(), truth, sample.classes());
  }

  @Override
  public void close() {
    pictures.close();
  }
}
