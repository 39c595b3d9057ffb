package dev.fathom.training.cli;

import dev.fathom.training.UserException;
import dev.fathom.training.config.ConfigReader;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.stage.Preflight;
import dev.fathom.training.stage.RunFolder;
import dev.fathom.training.stage.Sources;
import dev.fathom.training.stage.Stages;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code fathom train}: one network on a data set. */
@CommandLine.Command(
    name = "train",
    description =
        "Trains a network: the teacher on labelled pictures, or with --student the student.",
    footer = {
      "",
      "Writes DIR/teacher/weights.safetensors (or DIR/student/...), checkpoints, metrics.jsonl and",
      "TensorBoard events beside it. Run again, it goes on where it was stopped."
    })
final class TrainCommand extends Command {

  @Mixin private RunOptions run = new RunOptions();

  @Option(
      names = "--student",
      description =
          "Train the student, on labelled pictures and on unlabelled ones with the teacher's"
              + " disparities.")
  private boolean student;

  @Option(
      names = "--labels",
      paramLabel = "DIR",
      description =
          "What 'fathom pseudo-label' wrote, for --student. Default: the run's own folder of it.")
  private @Nullable Path labels;

  @Option(names = "--defaults", description = "Print the default configuration and end.")
  private boolean defaults;

  @Override
  protected int run(Console console) throws Exception {
    if (defaults) {
      console.out().print(ConfigReader.defaultsText());
      console.out().flush();
      return ExitCode.OK;
    }
    RunConfig config = run.read();
    if (labels != null && !student) {
      throw new UserException("--labels", "goes with --student only");
    }
    ConsoleListener listener = new ConsoleListener(console);
    Path from = null;
    if (student && config.student().unlabelled()) {
      from = labels != null ? labels : run.out().resolve(Stages.LABELS);
      if (!Files.isDirectory(from)) {
        throw new UserException(
            from.toString(), "no pseudo-labels there; make them with 'fathom pseudo-label'");
      }
    }
    Preflight.check(
        config, run.out(), List.of(student ? Stages.STUDENT : Stages.TEACHER), from, listener);
    try (RunFolder folder = RunFolder.open(run.out(), config);
        Stages stages =
            new Stages(config, folder, new Sources(config.threads(), listener), listener)) {
      Path weights = student ? stages.student(from) : stages.teacher();
      console.note("weights in " + weights);
    }
    return ExitCode.OK;
  }
}
