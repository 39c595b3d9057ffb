package dev.fathom.training.stage;

import dev.fathom.bindings.CpuIsa;
import dev.fathom.nn.Device;
import dev.fathom.nn.checkpoint.CheckpointException;
import dev.fathom.nn.checkpoint.InferredModel;
import dev.fathom.nn.checkpoint.SafeTensorsWriter;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Weights;
import dev.fathom.nn.model.DepthAnything;
import dev.fathom.nn.model.DinoV2;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.PatchClassifier;
import dev.fathom.nn.model.RandomWeights;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.optim.AdamW;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.training.UserException;
import dev.fathom.training.config.ConfigReader;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.PseudoLabelSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.LongFunction;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The stages of a run, each from the files of those before to files of its own. A stage that is
 * complete is not done again, one that was stopped goes on where it was.
 */
public final class Stages implements AutoCloseable {

  /** Folder of the encoder that is pretrained where no checkpoint is given. */
  public static final String ENCODER = "encoder";

  /** Folder of the first network. */
  public static final String TEACHER = "teacher";

  /** Folder of the teacher's disparities of the unlabelled pictures. */
  public static final String LABELS = "pseudo-labels";

  /** Folder of the second network. */
  public static final String STUDENT = "student";

  private final RunConfig config;
  private final RunFolder run;
  private final Sources sources;
  private final StageListener listener;
  private final ModelConfig model;
  private final Backend backend;

  /**
   * The stages of a run in a folder.
   *
   * @throws UserException if the configuration describes no network
   */
  public Stages(RunConfig config, RunFolder run, Sources sources, StageListener listener) {
    this.sources = sources;
    this.config = config;
    this.run = run;
    this.listener = listener;
    model = ModelSetup.network(config);
    int threads =
        config.threads() > 0 ? config.threads() : Runtime.getRuntime().availableProcessors();
    backend = open(config, threads, listener);
  }

  private static Backend open(RunConfig config, int threads, StageListener listener) {
    try {
      return Device.of(config.device())
          .open(
              threads, CpuIsa.AUTO, ModelSetup.kernels(config), note -> listener.note(note.get()));
    } catch (IllegalArgumentException | IllegalStateException e) {
      throw new UserException("device", String.valueOf(e.getMessage()), e);
    }
  }

  /** The network's shape. */
  public ModelConfig model() {
    return model;
  }

  /**
   * The encoder that teacher and student start from and that features are aligned to: the
   * configured checkpoint, or one pretrained here.
   *
   * @return its file
   * @throws UserException if the checkpoint is not there, or none is given and there is nothing to
   *     pretrain on
   */
  public Path encoder() throws IOException {
    String given = config.model().encoder();
    if (given != null) {
      Path file = Path.of(given);
      ModelSetup.requireEncoder("model.encoder", file, model);
      return file;
    }
    Path result = run.weights(ENCODER);
    if (Files.exists(result)) {
      return result;
    }
    requirePretraining(config);
    RunConfig.Pretrain settings = config.pretrain();
    listener.note("no encoder checkpoint is given: one is pretrained on classes of patches");
    Path folder = run.stage(ENCODER);
    try (DataSet pictures = sources.open("pretrain.sources", settings.sources())) {
      Sources.requireClasses("pretrain.sources", pictures);
      try (Learner<PatchClassifier> learner =
          new Learner<>(
              backend,
              new RandomWeights(config.seed()),
              loader -> new PatchClassifier(loader, model, settings.classes()))) {
        Trainer.Plan plan =
            new Trainer.Plan(
                "encoder",
                settings.steps(),
                ModelSetup.schedule(
                    settings.schedule(), settings.warmupSteps(), config.optimiser()),
                List.of(new AdamW.Group("all", settings.rate(), _ -> true)),
                settings.weightDecay(),
                Map.of());
        train(
            learner,
            plan,
            folder,
            step ->
                new ClassifierObjective(
                    learner,
                    new LoadedSamples(
                        pictures, config, step * settings.batch(), run.badSamples(ENCODER)),
                    config,
                    model.patch()),
            OptionalDouble::empty,
            name -> name.startsWith(PatchClassifier.ENCODER + "."),
            result);
      }
    }
    return result;
  }

