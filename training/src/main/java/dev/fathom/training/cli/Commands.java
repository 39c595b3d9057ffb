package dev.fathom.training.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import picocli.CommandLine;

/**
 * The commands by name, in the order that the help shows them. Only the one that is asked for is
 * instantiated: reading a command's annotations costs more than starting a small one.
 */
final class Commands {
  private static final Map<String, Supplier<Object>> ALL = new LinkedHashMap<>();

  static {
    ALL.put("predict", PredictCommand::new);
    ALL.put("weights", WeightsCommand::new);
    ALL.put("selftrain", SelfTrainCommand::new);
    ALL.put("train", TrainCommand::new);
    ALL.put("ablate", AblateCommand::new);
    ALL.put("pseudo-label", PseudoLabelCommand::new);
    ALL.put("evaluate", EvaluateCommand::new);
    ALL.put("synth", SynthCommand::new);
    ALL.put("convert", ConvertCommand::new);
    ALL.put("info", InfoCommand::new);
    ALL.put("smoke", SmokeCommand::new);
  }

  private Commands() {}

  /**
   * Adds to {@code root} the command that {@code args} names, or all of them when it names none
   * (help, a misspelt name).
   */
  static void addTo(CommandLine root, String... args) {
    for (String arg : args) {
      Supplier<Object> command = ALL.get(arg);
      if (command != null) {
        root.addSubcommand(arg, command.get());
        return;
      }
      if (!arg.startsWith("-")) {
        break;
      }
    }
    ALL.forEach((name, command) -> root.addSubcommand(name, command.get()));
  }
}
