package dev.fathom.training.cli;

import dev.fathom.bindings.FathomLoadException;
import dev.fathom.nn.checkpoint.CheckpointException;
import dev.fathom.training.UserException;
import dev.fathom.training.picture.PictureException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns whatever went wrong into one line on standard error and an {@link ExitCode}. */
final class Errors {
  private final PrintWriter err;

  Errors(PrintWriter err) {
    this.err = err;
  }

  /** Answers wrong usage with what is wrong and where to look, instead of the whole help. */
  int usage(ParameterException exception, String... args) {
    String command = exception.getCommandLine().getCommandSpec().qualifiedName();
    StringBuilder line = new StringBuilder("fathom: ").append(problem(exception));
    List<String> near =
        exception instanceof UnmatchedArgumentException unmatched
            ? unmatched.getSuggestions()
            : List.of();
    if (!near.isEmpty()) {
      line.append("; did you mean ").append(String.join(" or ", near)).append("? See '");
    } else {
      line.append("; see '");
    }
    line.append(command).append(" --help'");
    err.println(line);
    return ExitCode.USER;
  }

  private static String problem(ParameterException exception) {
    if (exception instanceof UnmatchedArgumentException unmatched) {
      String first = unmatched.getUnmatched().getFirst();
      boolean group = !exception.getCommandLine().getSubcommands().isEmpty();
      return (unmatched.isUnknownOption()
              ? "unknown option"
              : group ? "unknown command" : "unexpected argument")
          + " '"
          + first
          + "'";
    }
    String message = oneLine(exception.getMessage());
    return message.substring(0, 1).toLowerCase(Locale.ROOT) + message.substring(1);
  }

  /**
   * Reports what a command threw.
   *
   * @param debug print the stack trace instead of writing it to a file
   */
  int report(Throwable thrown, boolean debug) {
    Throwable cause = unwrap(thrown);
    boolean user = isUsers(cause);
    String line = "fathom: " + (user ? "" : "internal error: ") + describe(cause);
    if (debug) {
      err.println(line);
      cause.printStackTrace(err);
    } else if (user) {
      err.println(line);
    } else {
      Path trace = writeTrace(cause);
      err.println(
          line
              + (trace == null
                  ? " (run again with --debug for the stack trace)"
                  : " (stack trace in " + trace + ")"));
    }
    return user ? ExitCode.USER : ExitCode.INTERNAL;
  }

  /** Whether the input is to blame rather than the program. */
  private static boolean isUsers(Throwable cause) {
    return namesItsSubject(cause) || cause instanceof FileSystemException;
  }

  /** Whether the message says which file or option it is about, and is meant for people. */
  private static boolean namesItsSubject(Throwable cause) {
    return cause instanceof UserException
        || cause instanceof PictureException
        || cause instanceof CheckpointException
        || cause instanceof FathomLoadException;
  }

  /** What went wrong, in one line. */
  static String describe(Throwable thrown) {
    Throwable cause = unwrap(thrown);
    String message = cause.getMessage();
    if (namesItsSubject(cause)) {
      return oneLine(message);
    }
    if (cause instanceof FileSystemException e) {
      return e.getFile() + ": " + reason(e);
    }
    if (cause instanceof OutOfMemoryError) {
      return "out of memory (" + oneLine(message) + "); JAVA_OPTS=-Xmx... gives Java more";
    }
    return cause.getClass().getSimpleName() + (message == null ? "" : ": " + oneLine(message));
  }

  /** Why, without the file. */
  static String reason(FileSystemException exception) {
    return switch (exception) {
      case NoSuchFileException _ -> "no such file or folder";
      case AccessDeniedException _ -> "permission denied";
      case FileAlreadyExistsException _ -> "exists already";
      case NotDirectoryException _ -> "is not a folder";
      case DirectoryNotEmptyException _ -> "folder is not empty";
      default -> oneLine(exception.getReason());
    };
  }

  private static Throwable unwrap(Throwable thrown) {
    Throwable cause = thrown.getCause();
    return thrown instanceof UncheckedIOException && cause != null ? cause : thrown;
  }

  private static String oneLine(@Nullable String text) {
    return text == null ? "unknown reason" : text.strip().replaceAll("\\s*\\R\\s*", "; ");
  }

  private static @Nullable Path writeTrace(Throwable thrown) {
    try {
      Path file = Files.createTempFile("fathom-error-", ".txt");
      try (PrintWriter writer =
          new PrintWriter(Files.newBufferedWriter(file, StandardCharsets.UTF_8))) {
        writer.println("fathom on java " + Runtime.version());
        thrown.printStackTrace(writer);
      }
      return file;
    } catch (IOException e) {
      return null;
    }
  }
}