  static void requirePretraining(RunConfig config) {
    if (config.pretrain().sources().isEmpty()) {
      throw new UserException(
          "model.encoder",
          "no DINOv2 checkpoint is given, and pretrain.sources names no pictures with classes to"
              + " pretrain an encoder on");
    }
  }

  /**
   * Trains the teacher on labelled pictures.
   *
   * @return its weights: those of the last step, or their moving average
   * @throws UserException if the data sets cannot be opened, too many samples are bad, or too many
   *     steps in a row had no finite loss
   */
  public Path teacher() throws IOException {
    Path result = run.weights(TEACHER);
    if (Files.exists(result)) {
      return result;
    }
    RunConfig.Teacher settings = config.teacher();
    Path encoder = encoder();
    try (DataSet all = sources.open("data.labelled", config.data().labelled());
        Validated sets = Validated.of(config, sources, all)) {
      Sources.requireTruth("data.labelled", sets.training());
      long steps =
          steps(settings.steps(), settings.epochs(), sets.training().size(), settings.batch());
      try (Learner<DepthAnything> learner = depthLearner(encoder, 1)) {
        Trainer.Plan plan =
            plan(
                "teacher",
                steps,
                settings.schedule(),
                settings.warmupSteps(),
                settings.encoderRate(),
                settings.headRate());
        train(
            learner,
            plan,
            run.stage(TEACHER),
            step ->
                new SupervisedObjective(
                    learner,
                    new LoadedSamples(
                        sets.training(), config, step * settings.batch(), run.badSamples(TEACHER)),
                    config,
                    settings.batch(),
                    settings.flip(),
                    settings.recompute()),
            new Validator(learner, sets.validation(), config),
            _ -> true,
            result);
      }
    }
    return result;
  }

  /**
   * Lets the teacher annotate the unlabelled pictures.
   *
   * @param teacher its weights
   * @return the folder of the disparities
   * @throws UserException if the data sets cannot be opened or too many samples are bad
   */
  public Path pseudoLabels(Path teacher) throws IOException {
    Path folder = run.stage(LABELS);
    if (!Files.exists(folder.resolve(PseudoLabelling.DONE))) {
      try (DataSet pictures = sources.open("data.unlabelled", config.data().unlabelled())) {
        new PseudoLabelling(config, listener, run.badSamples(LABELS))
            .run(pictures, teacher, folder);
      }
    }
    return folder;
  }

  /**
   * Trains the student on labelled pictures and on unlabelled ones with the teacher's disparities.
   *
   * @param labels the folder of the disparities; null to train on labelled pictures alone
   * @return its weights: those of the last step, or their moving average
   * @throws UserException as {@link #teacher}, or if the disparities are of other pictures
   */
  public Path student(@Nullable Path labels) throws IOException {
    Path result = run.weights(STUDENT);
    if (Files.exists(result)) {
      return result;
    }
    RunConfig.Student settings = config.student();
    Path encoder = encoder();
    try (DataSet all = sources.open("data.labelled", config.data().labelled());
        Validated sets = Validated.of(config, sources, all);
        BlockMemory frozenMemory = backend.newMemory()) {
      Sources.requireTruth("data.labelled", sets.training());
      DataSet unlabelled =
          labels != null && settings.unlabelled() ? labelledByTeacher(labels) : null;
      try (unlabelled;
          Learner<DepthAnything> learner = depthLearner(encoder, 2)) {
        int labelledBatch = settings.labelledBatch();
        int unlabelledBatch = labelledBatch * settings.unlabelledPerLabelled();
        long steps =
            unlabelled == null
                ? steps(settings.steps(), settings.epochs(), sets.training().size(), labelledBatch)
                : steps(settings.steps(), settings.epochs(), unlabelled.size(), unlabelledBatch);
        Trainer.Plan plan =
            plan(
                "student",
                steps,
                settings.schedule(),
                settings.warmupSteps(),
                settings.encoderRate(),
                settings.headRate());
        DinoV2 frozen =
            unlabelled != null && settings.alignment().enabled()
                ? frozenEncoder(encoder, frozenMemory)
                : null;
        train(
            learner,
            plan,
            run.stage(STUDENT),
            step -> {
              SupervisedObjective labelled =
                  new SupervisedObjective(
                      learner,
                      new LoadedSamples(
                          sets.training(), config, step * labelledBatch, run.badSamples(STUDENT)),
                      config,
                      labelledBatch,
                      settings.flip(),
                      settings.recompute());
              SampleStream stream =
                  unlabelled == null
                      ? null
                      : new LoadedSamples(
                          unlabelled,
                          config,
                          step * unlabelledBatch,
                          run.stage(STUDENT).resolve("bad-samples-unlabelled.tsv"));
              return new StudentObjective(learner, labelled, stream, frozen, config);
            },
            new Validator(learner, sets.validation(), config),
            _ -> true,
            result);
      }
    }
    return result;
  }

