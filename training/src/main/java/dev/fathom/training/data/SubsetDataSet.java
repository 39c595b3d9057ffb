package dev.fathom.training.data;

import dev.fathom.training.random.Philox;
import dev.fathom.training.random.Purpose;
import java.util.Arrays;
import java.util.stream.IntStream;

/** Some samples of another set. Closing it does nothing: the other set may have more subsets. */
public final class SubsetDataSet implements DataSet {

  /**
   * A set in two.
   *
   * @param kept the larger part as a rule: for training
   * @param heldOut the samples set aside: for validation
   */
  public record Split(SubsetDataSet kept, SubsetDataSet heldOut) {}

  private final DataSet set;
  private final String name;
  private final int[] indices;

  private SubsetDataSet(DataSet set, String part, int[] indices) {
    this.set = set;
    this.indices = indices;
    name = set.name() + part;
  }

  /** The samples {@code from} to {@code to - 1}. */
  public static SubsetDataSet range(DataSet set, int from, int to) {
    if (from < 0 || to < from || to > set.size()) {
      throw new IndexOutOfBoundsException(from + " to " + to + " of " + set.size() + " samples");
    }
    return new SubsetDataSet(
        set, " [" + from + ", " + to + ")", IntStream.range(from, to).toArray());
  }

  /** The samples with these indices, in this order. */
  public static SubsetDataSet of(DataSet set, int... indices) {
    for (int index : indices) {
      if (index < 0 || index >= set.size()) {
        throw new IndexOutOfBoundsException(index + " of " + set.size() + " samples");
      }
    }
    return new SubsetDataSet(set, " (" + indices.length + " samples)", indices.clone());
  }

  /**
   * Sets aside samples chosen by chance; both parts keep the set's order. The choice depends on the
   * seed and the set's size alone.
   *
   * @param heldOut how many to set aside, at most the set's size
   */
  public static Split split(DataSet set, int heldOut, long seed) {
    if (heldOut < 0 || heldOut > set.size()) {
      throw new IllegalArgumentException(
          "cannot set aside " + heldOut + " of " + set.size() + " samples");
    }
    int[] order = new Philox(seed, Purpose.SPLIT, 0, 0).permutation(set.size());
    int[] out = Arrays.copyOf(order, heldOut);
    int[] kept = Arrays.copyOfRange(order, heldOut, order.length);
    Arrays.sort(out);
    Arrays.sort(kept);
    return new Split(
        new SubsetDataSet(set, " (kept)", kept), new SubsetDataSet(set, " (held out)", out));
  }

  /** The index of a sample in the other set. */
  public int indexInSet(int index) {
    return indices[index];
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public int size() {
    return indices.length;
  }

  @Override
  public String id(int index) {
    return set.id(indices[index]);
  }

  @Override
  public Sample read(int index) throws BadSampleException {
    return set.read(indices[index]);
  }
}
