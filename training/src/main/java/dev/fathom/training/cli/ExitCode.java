package dev.fathom.training.cli;

/** What the process answers. An interrupt (Ctrl-C) ends it with 130, by the JVM's own rule. */
public final class ExitCode {
  /** Done. */
  public static final int OK = 0;

  /** A fault of the program, or of the machine it runs on. */
  public static final int INTERNAL = 1;

  /** Wrong usage or wrong input; in a batch, at least one item failed. */
  public static final int USER = 2;

  private ExitCode() {}
}
