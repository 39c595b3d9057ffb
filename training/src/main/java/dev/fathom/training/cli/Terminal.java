package dev.fathom.training.cli;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** What the process's standard streams are connected to. */
final class Terminal {
  private static final int DEFAULT_WIDTH = 80;

  private Terminal() {}

  /** Whether standard error is shown on a terminal. */
  static boolean isStderr() {
    // Console tells of standard input and output only.
    try {
      String target = Files.readSymbolicLink(Path.of("/proc/self/fd/2")).toString();
      return target.startsWith("/dev/pts/")
          || target.startsWith("/dev/tty")
          || target.equals("/dev/console");
    } catch (IOException | UnsupportedOperationException e) {
      return keyboard() != null;
    }
  }

  /** The user, if standard input and output are both a terminal. */
  @SuppressWarnings("SystemConsoleNull") // Null again since JDK 25 (JDK-8351435).
  static java.io.@Nullable Console keyboard() {
    java.io.Console console = System.console();
    return console != null && console.isTerminal() ? console : null;
  }

  /** Columns of the terminal; 80 where that cannot be found out. */
  static int width() {
    try {
      Process stty =
          new ProcessBuilder("stty", "size")
              .redirectInput(new File("/dev/tty"))
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      String size = new String(stty.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
      if (stty.waitFor(1, TimeUnit.SECONDS) && stty.exitValue() == 0) {
        int columns = Integer.parseInt(size.strip().split(" ", -1)[1]);
        return columns > 0 ? columns : DEFAULT_WIDTH;
      }
      return DEFAULT_WIDTH;
    } catch (IOException | NumberFormatException | IndexOutOfBoundsException e) {
      return DEFAULT_WIDTH;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return DEFAULT_WIDTH;
    }
  }
}
