package dev.fathom.training.stage;

import dev.fathom.nn.checkpoint.AtomicFile;
import dev.fathom.training.UserException;
import dev.fathom.training.config.ConfigReader;
import dev.fathom.training.config.RunConfig;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The folder of a run: its configuration, and a folder for each stage. Locked while a run works in
 * it.
 */
public final class RunFolder implements AutoCloseable {

  private final Path folder;
  private final FileChannel channel;
  private final FileLock lock;

  private RunFolder(Path folder, FileChannel channel, FileLock lock) {
    this.folder = folder;
    this.channel = channel;
    this.lock = lock;
  }

  /**
   * Opens a folder for a run, or for going on with it.
   *
   * @throws UserException if it belongs to a run of another configuration, or one that is running
   */
  public static RunFolder open(Path folder, RunConfig config) throws IOException {
    try {
      Files.createDirectories(folder);
    } catch (FileAlreadyExistsException e) {
      throw new UserException(folder.toString(), "is not a folder", e);
    }
    FileChannel channel =
        FileChannel.open(
            folder.resolve(".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    try {
      FileLock lock = tryLock(channel);
      if (lock == null) {
        throw new UserException(folder.toString(), "another run is at work in this folder");
      }
      Path file = folder.resolve("config.yaml");
      String text = ConfigReader.write(config);
      if (Files.exists(file)) {
        requireSame(file, Files.readString(file), text);
      } else {
        AtomicFile.write(
            file, out -> out.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8))));
      }
      return new RunFolder(folder, channel, lock);
    } catch (RuntimeException | IOException e) {
      channel.close();
      throw e;
    }
  }

  private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException e) {
      return null;
    }
  }

  private static void requireSame(Path file, String old, String now) {
    List<String> before = old.lines().toList();
    List<String> after = now.lines().toList();
    if (before.equals(after)) {
      return;
    }
    int at =
        IntStream.range(0, Math.min(before.size(), after.size()))
            .filter(i -> !before.get(i).equals(after.get(i)))
            .findFirst()
            .orElse(Math.min(before.size(), after.size()));
    throw new UserException(
        file.toString(),
        "the run in this folder had another configuration (line "
            + (at + 1)
            + ": '"
            + line(before, at)
            + "', now '"
            + line(after, at)
            + "'); name another folder, or delete this one");
  }

  private static String line(List<String> lines, int at) {
    return at < lines.size() ? lines.get(at).strip() : "nothing";
  }

  /** The folder itself. */
  public Path path() {
    return folder;
  }

  /** The folder of a stage. */
  public Path stage(String name) {
    return folder.resolve(name);
  }

  /** The final weights of a stage that trains; there once it is complete. */
  public Path weights(String stage) {
    return stage(stage).resolve("weights.safetensors");
  }

  /** Where samples that cannot be read are listed. */
  Path badSamples() {
    return folder.resolve("bad-samples.tsv");
  }

  @Override
  public void close() throws IOException {
    lock.release();
    channel.close();
  }
}
