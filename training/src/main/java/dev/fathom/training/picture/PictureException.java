package dev.fathom.training.picture;

import java.io.EOFException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** A file that cannot be read or written. The message is one line: the file, then the reason. */
public final class PictureException extends IOException {

  private static final int LONGEST_REASON = 200;

  private final Path file;
  private final String problem;

  /** The file and what is wrong with it. */
  public PictureException(Path file, String reason) {
    this(file, reason, null);
  }

  /** The file, what is wrong with it, and what said so. */
  public PictureException(Path file, String reason, @Nullable Throwable cause) {
    super(file + ": " + oneLine(reason), cause);
    this.file = file;
    problem = oneLine(reason);
  }

  /** The file that was to be read or written. */
  public Path file() {
    return file;
  }

  /** What is wrong, without the file's name. */
  public String problem() {
    return problem;
  }

  /** What the file system or a decoder said, as the reason after a file's name. */
  static PictureException of(Path file, String what, Throwable cause) {
    return cause instanceof PictureException told && told.file.equals(file)
        ? told
        : new PictureException(file, what + ": " + reason(cause), cause);
  }

  /** The reason in an exception, without the file name that java.nio puts in its place. */
  static String reason(Throwable cause) {
    String message = cause.getMessage();
    return switch (cause) {
      case NoSuchFileException _ -> "no such file or folder";
      case AccessDeniedException _ -> "permission denied";
      case NotDirectoryException _ -> "not a folder";
      case FileSystemLoopException _ -> "a loop of links";
      case FileAlreadyExistsException _ -> "a file of that name is in the way";
      case FileSystemException e when e.getReason() != null -> lowerFirst(e.getReason());
      case EOFException _ -> "the file ends too early";
      case OutOfMemoryError _ -> "not enough memory";
      case StackOverflowError _ -> "nested too deeply";
      case IOException e when e.getMessage() != null -> oneLine(e.getMessage());
      default ->
          "broken data ("
              + cause.getClass().getSimpleName()
              + (message == null ? "" : ": " + oneLine(message))
              + ")";
    };
  }

  private static String lowerFirst(String text) {
    return text.isEmpty()
        ? text
        : text.substring(0, 1).toLowerCase(Locale.ROOT) + text.substring(1);
  }

  private static String oneLine(String text) {
    String line = text.replaceAll("[\\s\\p{Cntrl}]+", " ").strip();
    return line.length() <= LONGEST_REASON ? line : line.substring(0, LONGEST_REASON) + "...";
  }
}