  private DataSet labelledByTeacher(Path labels) {
    DataSet pictures = sources.open("data.unlabelled", config.data().unlabelled());
    try {
      PseudoLabelSet set = PseudoLabelSet.open(pictures, labels);
      if (set.missing() > 0) {
        listener.warn(
            set.missing() + " of " + pictures.size() + " unlabelled pictures have no pseudo-label");
      }
      return set;
    } catch (RuntimeException e) {
      pictures.close();
      throw e;
    }
  }

  /** A network that starts from the encoder, with a new head. */
  private Learner<DepthAnything> depthLearner(Path encoder, int which) throws CheckpointException {
    return ModelSetup.withWeights(
        encoder,
        weights -> {
          Weights first = ModelSetup.fromEncoder(weights, model, config.seed() * 1000 + which);
          return new Learner<>(backend, first, loader -> new DepthAnything(loader, model));
        });
  }

  private DinoV2 frozenEncoder(Path encoder, BlockMemory memory) throws CheckpointException {
    return ModelSetup.withWeights(
        encoder,
        weights ->
            new DinoV2(
                new Loader(backend, memory, ModelSetup.fromEncoder(weights, model, 0)),
                PatchClassifier.ENCODER,
                model));
  }

  private Trainer.Plan plan(
      String name, long steps, String schedule, int warmup, double encoderRate, double headRate) {
    Predicate<String> encoder = parameter -> parameter.startsWith(PatchClassifier.ENCODER + ".");
    return new Trainer.Plan(
        name,
        steps,
        ModelSetup.schedule(schedule, warmup, config.optimiser()),
        List.of(
            new AdamW.Group("encoder", encoderRate, encoder),
            new AdamW.Group("head", headRate, encoder.negate())),
        config.optimiser().weightDecay(),
        InferredModel.metadata(model));
  }

  private <N> void train(
      Learner<N> learner,
      Trainer.Plan plan,
      Path folder,
      LongFunction<Objective> objective,
      Trainer.Validation validation,
      Predicate<String> kept,
      Path result)
      throws IOException {
    Files.createDirectories(folder);
    Checkpoints checkpoints =
        new Checkpoints(
            folder.resolve("checkpoints"),
            config.checkpoint().keep(),
            config.seed(),
            ConfigReader.write(config));
    Trainer<N> trainer = new Trainer<>(learner, plan, config, checkpoints, listener);
    var _ = trainer.run(objective, validation, step -> StageLog.open(folder, step));
    try (NativeMemory host = new NativeMemory()) {
      SafeTensorsWriter.write(
          result, learner.tensors(host, learner.parameters().values(), "", kept), plan.metadata());
    }
  }

  private static long steps(long fixed, double epochs, int size, int batch) {
    return fixed > 0 ? fixed : Math.max(1, Math.round(epochs * size / batch));
  }

  @Override
  public void close() {
    backend.close();
  }
}
