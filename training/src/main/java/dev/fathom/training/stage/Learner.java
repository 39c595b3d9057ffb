package dev.fathom.training.stage;

import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.autograd.Parameters;
import dev.fathom.nn.checkpoint.Checkpoint;
import dev.fathom.nn.checkpoint.CheckpointException;
import dev.fathom.nn.checkpoint.WritableTensor;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Weights;
import dev.fathom.nn.model.ParameterShapes;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.CachingMemory;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * A network in training with its parameters and its memory.
 *
 * @param <N> the network's class
 */
final class Learner<N> implements AutoCloseable {

  private final Backend backend;
  private final CachingMemory memory;
  private final Parameters parameters;
  private final N network;

  /**
   * A network in training.
   *
   * @param build makes it from a loader
   */
  Learner(Backend backend, Weights first, Function<Loader, N> build) {
    this.backend = backend;
    memory = new CachingMemory(backend.newMemory());
    try {
      parameters = new Parameters(backend, memory, ParameterShapes.readBy(build));
      network = build.apply(new Loader(backend, memory, first, parameters));
    } catch (RuntimeException | Error e) {
      memory.close();
      throw e;
    }
  }

  Backend backend() {
    return backend;
  }

  CachingMemory memory() {
    return memory;
  }

  Parameters parameters() {
    return parameters;
  }

  N network() {
    return network;
  }

  /**
   * The parts of an arena, such as the values or a moment, as tensors for a file.
   *
   * @param host holds copies of what lies on a device; the tensors are valid until it is closed
   */
  List<WritableTensor> tensors(
      NativeMemory host, Tensor arena, String prefix, Predicate<String> wanted) {
    Tensor readable = arena;
    if (arena.onDevice()) {
      readable = host.allocate(arena.shape());
      backend.transfer().read(arena, readable);
    }
    List<WritableTensor> tensors = new ArrayList<>();
    for (Parameter parameter : parameters.all()) {
      if (wanted.test(parameter.name())) {
        Tensor part = parameters.slice(readable, parameter);
        tensors.add(
            WritableTensor.floats(
                prefix + parameter.name(),
                part.data().asSlice(0, part.bytes()),
                parameter.shape()));
      }
    }
    return tensors;
  }

  /**
   * Reads an arena that {@link #tensors} gave.
   *
   * @throws CheckpointException if a tensor is missing or of another shape
   */
  void read(Checkpoint source, Tensor arena, String prefix) throws CheckpointException {
    for (Parameter parameter : parameters.all()) {
      String name = prefix + parameter.name();
      if (!source.contains(name) || !Arrays.equals(source.info(name).dims(), parameter.shape())) {
        throw new CheckpointException(
            source.path(), name + " is missing or not of the shape " + parameter);
      }
    }
    try (NativeMemory host = new NativeMemory()) {
      Tensor readable = arena.onDevice() ? host.allocate(arena.shape()) : arena;
      if (readable != arena) {
        // Padding between parameters stays as it is.
        backend.transfer().read(arena, readable);
      }
      for (Parameter parameter : parameters.all()) {
        Tensor part = parameters.slice(readable, parameter);
        // A slice's memory goes on to the end of its arena.
        source.readFloats(prefix + parameter.name(), part.data().asSlice(0, part.bytes()));
      }
      if (readable != arena) {
        backend.transfer().write(readable, arena);
      }
    }
    parameters.changed();
  }

  @Override
  public void close() {
    memory.close();
  }
}
