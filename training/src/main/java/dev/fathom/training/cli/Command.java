package dev.fathom.training.cli;

import dev.fathom.training.UserException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/**
 * A command: a class with picocli's {@code @Command}, its options as fields, and {@link #run}. It
 * is made known by one line in {@link Commands}.
 *
 * <p>{@code --help}, {@code --quiet}, {@code --no-color} and {@code --debug} are inherited from
 * {@link Fathom} and accepted before and after the command's name.
 */
public abstract class Command implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Override
  public final Integer call() throws Exception {
    return run(console());
  }

  /**
   * Does the work.
   *
   * @param console where messages and progress go; results go to {@link Console#out()}
   * @return an {@link ExitCode}
   * @throws UserException for wrong input
   * @throws Exception for anything else; file system errors that name their file are reported as
   *     wrong input, the rest as internal errors
   */
  protected abstract int run(Console console) throws Exception;

  private Console console() {
    return ((Fathom) spec.root().userObject()).console();
  }
}
