package dev.fathom.nn.autograd;

import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The parameters of a network in training: all values in one flat arena and all gradients in
 * another, in the order of the network, so that the optimiser is one loop over numbers. Between two
 * parameters there may be padding, which is 0 in both. Who writes into {@link #values} must call
 * {@link #changed} before the next forward pass. Not thread-safe.
 */
public final class Parameters {

  /** Floats to which parameters are aligned: a cache line. */
  private static final long ALIGNMENT = 16;

  private final Backend backend;
  private final Memory memory;
  private final Map<String, Long> offsets = new LinkedHashMap<>();
  private final Map<String, long[]> shapes;
  private final SequencedMap<String, Parameter> parameters = new LinkedHashMap<>();
  private final Tensor values;
  private final Tensor gradients;
  private @Nullable Tensor rounded;
  private long version;
  private long roundedVersion = -1;

  /**
   * Room for parameters; their values come when layers are built.
   *
   * @param memory keeps the arenas and the forms that operators read
   * @param shapes by name, in the order of the network
   */
  public Parameters(Backend backend, Memory memory, SequencedMap<String, long[]> shapes) {
    this.backend = backend;
    this.memory = memory;
    this.shapes = shapes;
    long end = 0;
    for (Map.Entry<String, long[]> shape : shapes.entrySet()) {
      offsets.put(shape.getKey(), end);
      end += aligned(Tensor.sizeOf(shape.getValue()));
    }
    values = memory.allocate(end);
    gradients = memory.allocate(end);
    backend.vector().fill(values, 0);
    backend.vector().fill(gradients, 0);
  }

  private static long aligned(long size) {
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  /**
   * Adds a parameter, for the loader of the layers. Its value is undefined until it is set.
   *
   * @throws IllegalArgumentException if no room was made for the name, or it was added before
   */
  public Parameter add(String name, Parameter.@Nullable Packing packing) {
    return add(name, packing, false);
  }

  /**
   * Adds a parameter whose operator reads the value rounded to the backend's type of activations.
   *
   * @throws IllegalArgumentException as {@link #add}
   */
  public Parameter addRounded(String name) {
    return add(name, null, true);
  }

  private Parameter add(String name, Parameter.@Nullable Packing packing, boolean toBeRounded) {
    Long offset = offsets.get(name);
    long[] shape = shapes.get(name);
    if (offset == null || shape == null) {
      throw new IllegalArgumentException("no room was made for a parameter " + name);
    }
    Parameter parameter =
        new Parameter(
            name,
            this,
            values.slice(offset, shape),
            gradients.slice(offset, shape),
            packing,
            toBeRounded,
            memory);
    if (parameters.put(name, parameter) != null) {
      throw new IllegalArgumentException("two parameters are named " + name);
    }
    return parameter;
  }

  /** All parameters, in the order in which layers asked for them. */
  public Collection<Parameter> all() {
    return Collections.unmodifiableCollection(parameters.values());
  }

  /**
   * A parameter by name.
   *
   * @throws IllegalArgumentException if there is none
   */
  public Parameter get(String name) {
    Parameter parameter = parameters.get(name);
    if (parameter == null) {
      throw new IllegalArgumentException("no parameter is named " + name);
    }
    return parameter;
  }

  /** Number of elements of all parameters, without padding. */
  public long count() {
    return parameters.values().stream().mapToLong(Parameter::size).sum();
  }

  /** Floats of an arena, with padding. */
  public long arenaSize() {
    return values.size();
  }

  /** All values. */
  public Tensor values() {
    return values;
  }

  /** All gradients. */
  public Tensor gradients() {
    return gradients;
  }

  /** Says that values changed, so that operators' forms are made again. */
  public void changed() {
    version++;
  }

  /** As {@link #changed}, where {@link #currentRounded} was given the new values, too. */
  public void changedWithRounded() {
    version++;
    roundedVersion = version;
  }

  /** All values rounded to the backend's type of activations: an arena as theirs. */
  Tensor rounded() {
    if (backend.activationType() == ElementType.FLOAT32) {
      return values;
    }
    Tensor arena = rounded;
    if (arena == null) {
      arena = memory.allocate(backend.activationType(), values.size());
      rounded = arena;
    }
    if (roundedVersion != version) {
      backend.vector().round(values, arena);
      roundedVersion = version;
    }
    return arena;
  }

  /**
   * The values rounded to the backend's type of activations, if operators read such and they are
   * those of the values: who changes the values may keep them so.
   */
  public @Nullable Tensor currentRounded() {
    return roundedVersion == version ? rounded : null;
  }

  /** Rises with every change of the values. */
  long version() {
    return version;
  }

  /** Sets all gradients to 0. */
  public void zeroGradients() {
    backend.vector().fill(gradients, 0);
  }

  /** Excludes the parameters whose names satisfy the condition from training. */
  public void freeze(Predicate<String> condition) {
    parameters.values().forEach(parameter -> parameter.freeze(condition.test(parameter.name())));
  }

  /** A stretch of an arena. */
  public record Range(long offset, long size) {}

  /** The stretches of the arenas with the trainable parameters that satisfy the condition. */
  public List<Range> ranges(Predicate<String> condition) {
    List<Range> ranges = new ArrayList<>();
    for (Map.Entry<String, Long> entry : offsets.entrySet()) {
      Parameter parameter = parameters.get(entry.getKey());
      if (parameter == null || !parameter.trainable() || !condition.test(entry.getKey())) {
        continue;
      }
      Range next = new Range(entry.getValue(), aligned(parameter.size()));
      if (!ranges.isEmpty() && ranges.getLast().offset + ranges.getLast().size == next.offset) {
        next = new Range(ranges.getLast().offset, ranges.getLast().size + next.size);
        ranges.removeLast();
      }
      ranges.add(next);
    }
    return ranges;
  }

  /**
   * The part of an arena-sized tensor, such as an optimiser's moments, that is this parameter's.
   *
   * @throws IllegalArgumentException if the tensor is not of an arena's size, or the parameter not
   *     one of these
   */
  public Tensor slice(Tensor arena, Parameter parameter) {
    Long offset = offsets.get(parameter.name());
    if (offset == null || arena.size() != arenaSize()) {
      throw new IllegalArgumentException(parameter + " has no part in a tensor " + arena);
    }
    return arena.slice(offset, parameter.shape());
  }
}
