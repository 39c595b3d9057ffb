package dev.fathom.nn.checkpoint;

import static dev.fathom.nn.checkpoint.CheckpointException.quote;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SequencedSet;
import java.util.TreeMap;

/**
 * An open checkpoint's tensors under their canonical names. Prefixes that wrappers put before every
 * name ({@code module.}, {@code _orig_mod.}) are dropped; query, key and value that are stored
 * apart are joined; a tensor that the naming scheme gives no meaning keeps its own name.
 *
 * <p>Valid as long as the checkpoint is open; does not close it.
 */
public final class CheckpointWeights implements WeightSource {
  private static final List<String> WRAPPERS = List.of("module.", "_orig_mod.");

  /** A canonical tensor, of one stored tensor or of several joined along the first dimension. */
  private record Entry(TensorInfo info, List<String> parts) {}

  private final Checkpoint checkpoint;
  private final NameScheme scheme;
  private final SequencedMap<String, Entry> entries;

  private CheckpointWeights(
      Checkpoint checkpoint, NameScheme scheme, SequencedMap<String, Entry> entries) {
    this.checkpoint = checkpoint;
    this.scheme = scheme;
    this.entries = entries;
  }

  /**
   * The view of a checkpoint.
   *
   * @throws CheckpointException if two tensors have one canonical name, or parts that are to be
   *     joined are missing or do not fit
   */
  public static CheckpointWeights of(Checkpoint checkpoint) throws CheckpointException {
    int prefix = wrapperPrefix(checkpoint.names());
    NameScheme scheme =
        NameScheme.of(checkpoint.names().stream().map(name -> name.substring(prefix)).toList());
    SequencedMap<String, TreeMap<Integer, String>> parts = new LinkedHashMap<>();
    for (String stored : checkpoint.names()) {
      String name = stored.substring(prefix);
      NameScheme.Target target =
          scheme.map(name).orElse(new NameScheme.Target(name, NameScheme.WHOLE));
      TreeMap<Integer, String> known = parts.computeIfAbsent(target.name(), key -> new TreeMap<>());
      boolean alone = target.part() == NameScheme.WHOLE || known.containsKey(NameScheme.WHOLE);
      if (alone ? !known.isEmpty() : known.containsKey(target.part())) {
        throw new CheckpointException(
            checkpoint.path(),
            "tensors %s and %s are both %s"
                .formatted(
                    quote(known.firstEntry().getValue()), quote(stored), quote(target.name())));
      }
      known.put(target.part(), stored);
    }
    SequencedMap<String, Entry> entries = new LinkedHashMap<>();
    for (Map.Entry<String, TreeMap<Integer, String>> entry : parts.entrySet()) {
      List<String> stored = List.copyOf(entry.getValue().values());
      boolean whole = entry.getValue().containsKey(NameScheme.WHOLE);
      TensorInfo info = checkpoint.info(stored.getFirst());
      entries.put(
          entry.getKey(),
          new Entry(
              whole
                  ? new TensorInfo(entry.getKey(), info.dtype(), info.shape())
                  : joined(checkpoint, entry.getKey(), stored),
              stored));
    }
    return new CheckpointWeights(checkpoint, scheme, entries);
  }

  private static int wrapperPrefix(SequencedSet<String> names) {
    int length = 0;
    boolean found = !names.isEmpty();
    while (found) {
      found = false;
      for (String wrapper : WRAPPERS) {
        int start = length;
        if (names.stream().allMatch(name -> name.startsWith(wrapper, start))) {
          length += wrapper.length();
          found = true;
          break;
        }
      }
    }
    return length;
  }

  private static TensorInfo joined(Checkpoint checkpoint, String name, List<String> parts)
      throws CheckpointException {
    TensorInfo first = checkpoint.info(parts.getFirst());
    if (parts.size() != 3) {
      throw new CheckpointException(
          checkpoint.path(), quote(name) + " lacks its query, key or value: has only " + parts);
    }
    for (String part : parts) {
      TensorInfo info = checkpoint.info(part);
      if (!info.shape().equals(first.shape())
          || info.dtype() != first.dtype()
          || info.shape().isEmpty()) {
        throw new CheckpointException(
            checkpoint.path(),
            "%s (%s %s) and %s (%s %s) cannot be joined"
                .formatted(
                    quote(first.name()),
                    first.dtype(),
                    first.shape(),
                    quote(part),
                    info.dtype(),
                    info.shape()));
      }
    }
    List<Long> shape = new ArrayList<>(first.shape());
    shape.set(0, shape.getFirst() * parts.size());
    try {
      return new TensorInfo(name, first.dtype(), shape);
    } catch (ArithmeticException e) {
      throw new CheckpointException(checkpoint.path(), quote(name) + " is too large", e);
    }
  }

  /** How the file names its tensors. */
  public NameScheme scheme() {
    return scheme;
  }

  /** The checkpoint that this is a view of. */
  public Checkpoint checkpoint() {
    return checkpoint;
  }

  @Override
  public SequencedSet<String> names() {
    return Collections.unmodifiableSequencedSet(entries.sequencedKeySet());
  }

  @Override
  public boolean contains(String name) {
    return entries.containsKey(name);
  }

  /**
   * Canonical name, stored type and canonical shape.
   *
   * @throws NoSuchElementException if there is no such parameter
   */
  public TensorInfo info(String name) {
    return entry(name).info;
  }

  @Override
  public long[] shape(String name) {
    return entry(name).info.dims();
  }

  @Override
  public void readFloats(String name, MemorySegment target) {
    Entry entry = entry(name);
    long needed = Math.multiplyExact(entry.info.elements(), Float.BYTES);
    if (target.byteSize() != needed) {
      throw new IllegalArgumentException(
          "%s of shape %s needs %d bytes as float32; the target has %d"
              .formatted(name, entry.info.shape(), needed, target.byteSize()));
    }
    long size = needed / entry.parts.size();
    for (int i = 0; i < entry.parts.size(); i++) {
      checkpoint.readFloats(entry.parts.get(i), target.asSlice(i * size, size));
    }
  }

  @Override
  public Optional<MemorySegment> mapped(String name) {
    Entry entry = entry(name);
    return entry.parts.size() == 1 ? checkpoint.mapped(entry.parts.getFirst()) : Optional.empty();
  }

  /**
   * The parameter as something to write under its canonical name.
   *
   * @throws NoSuchElementException if there is no such parameter
   */
  public WritableTensor writable(String name) {
    Entry entry = entry(name);
    return new WritableTensor() {
      @Override
      public TensorInfo info() {
        return entry.info;
      }

      @Override
      public void writeTo(Sink sink) throws IOException {
        for (String part : entry.parts) {
          checkpoint.writable(part).writeTo(sink);
        }
      }
    };
  }

  /**
   * Checks that everything a network needs is there.
   *
   * @param expected shapes by canonical name
   * @return the names that are there and not expected
   * @throws CheckpointException that names the missing and the misshapen tensors
   */
  public List<String> require(Map<String, long[]> expected) throws CheckpointException {
    Comparison comparison = compare(expected);
    if (!comparison.complete()) {
      throw new CheckpointException(checkpoint.path(), comparison.problem());
    }
    return comparison.unused();
  }

  private Entry entry(String name) {
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new NoSuchElementException(checkpoint.path() + " has no tensor " + quote(name));
    }
    return entry;
  }
}
