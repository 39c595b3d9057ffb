package dev.fathom.training;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

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
  private static final Set<Path> OPEN = ConcurrentHashMap.newKeySet();

  static {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(() -> OPEN.forEach(TemporaryFile::delete), "fathom-temporary-files"));
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
    String name = absolute.getFileName().toString();
    // The suffix stays last: writers choose the format by it. A new file, not createTempFile: that
    // one is readable by its owner only, and the result should follow the umask.
    for (long key = System.nanoTime(); ; key++) {
      Path path = absolute.resolveSibling("." + Long.toHexString(key) + "." + name);
      OPEN.add(path);
      try {
        Files.createFile(path);
        return new TemporaryFile(path, absolute);
      } catch (FileAlreadyExistsException e) {
        OPEN.remove(path);
      } catch (IOException e) {
        OPEN.remove(path);
        throw e;
      }
    }
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
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
      channel.force(true);
    }
    Files.move(path, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    OPEN.remove(path);
  }

  /** Deletes the file unless it was committed. */
  @Override
  public void close() {
    if (OPEN.remove(path)) {
      delete(path);
    }
  }

  private static void delete(Path path) {
    try {
      Files.deleteIfExists(path);
    } catch (IOException e) {
      // Nothing more can be done; the name tells what the file is.
    }
  }
}
