package dev.fathom.training.synth;

import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.Sample;
import java.util.List;

/**
 * Rendered pictures as a data set, drawn when they are read: nothing on disk, nothing kept. Any
 * number of threads may read.
 *
 * <p>The samples of the domains alternate: sample {@code i} is of domain {@code i mod n}, so that
 * any run of consecutive samples holds all domains.
 */
public final class SynthDataSet implements DataSet {
  private final List<Domain> domains;
  private final long seed;
  private final int first;
  private final int count;
  private final int width;
  private final int height;

  /**
   * A set of pictures.
   *
   * @param domains at least one, none twice
   * @param seed of the scenes
   * @param first the first scene of each domain; ranges that do not overlap share no scene
   * @param count scenes of each domain, at least 1
   * @param width pixels, 1 to {@value SceneRenderer#LARGEST_SIDE}
   * @param height pixels, likewise
   * @throws IllegalArgumentException if one of them is out of its range
   */
  public SynthDataSet(
      List<Domain> domains, long seed, int first, int count, int width, int height) {
    this.domains = List.copyOf(domains);
    if (this.domains.isEmpty() || this.domains.stream().distinct().count() != domains.size()) {
      throw new IllegalArgumentException("domains " + domains + ": at least one, none twice");
    }
    if (first < 0 || count < 1 || (long) first + count > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(count + " scenes from scene " + first);
    }
    if ((long) count * domains.size() > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(count + " scenes of " + domains.size() + " domains");
    }
    SceneRenderer.checkSize(width, height);
    this.seed = seed;
    this.first = first;
    this.count = count;
    this.width = width;
    this.height = height;
  }

  @Override
  public String name() {
    return "synth:"
        + String.join(",", domains.stream().map(Domain::label).toList())
        + " seed "
        + seed
        + " scenes "
        + first
        + ".."
        + (first + count - 1)
        + " "
        + width
        + "x"
        + height;
  }

  @Override
  public int size() {
    return count * domains.size();
  }

  /** The domains, in their order. */
  public List<Domain> domains() {
    return domains;
  }

  /** Pixels in a row of each picture. */
  public int width() {
    return width;
  }

  /** Rows of each picture. */
  public int height() {
    return height;
  }

  /** The same scenes as pictures whose longer side is so long. */
  SynthDataSet scaledTo(int side) {
    int longer = Math.max(width, height);
    return new SynthDataSet(
        domains,
        seed,
        first,
        count,
        Math.max(1, (int) ((long) width * side / longer)),
        Math.max(1, (int) ((long) height * side / longer)));
  }

  /** The domain of a sample. */
  public Domain domain(int index) {
    return domains.get(checked(index) % domains.size());
  }

  @Override
  public String id(int index) {
    return SceneRenderer.id(domain(index), scene(index));
  }

  @Override
  public Sample read(int index) {
    return SceneRenderer.render(domain(index), seed, scene(index), width, height);
  }

  private int scene(int index) {
    return first + checked(index) / domains.size();
  }

  private int checked(int index) {
    if (index < 0 || index >= size()) {
      throw new IndexOutOfBoundsException("sample " + index + " of " + size());
    }
    return index;
  }
}
