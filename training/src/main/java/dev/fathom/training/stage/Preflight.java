package dev.fathom.training.stage;

import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.model.DepthAnything;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.ParameterShapes;
import dev.fathom.nn.model.PatchClassifier;
import dev.fathom.nn.tensor.Tensor;
import dev.fathom.training.UserException;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.data.ConcatDataSet;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.PseudoLabelSet;
import dev.fathom.training.synth.SynthDataSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What can be known before the first step: that every data set and every weight that a
 * configuration names can be read, and that the disk has room for the checkpoints. A misspelt name
 * of a later stage is then found at once, and not when that stage begins, hours later. (That the
 * folders can be written is for {@link RunFolder#open}.)
 */
public final class Preflight {

  private static final String ENCODER = "model.encoder";
  private static final String LABELLED = "data.labelled";
  private static final String UNLABELLED = "data.unlabelled";

  private final RunConfig config;
  private final ModelConfig model;
  private final Path folder;
  private final List<String> stages;
  private final StageListener listener;

  private Preflight(RunConfig config, Path folder, List<String> stages, StageListener listener) {
    this.config = config;
    this.folder = folder;
    this.stages = stages;
    this.listener = listener;
    model = ModelSetup.network(config);
  }

  /**
   * Looks at everything that a configuration names, whichever stages are to be run.
   *
   * @param folder of the run; need not be there yet
   * @param stages that are to be run, of {@link Stages}'s names; what they need must be named
   * @param labels pseudo-labels that are there, for a student alone; null where there are none yet
   * @throws UserException if something is missing or cannot be read, in one line with the key of
   *     the configuration and the file
   */
  public static void check(
      RunConfig config,
      Path folder,
      List<String> stages,
      @Nullable Path labels,
      StageListener listener)
      throws IOException {
    Preflight preflight = new Preflight(config, folder, List.copyOf(stages), listener);
    preflight.encoder();
    preflight.dataSets(labels);
  }

  private boolean trains() {
    return stages.contains(Stages.TEACHER) || stages.contains(Stages.STUDENT);
  }

  private void encoder() {
    String given = config.model().encoder();
    if (given != null) {
      ModelSetup.requireEncoder(ENCODER, Path.of(given), model);
      return;
    }
    if (Files.exists(folder.resolve(Stages.ENCODER).resolve(RunFolder.WEIGHTS))) {
      return;
    }
    List<RunConfig.Source> sources = config.pretrain().sources();
    if (trains()) {
      Stages.requirePretraining(config);
    }
    for (int i = 0; i < sources.size(); i++) {
      String key = "pretrain.sources[" + i + "]";
      try (DataSet set = Sources.describe(key, sources.get(i))) {
        if (!(set instanceof SynthDataSet)) {
          Sources.requireClasses(key, set);
        }
      }
    }
  }

  private void dataSets(@Nullable Path labels) throws IOException {
    RunConfig.Data data = config.data();
    labelled(LABELLED, data.labelled(), trains());
    labelled("data.validation", data.validation(), false);
    labelled("data.test", data.test(), false);
    boolean student = stages.contains(Stages.STUDENT) && config.student().unlabelled();
    long pictures = 0;
    if (student || stages.contains(Stages.LABELS) || !data.unlabelled().isEmpty()) {
      require(UNLABELLED, data.unlabelled(), student || stages.contains(Stages.LABELS));
      try (DataSet set = concatenated(UNLABELLED, data.unlabelled())) {
        pictures = set.size();
        if (student && labels != null) {
          // Closes the pictures as well; doing so twice does no harm.
          PseudoLabelSet.open(set, labels).close();
        }
      }
    }
    room(stages.contains(Stages.LABELS) ? pictures : 0);
  }

  private static void require(String key, List<RunConfig.Source> sources, boolean needed) {
    if (needed && sources.isEmpty()) {
      throw new UserException(key, "no data set is given");
    }
  }

  private static void labelled(String key, List<RunConfig.Source> sources, boolean needed) {
    require(key, sources, needed);
    for (int i = 0; i < sources.size(); i++) {
      String name = key + "[" + i + "]";
      try (DataSet set = Sources.describe(name, sources.get(i))) {
        if (!(set instanceof SynthDataSet)) {
          Sources.requireTruth(name, set);
        }
      }
    }
  }

  private static DataSet concatenated(String key, List<RunConfig.Source> sources) {
    List<DataSet> sets = new ArrayList<>();
    try {
      for (int i = 0; i < sources.size(); i++) {
        sets.add(Sources.describe(key + "[" + i + "]", sources.get(i)));
      }
    } catch (RuntimeException e) {
      sets.forEach(DataSet::close);
      throw e;
    }
    return sets.size() == 1 ? sets.getFirst() : new ConcatDataSet(sets);
  }

  private void room(long pictures) throws IOException {
    Path there = folder.toAbsolutePath();
    while (there != null && !Files.exists(there)) {
      there = there.getParent();
    }
    if (there == null) {
      return;
    }
    long usable = Files.getFileStore(there).getUsableSpace();
    long checkpoints = checkpointBytes(config, model, folder, stages);
    requireRoom(folder, checkpoints, usable);
    // Two bytes a pixel at most, in the network's size; how well they pack is known only then.
    double maps = pictures * 2.0 * config.input().side() * config.input().side() * 4 / 3;
    if (usable > 0 && checkpoints + maps > usable) {
      listener.warn(
          String.format(
              Locale.ROOT,
              "%s: %s free, and %d pseudo-labels may take up to %s",
              folder,
              amount((double) usable),
              pictures,
              amount(maps)));
    }
  }

  /**
   * Requires room for the checkpoints.
   *
   * @param usable bytes; 0 or less where the file system does not say
   * @throws UserException if there is less
   */
  static void requireRoom(Path folder, long needed, long usable) {
    if (usable > 0 && needed > usable) {
      throw new UserException(
          folder,
          "the checkpoints take "
              + amount((double) needed)
              + " (checkpoint.keep, beside the best and the last weights), and "
              + amount((double) usable)
              + " are free");
    }
  }

  private static String amount(double bytes) {
    return bytes < 1e9
        ? String.format(Locale.ROOT, "%.0f MB", Math.ceil(bytes / 1e6))
        : String.format(Locale.ROOT, "%.1f GB", bytes / 1e9);
  }

  /**
   * What the stages that train will have on the disk at most, without what they have there already:
   * {@code checkpoint.keep} checkpoints and the one being written, the best weights and the last.
   */
  static long checkpointBytes(RunConfig config, ModelConfig model, Path folder, List<String> stages)
      throws IOException {
    List<String> training = new ArrayList<>(stages);
    training.remove(Stages.LABELS);
    if (!training.isEmpty() && config.model().encoder() == null) {
      training.add(Stages.ENCODER);
    }
    long sum = 0;
    for (String stage : training) {
      Path home = folder.resolve(stage);
      if (Files.exists(home.resolve(RunFolder.WEIGHTS))) {
        continue;
      }
      long weights =
          stage.equals(Stages.ENCODER)
              ? bytes(loader -> new PatchClassifier(loader, model, config.pretrain().classes()))
              : bytes(loader -> new DepthAnything(loader, model));
      int arenas = config.average().decay() > 0 ? 4 : 3;
      long most = weights * ((config.checkpoint().keep() + 1L) * arenas + 2);
      sum += Math.max(0, most - size(home));
    }
    return sum;
  }

  private static long bytes(Function<Loader, ?> network) {
    return ParameterShapes.readBy(network).values().stream()
        .mapToLong(shape -> Tensor.sizeOf(shape) * Float.BYTES)
        .sum();
  }

  private static long size(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return 0;
    }
    long sum = 0;
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : (Iterable<Path>) files.filter(Files::isRegularFile)::iterator) {
        sum += Files.size(file);
      }
    }
    return sum;
  }
}
