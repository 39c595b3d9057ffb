package dev.fathom.training.data;

import dev.fathom.training.UserException;
import dev.fathom.training.picture.DepthWriter;
import dev.fathom.training.picture.PictureException;
import java.io.BufferedOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Writes disparities, with their pictures or without, to tar shards in a folder: {@code
 * shard-000000.tar} and so on, and {@code index.tsv} with what is finished. A sample is a picture
 * {@code key.jpg} (or as its extension is) and {@code key.disparity.png}: 16-bit grey, sample /
 * 65535 = disparity, scaled to 0..1 by the map's largest. The key is the id with its dots escaped.
 *
 * <p>A shard gets its name when it is whole; {@link #finish} ends the last one, which is shorter.
 * Closed without it, or killed, the writer leaves the finished shards only; opened again, it goes
 * on behind {@link #lastId}. The bytes depend only on what is appended, so a run that was stopped
 * leaves the same files as one that was not.
 *
 * <pre>{@code
 * try (ShardWriter shards = ShardWriter.open(folder, 1000)) {
 *   for (...) shards.append(id, disparity, width, height);
 *   shards.finish();
 * }
 * }</pre>
 *
 * <p>For one thread, and one writer per folder.
 */
public final class ShardWriter implements AutoCloseable {

  /** The member that holds a disparity, behind a key. */
  static final String DISPARITY = ".disparity.png";

  private static final String PART = ".part";
  private static final int BUFFER_BYTES = 1 << 16;

  private final Path folder;
  private final int samplesPerShard;
  private final long bytesPerShard;
  private final List<ShardIndex.Entry> finished;
  private @Nullable OpenShard shard;
  private int written;
  private boolean closed;

  /** The shard that is being written. */
  private static final class OpenShard {
    final FileOutputStream file;
    final BufferedOutputStream buffer;
    final TarWriter tar;
    final String firstKey;
    String lastKey;
    int samples;

    OpenShard(Path path, String firstKey) throws IOException {
      file = new FileOutputStream(path.toFile());
      buffer = new BufferedOutputStream(file, BUFFER_BYTES);
      tar = new TarWriter(buffer);
      this.firstKey = firstKey;
      lastKey = firstKey;
    }
  }

  private ShardWriter(Path folder, int samplesPerShard, long bytesPerShard) throws IOException {
    if (samplesPerShard < 1 || bytesPerShard < 1) {
      throw new IllegalArgumentException(
          samplesPerShard + " samples and " + bytesPerShard + " bytes per shard");
    }
    this.folder = folder;
    this.samplesPerShard = samplesPerShard;
    this.bytesPerShard = bytesPerShard;
    Files.createDirectories(folder);
    finished = new ArrayList<>(ShardIndex.read(folder));
    for (ShardIndex.Entry entry : finished) {
      written += entry.samples();
    }
    discardUnfinished();
  }

  /** Opens a folder for shards of any length; see {@link #open(Path, int, long)}. */
  public static ShardWriter open(Path folder, int samplesPerShard) throws IOException {
    return open(folder, samplesPerShard, Long.MAX_VALUE);
  }

  /**
   * Opens a folder, which is made if it is not there.
   *
   * @param samplesPerShard most samples in a shard
   * @param bytesPerShard most bytes in a shard, unless one sample alone has more
   * @throws UserException if there are shards in it that are damaged or that the index lacks
   * @throws IOException if it cannot be written
   */
  public static ShardWriter open(Path folder, int samplesPerShard, long bytesPerShard)
      throws IOException {
    return new ShardWriter(folder, samplesPerShard, bytesPerShard);
  }

  /** Number of samples in the finished shards and the one being written. */
  public int written() {
    return written;
  }

  /** The id of the last sample in them; null if there is none. */
  public @Nullable String lastId() {
    if (shard != null) {
      return ShardKeys.id(shard.lastKey);
    }
    return finished.isEmpty() ? null : ShardKeys.id(finished.getLast().lastKey());
  }

  /** Appends a disparity without its picture, as {@link PseudoLabelSet} needs it. */
  public void append(String id, float[] disparity, int width, int height) throws IOException {
    append(id, null, "", disparity, width, height);
  }

  /**
   * Appends a sample.
   *
   * @param id names it; no other sample of these shards may have it
   * @param picture the picture's file as it is; null to leave it out
   * @param extension of the picture's file, such as {@code jpg}
   * @param disparity [height, width], not negative, in any unit; 0 is infinitely far
   * @param width of the disparity, which covers the whole picture
   * @throws IllegalArgumentException if a disparity is negative or not finite; nothing is written
   * @throws IOException if the file system refuses; it names the shard, which is given up then, and
   *     every further call fails
   */
  public void append(
      String id,
      byte @Nullable [] picture,
      String extension,
      float[] disparity,
      int width,
      int height)
      throws IOException {
    if (closed) {
      throw new IllegalStateException("the writer of shards in " + folder + " is closed");
    }
    String key = ShardKeys.key(id);
    byte[] map = DepthWriter.disparityPng(width, height, scaled(id, disparity));
    long bytes = (picture == null ? 0 : memberBytes(picture)) + memberBytes(map);
    try {
      if (shard != null
          && (shard.samples >= samplesPerShard || shard.tar.written() + bytes > bytesPerShard)) {
        finish(shard);
      }
      OpenShard open = shard;
      if (open == null) {
        open = new OpenShard(part(), key);
        shard = open;
      }
      if (picture != null) {
        open.tar.add(key + "." + extension, picture);
      }
      open.tar.add(key + DISPARITY, map);
      open.lastKey = key;
      open.samples++;
      written++;
      if (open.samples >= samplesPerShard) {
        finish(open);
      }
    } catch (IOException e) {
      throw givenUp(e);
    }
  }

  private static float[] scaled(String id, float[] disparity) {
    float largest = 0;
    for (float value : disparity) {
      if (!(value >= 0 && value < Float.POSITIVE_INFINITY)) {
        throw new IllegalArgumentException(
            "'" + id + "' has a disparity of " + value + ": it must be finite and not negative");
      }
      largest = Math.max(largest, value);
    }
    float[] scaled = new float[disparity.length];
    for (int i = 0; i < scaled.length && largest > 0; i++) {
      scaled[i] = disparity[i] / largest;
    }
    return scaled;
  }

  private static long memberBytes(byte[] content) {
    return TarReader.BLOCK
        + (content.length + TarReader.BLOCK - 1L) / TarReader.BLOCK * TarReader.BLOCK;
  }

  private Path part() {
    return folder.resolve(ShardIndex.shardName(finished.size()) + PART);
  }

  /** Makes a shard durable, gives it its name, and then lists it. */
  private void finish(OpenShard open) throws IOException {
    open.tar.finish();
    open.buffer.flush();
    open.file.getFD().sync();
    open.file.close();
    String name = ShardIndex.shardName(finished.size());
    move(part(), folder.resolve(name));
    finished.add(
        new ShardIndex.Entry(name, open.samples, open.tar.written(), open.firstKey, open.lastKey));
    shard = null;
    ShardIndex.write(folder, finished);
  }

  private static void move(Path from, Path to) throws IOException {
    try {
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /** What an earlier run left: a shard being written, or one that was not listed any more. */
  private void discardUnfinished() throws IOException {
    Files.deleteIfExists(part());
    Files.deleteIfExists(folder.resolve(ShardIndex.shardName(finished.size())));
    try (DirectoryStream<Path> shards = Files.newDirectoryStream(folder, "*.tar")) {
      for (Path file : shards) {
        String name = file.getFileName().toString();
        if (finished.stream().noneMatch(entry -> entry.shard().equals(name))) {
          throw new UserException(file, "a shard that " + ShardIndex.NAME + " does not list");
        }
      }
    }
  }

  /**
   * Ends the shard that is being written, if there is one. What is appended later begins another.
   *
   * @throws IOException if the file system refuses; the shard is given up then
   */
  public void finish() throws IOException {
    OpenShard open = shard;
    if (open == null) {
      return;
    }
    try {
      finish(open);
    } catch (IOException e) {
      throw givenUp(e);
    }
  }

  /** Ends the writer after a failure, which then names its file: a stream's does not. */
  private IOException givenUp(IOException failure) {
    Path file = part();
    try {
      close();
    } catch (IOException e) {
      failure.addSuppressed(e);
    }
    if (failure instanceof FileSystemException || failure instanceof PictureException) {
      return failure;
    }
    FileSystemException named =
        new FileSystemException(file.toString(), null, "cannot write: " + failure.getMessage());
    named.initCause(failure);
    return named;
  }

  /** Gives up the shard that is being written, if there is one, and ends the writer. */
  @Override
  public void close() throws IOException {
    closed = true;
    OpenShard open = shard;
    if (open != null) {
      shard = null;
      written -= open.samples;
      open.file.close();
      Files.deleteIfExists(part());
    }
  }
}
