package dev.fathom.training.cli;

import dev.fathom.training.UserException;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.stage.SelfTraining;
import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;

/** {@code fathom selftrain}: teacher, pseudo-labels, student, comparison. */
@CommandLine.Command(
    name = "selftrain",
    description = "Runs the whole pipeline: teacher, pseudo-labels, student, comparison.",
    footer = {
      "",
      "Ends with DIR/report.html and DIR/metrics.json. Run again, it goes on where it was stopped,",
      "and ends with the same numbers as a run that was not."
    })
final class SelfTrainCommand extends Command {

  @Mixin private RunOptions run = new RunOptions();

  @Override
  protected int run(Console console) throws Exception {
    RunConfig config = run.read();
    if (config.data().unlabelled().isEmpty() && config.student().unlabelled()) {
      throw new UserException(
          "data.unlabelled",
          "no unlabelled pictures; name some, or set student.unlabelled=false to train on the"
              + " labelled ones alone");
    }
    SelfTraining.run(config, run.out(), new ConsoleListener(console));
    Path report = run.out().resolve("report.html");
    console.note("report in " + report);
    return ExitCode.OK;
  }
}
