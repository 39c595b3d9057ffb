package dev.fathom.training.data;

import java.util.List;

/** Samples whose files are known; what sets of folders, lists and shards have in common. */
abstract sealed class FileDataSet implements DataSet
    permits FolderDataSet, PairDataSet, TarShardDataSet {

  private final String name;
  private final List<SampleParts> samples;
  private final SampleReader reader;

  FileDataSet(String name, List<SampleParts> samples, DataSpec spec) {
    this.name = name;
    this.samples = List.copyOf(samples);
    reader = new SampleReader(spec);
  }

  @Override
  public final String name() {
    return name;
  }

  @Override
  public final int size() {
    return samples.size();
  }

  @Override
  public final String id(int index) {
    return samples.get(index).id();
  }

  @Override
  public final Sample read(int index) throws BadSampleException {
    return reader.read(samples.get(index));
  }

  @Override
  public final String toString() {
    return name + " (" + size() + " samples)";
  }
}
