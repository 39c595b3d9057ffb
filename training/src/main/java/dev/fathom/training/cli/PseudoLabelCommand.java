package dev.fathom.training.cli;

import dev.fathom.training.UserException;
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

/** {@code fathom pseudo-label}: the teacher annotates the unlabelled pictures. */
@CommandLine.Command(
    name = "pseudo-label",
    description = "Lets the teacher annotate the unlabelled pictures.",
    footer = {
      "",
      "Writes 16-bit disparities as tar shards with an index into DIR/pseudo-labels. Run again, it",
      "goes on behind the last finished shard."
    })
final class PseudoLabelCommand extends Command {

  @Mixin private RunOptions run = new RunOptions();

  @Option(
      names = {"-w", "--weights"},
      paramLabel = "FILE",
      description = "The teacher's weights. Default: those of the run in DIR.")
  private @Nullable Path weights;

  @Override
  protected int run(Console console) throws Exception {
    RunConfig config = run.read();
    ConsoleListener listener = new ConsoleListener(console);
    Path teacher =
        weights != null ? weights : run.out().resolve(Stages.TEACHER).resolve(RunFolder.WEIGHTS);
    if (!Files.exists(teacher)) {
      throw new UserException(
          teacher.toString(), "no such file; train the teacher with 'fathom train'");
    }
    Preflight.check(config, run.out(), List.of(Stages.LABELS), null, listener);
    try (RunFolder folder = RunFolder.open(run.out(), config);
        Stages stages =
            new Stages(config, folder, new Sources(config.threads(), listener), listener)) {
      console.note("disparities in " + stages.pseudoLabels(teacher));
    }
    return ExitCode.OK;
  }
}
