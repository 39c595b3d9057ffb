package dev.fathom.training.data;

/** Pictures that can be read in any order, from many threads at once. */
public interface DataSet extends AutoCloseable {

  /** Where it comes from, for people: a folder, a list, shards. */
  String name();

  /** Number of samples. */
  int size();

  /** The id of a sample, known without reading it. */
  String id(int index);

  /**
   * Reads a sample.
   *
   * @throws BadSampleException if it cannot be used: unreadable, damaged, picture and map that do
   *     not fit, no valid pixel; the message is one line that names the file and what is wrong
   */
  Sample read(int index) throws BadSampleException;

  @Override
  default void close() {}
}
