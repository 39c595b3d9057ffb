package dev.fathom.training.cli;

import dev.fathom.training.UserException;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.stage.Ablation;
import dev.fathom.training.stage.AblationReport;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code fathom ablate}: the paper's ablation on the configured data. */
@CommandLine.Command(
    name = "ablate",
    description = "Repeats the paper's ablation: what each part of the student's training gives.",
    footer = {
      "",
      "Trains a teacher and five students for each seed. Ends with DIR/ablation.md, DIR/ablation.json",
      "and DIR/ablation.html. Run again, it goes on where it was stopped. In the folder of a run, or",
      "in 'ablation' below it, the run's report shows the table."
    })
final class AblateCommand extends Command {

  @Mixin private RunOptions run = new RunOptions();

  @Option(
      names = "--seeds",
      split = ",",
      paramLabel = "SEED",
      description = "Seeds, separated by commas. Default: 1,2,3.")
  private List<Long> seeds = new ArrayList<>(List.of(1L, 2L, 3L));

  @Override
  protected int run(Console console) throws Exception {
    RunConfig config = run.read();
    if (config.data().test().isEmpty()) {
      throw new UserException("data.test", "no test sets to compare on");
    }
    if (seeds.stream().distinct().count() != seeds.size()) {
      throw new UserException("--seeds", "a seed is given twice");
    }
    Ablation ablation = new Ablation(config, run.out(), seeds, new ConsoleListener(console));
    ablation.run();
    AblationReport.write(config, run.out(), ablation);
    console.out().print(Files.readString(run.out().resolve("ablation.md")));
    console.out().flush();
    return ExitCode.OK;
  }
}
