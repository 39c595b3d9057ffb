package dev.fathom.training.cli;

import java.text.MessageFormat;
import java.util.ResourceBundle;
import org.jspecify.annotations.Nullable;

/**
 * Makes {@link System.Logger} write one line a message to the {@link Console}: what the library
 * logs looks like what the commands say, and java.util.logging is never loaded. Found through
 * {@code META-INF/services}.
 */
public final class LogLines extends System.LoggerFinder {
  private static volatile @Nullable Console console;

  /** Sends messages to {@code target} from now on; before that they go to standard error. */
  static void attach(Console target) {
    console = target;
  }

  @Override
  public System.Logger getLogger(String name, Module module) {
    return new Line(name);
  }

  private record Line(String name) implements System.Logger {
    @Override
    public String getName() {
      return name;
    }

    @Override
    public boolean isLoggable(Level level) {
      return level.getSeverity() >= threshold().getSeverity() && level != Level.OFF;
    }

    private Level threshold() {
      Console target = console;
      boolean ours = name.startsWith("dev.fathom");
      if (target != null && target.debug()) {
        return ours ? Level.DEBUG : Level.INFO;
      }
      return ours && (target == null || !target.quiet()) ? Level.INFO : Level.WARNING;
    }

    @Override
    public void log(
        Level level, @Nullable ResourceBundle bundle, String message, @Nullable Throwable thrown) {
      if (!isLoggable(level)) {
        return;
      }
      String text = thrown == null ? message : message + ": " + Errors.describe(thrown);
      Console target = console;
      if (target == null) {
        System.err.println("fathom: " + text);
      } else if (level.getSeverity() >= Level.WARNING.getSeverity()) {
        target.warn(text);
      } else {
        target.note(text);
      }
    }

    @Override
    public void log(
        Level level, @Nullable ResourceBundle bundle, String format, Object @Nullable ... params) {
      boolean plain = params == null || params.length == 0;
      log(level, bundle, plain ? format : MessageFormat.format(format, params), (Throwable) null);
    }
  }
}
