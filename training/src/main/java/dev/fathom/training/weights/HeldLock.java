package dev.fathom.training.weights;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A lock on a file that holds between threads and between processes. The file stays: deleting it
 * would let two hold locks of the same name.
 */
final class HeldLock implements AutoCloseable {
  /** The operating system's locks belong to the process; these are for its threads. */
  private static final Map<Path, ReentrantLock> THREADS = new ConcurrentHashMap<>();

  private final ReentrantLock thread;
  private final FileChannel channel;

  private HeldLock(ReentrantLock thread, FileChannel channel) {
    this.thread = thread;
    this.channel = channel;
  }

  /**
   * Waits for the lock.
   *
   * @param waiting is run once if somebody else holds it
   */
  static HeldLock acquire(Path file, Runnable waiting) throws IOException {
    ReentrantLock thread =
        THREADS.computeIfAbsent(file.toAbsolutePath().normalize(), _ -> new ReentrantLock());
    boolean waited = !thread.tryLock();
    if (waited) {
      waiting.run();
      thread.lock();
    }
    try {
      FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      try {
        FileLock lock = channel.tryLock();
        if (lock == null) {
          if (!waited) {
            waiting.run();
          }
          lock = channel.lock();
        }
        return new HeldLock(thread, channel);
      } catch (IOException e) {
        channel.close();
        throw e;
      }
    } catch (IOException e) {
      thread.unlock();
      throw e;
    }
  }

  @Override
  public void close() throws IOException {
    try {
      // Closing gives the file lock back.
      channel.close();
    } finally {
      thread.unlock();
    }
  }
}
