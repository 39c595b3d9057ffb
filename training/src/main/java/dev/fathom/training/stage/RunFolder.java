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
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The folder of a run: its configuration, and a folder for each stage. Locked while a run works in
 * it.
 */
public final class RunFolder implements AutoCloseable {

  private static final List<String> STAGES =
      List.of(Stages.ENCODER, Stages.TEACHER, Stages.LABELS, Stages.STUDENT);

  /** A stage's final weights, in its folder. */
  public static final String WEIGHTS = "weights.safetensors";

  private final Path folder;
  private final FileChannel channel;
  private final FileLock lock;

  private RunFolder(Path folder, FileChannel channel, FileLock lock) {
    this.folder = folder;
    this.channel = channel;
    this.lock = lock;
  }

  /**
   * Opens a folder for a run, or for going on with it. A configuration that no stage has begun with
   * is replaced.
   *
   * @throws UserException if it belongs to a run of another configuration, or one that is running,
   *     or what is in it cannot be written
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
      removeRemains(folder);
      requireWritable(folder);
      if (Files.exists(file) && begun(folder)) {
        requireSame(file, text);
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

  /** Whether there is anything that the configuration in the folder has made. */
  private static boolean begun(Path folder) {
    return STAGES.stream().anyMatch(stage -> Files.exists(folder.resolve(stage)));
  }

  /** Removes the temporary files of runs that were killed. */
  private static void removeRemains(Path folder) throws IOException {
    List<Path> folders = new ArrayList<>(List.of(folder));
    STAGES.forEach(stage -> folders.add(folder.resolve(stage)));
    for (Path each : folders) {
      if (Files.isDirectory(each)) {
        try (DirectoryStream<Path> remains = Files.newDirectoryStream(each, ".fathom-*")) {
          for (Path file : remains) {
            Files.deleteIfExists(file);
          }
        }
      }
    }
  }

  /** Tries each folder that results go to: a stage that begins hours later would fail then. */
  private static void requireWritable(Path folder) {
    requireWritableFolder(folder);
    for (String stage : STAGES) {
      Path home = folder.resolve(stage);
      for (Path each : List.of(home, home.resolve("checkpoints"))) {
        if (Files.exists(each)) {
          requireWritableFolder(each);
        }
      }
    }
  }

  private static void requireWritableFolder(Path folder) {
    if (!Files.isDirectory(folder)) {
      throw new UserException(folder, "is not a folder");
    }
    try {
      Files.delete(Files.createTempFile(folder, ".fathom-", ".tmp"));
    } catch (IOException e) {
      String reason =
          e instanceof AccessDeniedException ? "permission denied" : String.valueOf(e.getMessage());
      throw new UserException(folder.toString(), "no file can be written there: " + reason, e);
    }
  }

  private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException e) {
      return null;
    }
  }

  private static void requireSame(Path file, String now) throws IOException {
    String old = Files.readString(file);
    if (old.equals(now)) {
      return;
    }
    List<String> before = completed(file, old).lines().toList();
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

  /** What an earlier version of this program wrote, with the keys that it did not know yet. */
  private static String completed(Path file, String old) {
    try {
      return ConfigReader.completed(old, file.toString());
    } catch (UserException _) {
      // Not one of ours any more: shown as it is.
      return old;
    }
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
    return stage(stage).resolve(WEIGHTS);
  }

  /** Where a stage lists the samples of its first data set that cannot be read. */
  Path badSamples(String stage) {
    return stage(stage).resolve("bad-samples.tsv");
  }

  @Override
  public void close() throws IOException {
    lock.release();
    channel.close();
  }
}
