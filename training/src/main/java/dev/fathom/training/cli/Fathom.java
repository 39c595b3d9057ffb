package dev.fathom.training.cli;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The {@code fathom} command: {@code fathom <command> [options]}. */
@CommandLine.Command(
    name = "fathom",
    description = "Depth from a single picture.",
    scope = ScopeType.INHERIT,
    versionProvider = Fathom.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    descriptionHeading = "%n",
    optionListHeading = "%nOptions:%n",
    parameterListHeading = "%nArguments:%n",
    commandListHeading = "%nCommands:%n",
    sortOptions = false,
    usageHelpAutoWidth = true)
public final class Fathom implements Callable<Integer> {
  /** Before this update G1 could move arrays that native code held (JDK-8377811). */
  private static final Runtime.Version OLDEST_JDK = Runtime.Version.parse("25.0.3");

  @Option(
      names = {"-q", "--quiet"},
      scope = ScopeType.INHERIT,
      description = "No progress, no notes; warnings and errors only.")
  private boolean quiet;

  @Option(
      names = "--no-color",
      scope = ScopeType.INHERIT,
      description = "No colours; NO_COLOR in the environment does the same.")
  @SuppressWarnings("UnusedVariable") // run() looks for it in the arguments, before picocli does.
  private boolean noColor;

  @Option(
      names = "--debug",
      scope = ScopeType.INHERIT,
      description = "Detailed messages, and stack traces with errors.")
  private boolean debug;

  @Option(
      names = {"-h", "--help"},
      scope = ScopeType.INHERIT,
      usageHelp = true,
      description = "Show this help.")
  @SuppressWarnings("UnusedVariable") // picocli acts on it.
  private boolean help;

  @Option(names = "--version", versionHelp = true, description = "Show the version.")
  @SuppressWarnings("UnusedVariable") // picocli acts on it.
  private boolean version;

  @Spec private CommandSpec spec;

  private final PrintWriter out;
  private final PrintWriter err;
  private @Nullable Console console;

  private Fathom(PrintWriter out, PrintWriter err) {
    this.out = out;
    this.err = err;
  }

  /** Runs the command line and ends the process with its {@link ExitCode}. */
  public static void main(String[] args) {
    Prelude.start(args);
    int code =
        run(
            new PrintWriter(System.out, false, StandardCharsets.UTF_8),
            new PrintWriter(System.err, true, StandardCharsets.UTF_8),
            args);
    System.exit(code);
  }

  /**
   * Runs the command line within this process.
   *
   * @param out takes results
   * @param err takes messages, progress and errors
   * @return an {@link ExitCode}
   */
  public static int run(PrintWriter out, PrintWriter err, String... args) {
    Fathom fathom = new Fathom(out, err);
    CommandLine line = new CommandLine(fathom);
    Commands.addTo(line, args);
    Errors errors = new Errors(err);
    line.setOut(out)
        .setErr(err)
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setParameterExceptionHandler(errors::usage)
        .setExecutionExceptionHandler(
            (exception, command, parsed) -> errors.report(exception, fathom.debug));
    if (isAsked("--no-color", args)) {
      line.setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF));
    }
    if (Runtime.version().compareToIgnoreOptional(OLDEST_JDK) < 0) {
      err.println(
          "fathom: warning: Java "
              + Runtime.version()
              + " can corrupt arrays in use by native code (JDK-8377811); use 25.0.3 or newer");
    }
    try {
      return line.execute(args);
    } catch (Error e) {
      // picocli hands only exceptions to its handler.
      return errors.report(e, fathom.debug);
    } finally {
      out.flush();
      err.flush();
    }
  }

  /** Without a command: the help, as an answer if asked for and as an error if not. */
  @Override
  public Integer call() {
    spec.commandLine().usage(err);
    return ExitCode.USER;
  }

  /** Where the commands write, as the options say. */
  Console console() {
    if (console == null) {
      console = new Console(out, err, quiet, debug);
      LogLines.attach(console);
    }
    return console;
  }

  private static boolean isAsked(String option, String... args) {
    for (String arg : args) {
      if (arg.equals(option)) {
        return true;
      }
    }
    return false;
  }

  /** Fathom's version and the Java it runs on. */
  static final class Version implements CommandLine.IVersionProvider {
    @Override
    public String[] getVersion() {
      String version = Fathom.class.getPackage().getImplementationVersion();
      return new String[] {
        "fathom " + (version == null ? "development" : version),
        "java "
            + Runtime.version()
            + ", "
            + System.getProperty("os.name")
            + " "
            + System.getProperty("os.arch")
      };
    }
  }
}
