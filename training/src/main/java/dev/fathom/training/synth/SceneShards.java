package dev.fathom.training.synth;

import dev.fathom.training.TemporaryFile;
import dev.fathom.training.UserException;
import dev.fathom.training.data.TarWriter;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Writes samples to a number of tar shards whose lengths differ by one sample at most. A shard gets
 * its name when it is whole. For one thread.
 */
final class SceneShards implements AutoCloseable {
  private static final int BUFFER_BYTES = 1 << 16;

  private final Path folder;
  private final int samples;
  private final int shards;
  private final StringBuilder index = new StringBuilder("shard\tsamples\tbytes\n");
  private int written;
  private int shard;
  private @Nullable Open open;

  /** The shard that is being written. */
  private static final class Open implements AutoCloseable {
    final TemporaryFile file;
    final OutputStream out;
    final TarWriter tar;

    Open(Path path) throws IOException {
      file = TemporaryFile.beside(path);
      try {
        out = new BufferedOutputStream(Files.newOutputStream(file.path()), BUFFER_BYTES);
      } catch (IOException e) {
        file.close();
        throw e;
      }
      tar = new TarWriter(out);
    }

    @Override
    public void close() throws IOException {
      try (file) {
        out.close();
      }
    }
  }

  /**
   * Shards in a folder, which is made if need be.
   *
   * @param samples that will be added
   */
  SceneShards(Path folder, int samples, int shards) throws IOException {
    this.folder = folder;
    this.samples = samples;
    this.shards = shards;
    Files.createDirectories(folder);
  }

  private static String name(int shard) {
    return String.format(Locale.ROOT, "shard-%06d.tar", shard);
  }

  /**
   * Requires that a folder has no shards but those that will be written: readers take all of a
   * folder.
   *
   * @throws UserException naming one that it has
   */
  static void requireNoOthers(Path folder, int shards) throws IOException {
    if (!Files.isDirectory(folder)) {
      return;
    }
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*.tar")) {
      for (Path file : files) {
        String name = String.valueOf(file.getFileName());
        boolean ours = false;
        for (int i = 0; i < shards && !ours; i++) {
          ours = name.equals(name(i));
        }
        if (!ours) {
          throw new UserException(file, "a shard of another set; name another folder");
        }
      }
    }
  }

  /** Adds the files of a sample. */
  void add(Map<String, byte[]> members) throws IOException {
    Open current = open;
    if (current == null) {
      current = new Open(folder.resolve(name(shard)));
      open = current;
    }
    for (Map.Entry<String, byte[]> member : members.entrySet()) {
      current.tar.add(member.getKey(), member.getValue());
    }
    written++;
    if (written == end(shard)) {
      current.tar.finish();
      current.out.close();
      current.file.commit();
      current.close();
      open = null;
      index.append(name(shard)).append('\t').append(end(shard) - end(shard - 1));
      index.append('\t').append(current.tar.written()).append('\n');
      shard++;
    }
  }

  /** Samples in all shards up to one. */
  private int end(int last) {
    return (int) ((last + 1L) * samples / shards);
  }

  /** One line a shard. */
  String index() {
    return index.toString();
  }

  /** Gives up the shard that is being written, if there is one. */
  @Override
  public void close() throws IOException {
    Open current = open;
    if (current != null) {
      open = null;
      current.close();
    }
  }
}
