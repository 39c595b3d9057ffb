package dev.fathom.training.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Several sets one after the other, each sample once: nothing is drawn more often to even out their
 * sizes. An id is the set's position, from 0, and the id within it: {@code 2/kitchen/0001}.
 */
public final class ConcatDataSet implements DataSet {

  private final List<DataSet> sets;

  /** The index behind each set's last sample. */
  private final int[] ends;

  /** The sets, in order; they are closed with this one. */
  public ConcatDataSet(List<? extends DataSet> sets) {
    this.sets = List.copyOf(sets);
    ends = new int[sets.size()];
    int end = 0;
    for (int i = 0; i < ends.length; i++) {
      end = Math.addExact(end, this.sets.get(i).size());
      ends[i] = end;
    }
  }

  /** The sets, in order. */
  public List<DataSet> sets() {
    return sets;
  }

  /** The position of the set that a sample comes from. */
  public int setOf(int index) {
    if (index < 0 || index >= size()) {
      throw new IndexOutOfBoundsException(index + " in a set of " + size());
    }
    int at = Arrays.binarySearch(ends, index);
    if (at < 0) {
      return -at - 1;
    }
    // The sample behind the end of set `at`, and of the empty ones after it.
    while (ends[at] <= index) {
      at++;
    }
    return at;
  }

  private int within(int index, int set) {
    return index - (set == 0 ? 0 : ends[set - 1]);
  }

  @Override
  public String name() {
    return sets.stream().map(DataSet::name).collect(Collectors.joining(" + "));
  }

  @Override
  public int size() {
    return ends.length == 0 ? 0 : ends[ends.length - 1];
  }

  @Override
  public String id(int index) {
    int set = setOf(index);
    return set + "/" + sets.get(set).id(within(index, set));
  }

  @Override
  public Sample read(int index) throws BadSampleException {
    int set = setOf(index);
    Sample sample = sets.get(set).read(within(index, set));
    return new Sample(set + "/" + sample.id(), sample.picture(), sample.truth(), sample.classes());
  }

  /** Closes all sets, also if one fails to; the first failure is thrown. */
  @Override
  public void close() {
    List<RuntimeException> failures = new ArrayList<>();
    for (DataSet set : sets) {
      try {
        set.close();
      } catch (RuntimeException e) {
        failures.add(e);
      }
    }
    if (!failures.isEmpty()) {
      throw failures.getFirst();
    }
  }
}
