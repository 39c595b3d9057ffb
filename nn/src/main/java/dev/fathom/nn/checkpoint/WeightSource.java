package dev.fathom.nn.checkpoint;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.SequencedSet;
import java.util.regex.Pattern;

/** A network's parameters by their canonical names, those of the published checkpoints. */
public interface WeightSource {
  /** The names; cannot be modified. */
  SequencedSet<String> names();

  default boolean contains(String name) {
    return names().contains(name);
  }

  /**
   * A new array of a parameter's sizes, outermost first.
   *
   * @throws NoSuchElementException if there is no such parameter
   */
  long[] shape(String name);

  /**
   * Converts a parameter to contiguous float32.
   *
   * @param target as many floats as the parameter has elements, in native byte order
   * @throws NoSuchElementException if there is no such parameter
   * @throws IllegalArgumentException if the target's size is another
   */
  void readFloats(String name, MemorySegment target);

  /** A parameter where it lies, if it can be used in place as contiguous float32; read only. */
  default Optional<MemorySegment> mapped(String name) {
    return Optional.empty();
  }

  /**
   * Compares what there is with what a network needs. Parameters that the published checkpoints
   * have and no network uses may be there or not (see {@link #neverUsed}).
   *
   * @param expected shapes by canonical name
   */
  default Comparison compare(Map<String, long[]> expected) {
    List<String> missing = new ArrayList<>();
    Map<String, Misshapen> misshapen = new LinkedHashMap<>();
    expected.forEach((name, shape) -> {
      if (!contains(name)) {
        if (!neverUsed(name)) {
          missing.add(name);
        }
      } else if (!Arrays.equals(shape, shape(name))) {
        misshapen.put(name, new Misshapen(list(shape), list(shape(name))));
      }
    });
    List<String> unused =
        names().stream().filter(name -> !expected.containsKey(name) && !neverUsed(name)).toList();
    return new Comparison(missing, misshapen, unused);
  }

  /**
   * Whether a canonical name is one of the parameters that published checkpoints contain and the
   * network never reads: the mask token of DINOv2's training, and the residual unit for the input
   * that the first fusion block does not have.
   */
  static boolean neverUsed(String name) {
    return NeverUsed.PATTERN.matcher(name).matches();
  }

  /** Shapes that differ; outermost size first. */
  record Misshapen(List<Long> expected, List<Long> found) {}

  /**
   * The outcome of a comparison.
   *
   * @param missing expected and not there
   * @param misshapen there with another shape
   * @param unused there and not expected
   */
  record Comparison(List<String> missing, Map<String, Misshapen> misshapen, List<String> unused) {
    private static final int NAMED = 5;

    /** Whether everything needed is there in the right shape. */
    public boolean complete() {
      return missing.isEmpty() && misshapen.isEmpty();
    }

    /** On one line, what is missing and what is misshapen, at most five of each by name. */
    public String problem() {
      List<String> parts = new ArrayList<>();
      if (!missing.isEmpty()) {
        parts.add(
            "%d %s missing: %s"
                .formatted(
                    missing.size(),
                    missing.size() == 1 ? "tensor is" : "tensors are",
                    some(missing)));
      }
      if (!misshapen.isEmpty()) {
        List<String> shapes =
            misshapen.entrySet().stream()
                .map(entry ->
                    "%s is %s instead of %s"
                        .formatted(
                            entry.getKey(), entry.getValue().found(), entry.getValue().expected()))
                .toList();
        parts.add(
            "%d %s the wrong shape: %s"
                .formatted(
                    shapes.size(),
                    shapes.size() == 1 ? "tensor has" : "tensors have",
                    some(shapes)));
      }
      return String.join("; ", parts);
    }

    private static String some(List<String> all) {
      String named = String.join(", ", all.subList(0, Math.min(NAMED, all.size())));
      return all.size() <= NAMED ? named : named + " and " + (all.size() - NAMED) + " more";
    }
  }

  private static List<Long> list(long[] shape) {
    return Arrays.stream(shape).boxed().toList();
  }

  /** Holds the pattern; an interface's own constants would be public. */
  final class NeverUsed {
    private static final Pattern PATTERN =
        Pattern.compile(
            "pretrained\\.mask_token|depth_head\\.scratch\\.refinenet4\\.resConfUnit1\\..*");

    private NeverUsed() {}
  }
}
