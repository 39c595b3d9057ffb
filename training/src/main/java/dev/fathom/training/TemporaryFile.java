package dev.fathom.training;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A result in the making: a file beside its target that takes the target's name, atomically, when
 * it is whole. It is deleted if it is closed before, and also if the process is interrupted.
 *
 * <pre>{@code
 * try (TemporaryFile file = TemporaryFile.beside(target)) {
 *   write(file.path());
 *   file.commit();
 * }
 * }</pre>
 */
public final class TemporaryFile implements AutoCloseable {
  private static final int LONGEST_EXTENSION = 16;
  private static final Set<Path> OPEN = new HashSet<>();

  /** Held while a file begins or ends, and by the shutdown hook for good. */
  private static final ReentrantLock LOCK = new ReentrantLock();

  static {
    Runtime.getRuntime()
        .addShutdownHook(new Thread(TemporaryFile::deleteAll, "fathom-temporary-files"));
  }

  private final Path path;
  private final Path target;

  private TemporaryFile(Path path, Path target) {
    this.path = path;
    this.target = target;
  }

  /**
   * Creates an empty temporary file in the folder of {@code target}.
   *
   * @throws IOException if that folder does not exist or cannot be written
   */
  public static TemporaryFile beside(Path target) throws IOException {
    Path absolute = target.toAbsolutePath();
    String extension = extension(absolute.getFileName().toString());
    // The extension stays: writers choose the format by it. A new file, not createTempFile: that
    // one is readable by its owner only, and the result should follow the umask.
    LOCK.lock();
    try {
      for (long key = System.nanoTime(); ; key++) {
        Path path = absolute.resolveSibling(".fathom-" + Long.toHexString(key) + extension);
        try {
          Files.createFile(path);
          OPEN.add(path);
          return new TemporaryFile(path, absolute);
        } catch (FileAlreadyExistsException e) {
          // Another process has that name; the next one.
        }
      }
    } finally {
      LOCK.unlock();
    }
  }

  /** A short one only: the temporary name must not be too long where the target's is not. */
  private static String extension(String name) {
    String extension = name.substring(Math.max(name.lastIndexOf('.'), 0));
    return extension.startsWith(".") && extension.length() <= LONGEST_EXTENSION ? extension : "";
  }

  /** Where to write. */
  public Path path() {
    return path;
  }

  /**
   * Makes the file durable and gives it its name, replacing what had it.
   *
   * @throws IOException if the file system refuses; the temporary file is then deleted by {@link
   *     #close}
   */
  public void commit() throws IOException {
    LOCK.lock();
    try {
      try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
        channel.force(true);
      }
      move();
      OPEN.remove(path);
    } finally {
      LOCK.unlock();
    }
  }

  private void move() throws IOException {
    try {
      Files.move(path, target, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(path, target, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /** Deletes the file unless it was committed. */
  @Override
  public void close() {
    LOCK.lock();
    try {
      if (OPEN.remove(path)) {
        delete(path);
      }
    } finally {
      LOCK.unlock();
    }
  }

  /**
   * Deletes what is being written when the process is interrupted. The lock is kept: a thread that
   * begins, finishes or gives up a file from now on waits for the end of the process, so that
   * nothing is left behind and nobody complains of a file that was taken from under it.
   */
  private static void deleteAll() {
    LOCK.lock();
    OPEN.forEach(TemporaryFile::delete);
  }

  private static void delete(Path path) {
    try {
      Files.deleteIfExists(path);
    } catch (IOException e) {
      // Nothing more can be done; the name tells what the file is.
    }
  }
}
