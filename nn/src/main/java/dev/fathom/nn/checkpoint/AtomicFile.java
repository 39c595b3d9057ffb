package dev.fathom.nn.checkpoint;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Writes a file whole or not at all: to a temporary file beside it, forced to the disk and then
 * moved over it. Whatever fails, the temporary file is removed and an older file stays as it was.
 */
public final class AtomicFile {
  /** Writes the contents. */
  @FunctionalInterface
  public interface Body {
    void write(FileChannel out) throws IOException;
  }

  private AtomicFile() {}

  /**
   * Writes {@code target}, replacing a file of that name.
   *
   * @throws CheckpointException if it cannot be written; the message names the target
   */
  public static void write(Path target, Body body) throws IOException {
    if (Files.exists(target) && !Files.isRegularFile(target)) {
      throw new CheckpointException(target, "exists and is not a regular file");
    }
    Path absolute = target.toAbsolutePath();
    Path folder = absolute.getParent();
    if (folder == null || absolute.getFileName() == null) {
      throw new CheckpointException(target, "is not the name of a file");
    }
    if (!Files.isDirectory(folder)) {
      throw new CheckpointException(target, "there is no folder " + folder);
    }
    long tag = ThreadLocalRandom.current().nextLong();
    Path temporary = folder.resolve(".fathom-%016x.tmp".formatted(tag));
    boolean done = false;
    if (temporary.getFileSystem().equals(FileSystems.getDefault())) {
      // For the process that is interrupted half-way.
      temporary.toFile().deleteOnExit();
    }
    try {
      try (FileChannel out =
          FileChannel.open(
              temporary,
              StandardOpenOption.CREATE_NEW,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE)) {
        body.write(out);
        out.force(true);
      }
      Files.move(
          temporary, absolute, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      done = true;
    } catch (IOException e) {
      throw new CheckpointException(target, "cannot be written: " + reason(e, temporary), e);
    } finally {
      if (!done) {
        Files.deleteIfExists(temporary);
      }
    }
    forceFolder(folder);
  }

  private static String reason(IOException e, Path temporary) {
    if (e instanceof AccessDeniedException) {
      return "no permission";
    }
    if (e instanceof FileSystemException failure && failure.getReason() != null) {
      return failure.getReason();
    }
    String message = e.getMessage();
    return message == null || message.contains(temporary.toString())
        ? e.getClass().getSimpleName()
        : message;
  }

  /** Makes the move itself durable where a folder can be opened; elsewhere there is no way to. */
  @SuppressWarnings("EmptyCatch") // the file is in place already; this only hastens durability
  private static void forceFolder(Path folder) {
    try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      // Windows does not open folders.
    }
  }
}
