package dev.fathom.training.picture;

import dev.fathom.training.TemporaryFile;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Writes a file whole or not at all: to a {@link TemporaryFile} in the same folder, then moved into
 * place. A file that was there before stays until then.
 */
public final class AtomicFile {

  private static final int BUFFER_BYTES = 1 << 16;

  /** What is written to a file. */
  @FunctionalInterface
  public interface Content {
    /** Writes everything; the stream is buffered, and closed by the caller. */
    void writeTo(OutputStream out) throws IOException;
  }

  /** How a temporary file is opened; the tests put a full disk here. */
  @FunctionalInterface
  interface Opener {
    OutputStream open(Path temporary) throws IOException;
  }

  private AtomicFile() {}

  /**
   * Writes a file, in place of one that is there. Folders above it are made.
   *
   * @throws PictureException if it cannot be written; the temporary file is gone then, and a file
   *     that was there is as it was
   */
  public static void write(Path file, Content content) throws PictureException {
    write(file, content, AtomicFile::create);
  }

  static void write(Path file, Content content, Opener opener) throws PictureException {
    Path name = file.getFileName();
    if (name == null || Files.isDirectory(file)) {
      throw new PictureException(file, "cannot write: is a folder");
    }
    Path parent = file.toAbsolutePath().getParent();
    try {
      if (parent != null) {
        Files.createDirectories(parent);
      }
      try (TemporaryFile temporary = TemporaryFile.beside(file)) {
        try (OutputStream out =
            new BufferedOutputStream(opener.open(temporary.path()), BUFFER_BYTES)) {
          content.writeTo(out);
        }
        temporary.commit();
      }
    } catch (FileAlreadyExistsException e) {
      throw new PictureException(file, "cannot write: " + e.getFile() + " is not a folder", e);
    } catch (IOException e) {
      throw PictureException.of(file, "cannot write", e);
    }
  }

  private static OutputStream create(Path temporary) throws IOException {
    return Files.newOutputStream(
        temporary, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING);
  }
}
