package dev.fathom.training.evaluation;

import dev.fathom.training.data.BadSampleException;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.Sample;
import java.util.List;

/** Samples in memory; reading one whose id begins with {@code bad} fails. */
record ListDataSet(List<Sample> samples) implements DataSet {

  ListDataSet(Sample... samples) {
    this(List.of(samples));
  }

  @Override
  public String name() {
    return "list";
  }

  @Override
  public int size() {
    return samples.size();
  }

  @Override
  public String id(int index) {
    return samples.get(index).id();
  }

  @Override
  public Sample read(int index) throws BadSampleException {
    if (id(index).startsWith("bad")) {
      throw new BadSampleException(id(index) + ".png: cannot be read");
    }
    return samples.get(index);
  }
}
