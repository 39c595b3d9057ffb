package dev.fathom.training.stage;

import dev.fathom.training.data.Sample;
import java.util.ArrayList;
import java.util.List;

/** An endless sequence of samples from a given position on. */
interface SampleStream extends AutoCloseable {

  /** The next sample. */
  Sample next();

  /** The next samples. */
  default List<Sample> next(int count) {
    List<Sample> samples = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      samples.add(next());
    }
    return samples;
  }

  @Override
  void close();
}
