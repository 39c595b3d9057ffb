package dev.fathom.training.data;

import dev.fathom.training.UserException;
import dev.fathom.training.picture.AtomicFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * {@code index.tsv} of a folder of shards: a line for each finished shard, in order, with its file,
 * samples, bytes, and the keys of its first and last sample.
 */
final class ShardIndex {

  static final String NAME = "index.tsv";

  private static final List<String> COLUMNS = List.of("shard", "samples", "bytes", "first", "last");

  /** A finished shard. */
  record Entry(String shard, int samples, long bytes, String firstKey, String lastKey) {}

  private ShardIndex() {}

  /** The file of the n-th shard. */
  static String shardName(int number) {
    return "shard-%06d.tar".formatted(number);
  }

  /**
   * The shards in a folder that are finished; none if there is no index.
   *
   * @throws UserException if the index is damaged, or a shard in it is missing or of another length
   */
  static List<Entry> read(Path folder) {
    Path file = folder.resolve(NAME);
    List<Entry> entries = new ArrayList<>();
    if (!Files.exists(file)) {
      return entries;
    }
    DelimitedFile table = DelimitedFile.read(file);
    if (!table.header().equals(COLUMNS)) {
      throw new UserException(file, "not an index of shards");
    }
    for (DelimitedFile.Row row : table.rows()) {
      List<String> cells = row.cells();
      try {
        int samples = Integer.parseInt(cells.get(1));
        long bytes = Long.parseLong(cells.get(2));
        Entry entry = new Entry(cells.get(0), samples, bytes, cells.get(3), cells.get(4));
        if (!entry.shard().equals(shardName(entries.size())) || samples < 1) {
          throw new UserException(file, "line " + row.line() + ": not the next shard");
        }
        check(folder, entry);
        entries.add(entry);
      } catch (NumberFormatException e) {
        throw new UserException(file.toString(), "line " + row.line() + ": not a number", e);
      }
    }
    return entries;
  }

  private static void check(Path folder, Entry entry) {
    Path shard = folder.resolve(entry.shard());
    try {
      if (!Files.exists(shard)) {
        throw new UserException(shard, "the index has this shard, but it is missing");
      }
      long bytes = Files.size(shard);
      if (bytes != entry.bytes()) {
        throw new UserException(
            shard,
            "%d bytes where the index has %d: the shard is damaged"
                .formatted(bytes, entry.bytes()));
      }
    } catch (IOException e) {
      throw new UserException(shard.toString(), "cannot be read: " + e.getMessage(), e);
    }
  }

  static void write(Path folder, List<Entry> entries) throws IOException {
    AtomicFile.write(
        folder.resolve(NAME),
        out -> {
          StringBuilder text = new StringBuilder(String.join("\t", COLUMNS)).append('\n');
          for (Entry entry : entries) {
            text.append(entry.shard()).append('\t').append(entry.samples()).append('\t');
            text.append(entry.bytes()).append('\t').append(entry.firstKey()).append('\t');
            text.append(entry.lastKey()).append('\n');
          }
          out.write(text.toString().getBytes(StandardCharsets.UTF_8));
        });
  }
}
