package dev.fathom.training.stage;

import dev.fathom.nn.checkpoint.AtomicFile;
import dev.fathom.nn.checkpoint.Checkpoint;
import dev.fathom.nn.checkpoint.CheckpointException;
import dev.fathom.nn.checkpoint.SafeTensorsWriter;
import dev.fathom.nn.checkpoint.WritableTensor;
import dev.fathom.nn.optim.AdamW;
import dev.fathom.nn.optim.MovingAverage;
import dev.fathom.nn.tensor.NativeMemory;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * The checkpoints of one stage, in a folder: for each step kept, {@code step-00000100.safetensors}
 * (weights), {@code step-00000100.optimiser.safetensors} (moments, and the average of the weights
 * if there is one) and {@code step-00000100.json}, which is written last: a step without it was
 * interrupted and does not count. {@code best.safetensors} has the weights of the lowest validation
 * loss.
 */
final class Checkpoints {

  private static final Pattern NAME = Pattern.compile("step-(\\d{8})\\.json");

  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(SerializationFeature.INDENT_OUTPUT)
          .propertyNamingStrategy(PropertyNamingStrategies.KEBAB_CASE)
          .build();

  private final Path folder;
  private final int keep;
  private final long seed;
  private final String config;

  /**
   * The checkpoints in a folder, which is made if need be.
   *
   * @param keep how many of the last are kept
   * @param seed the run's
   * @param config the run's configuration, kept in each
   */
  Checkpoints(Path folder, int keep, long seed, String config) throws IOException {
    this.folder = folder;
    this.keep = keep;
    this.seed = seed;
    this.config = config;
    Files.createDirectories(folder);
    removeRemains();
  }

  /** The steps that can be resumed from, last first. */
  List<Long> steps() throws IOException {
    List<Long> steps = new ArrayList<>();
    for (Path file : files()) {
      Matcher matcher = NAME.matcher(String.valueOf(file.getFileName()));
      if (matcher.matches()) {
        steps.add(Long.parseLong(matcher.group(1)));
      }
    }
    steps.sort(Comparator.reverseOrder());
    return steps;
  }

  /** The weights file of a step. */
  Path weights(long step) {
    return folder.resolve(name(step) + ".safetensors");
  }

  /** The weights of the lowest validation loss. */
  Path best() {
    return folder.resolve("best.safetensors");
  }

  /** Writes a checkpoint; the ones before it stay until it is complete. */
  <N> void save(
      Learner<N> learner,
      AdamW optimiser,
      @Nullable MovingAverage average,
      TrainingState state,
      Map<String, String> metadata)
      throws IOException {
    saveWeights(weights(state.step()), learner, metadata);
    try (NativeMemory host = new NativeMemory()) {
      List<WritableTensor> moments = new ArrayList<>();
      moments.addAll(learner.tensors(host, optimiser.firstMoments(), "m.", _ -> true));
      moments.addAll(learner.tensors(host, optimiser.secondMoments(), "v.", _ -> true));
      if (average != null) {
        moments.addAll(learner.tensors(host, average.average(), "average.", _ -> true));
      }
      SafeTensorsWriter.write(optimiserFile(state.step()), moments, Map.of());
    }
    byte[] json =
        JSON.writeValueAsBytes(
            new Description(
                state.step(),
                state.updates(),
                state.skipped(),
                state.badInARow(),
                Double.isInfinite(state.best()) ? null : state.best(),
                state.bestStep(),
                seed,
                config));
    AtomicFile.write(description(state.step()), out -> out.write(ByteBuffer.wrap(json)));
    removeOld();
  }

  /**
   * Reads the last checkpoint that is whole.
   *
   * @param damaged is told of each later one that is not
   * @return where it stands; empty if there is none
   * @throws CheckpointException if there are some and none can be read
   */
  <N> Optional<TrainingState> restore(
      Learner<N> learner,
      AdamW optimiser,
      @Nullable MovingAverage average,
      Consumer<CheckpointException> damaged)
      throws IOException {
    CheckpointException problem = null;
    for (long step : steps()) {
      try {
        Description read = read(step);
        try (Checkpoint weights = Checkpoint.open(weights(step));
            Checkpoint moments = Checkpoint.open(optimiserFile(step))) {
          learner.read(weights, learner.parameters().values(), "");
          learner.read(moments, optimiser.firstMoments(), "m.");
          learner.read(moments, optimiser.secondMoments(), "v.");
          if (average != null) {
            learner.read(moments, average.average(), "average.");
          }
        }
        optimiser.restore(read.updates());
        return Optional.of(
            new TrainingState(
                read.step(),
                read.updates(),
                read.skipped(),
                read.badInARow() == null ? 0 : read.badInARow(),
                read.best() == null ? Double.POSITIVE_INFINITY : read.best(),
                read.bestStep()));
      } catch (CheckpointException e) {
        // The one before may be whole.
        damaged.accept(e);
        problem = e;
      }
    }
    if (problem != null) {
      throw problem;
    }
    return Optional.empty();
  }

  /** Writes the weights of the lowest validation loss yet. */
  <N> void saveBest(Learner<N> learner, Map<String, String> metadata) throws IOException {
    saveWeights(best(), learner, metadata);
  }

  private static <N> void saveWeights(Path file, Learner<N> learner, Map<String, String> metadata)
      throws IOException {
    try (NativeMemory host = new NativeMemory()) {
      SafeTensorsWriter.write(
          file, learner.tensors(host, learner.parameters().values(), "", _ -> true), metadata);
    }
  }

  /**
   * What is in the JSON file.
   *
   * @param badInARow null in files of the versions that did not write it
   */
  record Description(
      long step,
      long updates,
      long skipped,
      @Nullable Integer badInARow,
      @Nullable Double best,
      long bestStep,
      long seed,
      String config) {}

  private Description read(long step) throws CheckpointException {
    Path file = description(step);
    try {
      return JSON.readValue(Files.readAllBytes(file), Description.class);
    } catch (IOException | JacksonException e) {
      throw new CheckpointException(file, "cannot be read", e);
    }
  }

  /** Removes what interrupted runs left: files of steps without description, temporary files. */
  private void removeRemains() throws IOException {
    List<String> whole = steps().stream().map(Checkpoints::name).toList();
    for (Path file : files()) {
      String name = String.valueOf(file.getFileName());
      boolean ofStep = name.startsWith("step-") && !name.endsWith(".json");
      boolean orphan = ofStep && whole.stream().noneMatch(name::startsWith);
      if (orphan || (name.startsWith(".fathom-") && name.endsWith(".tmp"))) {
        Files.deleteIfExists(file);
      }
    }
  }

  private void removeOld() throws IOException {
    List<Long> steps = steps();
    for (long step : steps.subList(Math.min(keep, steps.size()), steps.size())) {
      // The description first: without it the rest does not count.
      Files.deleteIfExists(description(step));
      Files.deleteIfExists(optimiserFile(step));
      Files.deleteIfExists(weights(step));
    }
  }

  private List<Path> files() throws IOException {
    List<Path> files = new ArrayList<>();
    try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder)) {
      stream.forEach(files::add);
    }
    return files;
  }

  private Path description(long step) {
    return folder.resolve(name(step) + ".json");
  }

  private Path optimiserFile(long step) {
    return folder.resolve(name(step) + ".optimiser.safetensors");
  }

  private static String name(long step) {
    return "step-%08d".formatted(step);
  }
}
