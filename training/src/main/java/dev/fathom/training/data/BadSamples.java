package dev.fathom.training.data;

import dev.fathom.training.UserException;
import dev.fathom.training.picture.AtomicFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The bad samples of a set: each counted once, listed in a file, and an end to the run when they
 * are too many.
 *
 * <p>The list, tab-separated with the columns {@code id}, {@code file} and {@code reason}, is
 * replaced as a whole, at most once a second and at the end. Entries of an earlier run are kept,
 * and those of this set count and are not tried again, so that a resumed run meets the same
 * samples; to have mended files read again, delete the list.
 */
final class BadSamples {

  private static final String HEADER = "id\tfile\treason\n";
  private static final long WRITE_INTERVAL_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final int ALWAYS_ALLOWED = 10;

  /** An entry of the list. */
  record Entry(String id, String file, String reason) {
    static Entry of(String id, BadSampleException problem) {
      String file = problem.file();
      return new Entry(clean(id), file == null ? "" : clean(file), clean(problem.problem()));
    }

    private static String clean(String text) {
      return text.replaceAll("[\\t\\r\\n]+", " ");
    }

    /** The file, if known, and what is wrong. */
    String line() {
      return file.isEmpty() ? reason : file + ": " + reason;
    }
  }

  private final DataSet set;
  private final @Nullable Path list;
  private final int allowed;
  private final List<Entry> entries = new ArrayList<>();
  private final Map<Integer, Entry> known = new HashMap<>();
  private @Nullable Entry first;
  private boolean changed;
  private long lastWrite = System.nanoTime() - WRITE_INTERVAL_NANOS;

  /**
   * The list of a set, with what an earlier run left.
   *
   * @param share most of the set that may be bad; 10 samples, or half the set if it has fewer than
   *     20, always may
   * @param list where to list them; null not to
   * @throws UserException if the list is not one
   */
  BadSamples(DataSet set, double share, @Nullable Path list) {
    this.set = set;
    this.list = list;
    allowed = Math.max((int) (share * set.size()), Math.min(ALWAYS_ALLOWED, set.size() / 2));
    if (list != null && Files.exists(list)) {
      load(list);
    }
  }

  private void load(Path file) {
    DelimitedFile table = DelimitedFile.read(file);
    if (!table.header().equals(List.of("id", "file", "reason"))) {
      throw new UserException(file, "not a list of bad samples");
    }
    Map<String, Entry> byId = new HashMap<>();
    for (DelimitedFile.Row row : table.rows()) {
      Entry entry = new Entry(row.cells().get(0), row.cells().get(1), row.cells().get(2));
      entries.add(entry);
      byId.put(entry.id(), entry);
    }
    if (byId.isEmpty()) {
      return;
    }
    for (int i = 0; i < set.size(); i++) {
      Entry entry = byId.get(Entry.clean(set.id(i)));
      if (entry != null) {
        known.put(i, entry);
      }
    }
    Set<Entry> ofThisSet = new HashSet<>(known.values());
    first = entries.stream().filter(ofThisSet::contains).findFirst().orElse(null);
  }

  /** Indices that an earlier run found bad. */
  synchronized Map<Integer, Entry> known() {
    return Map.copyOf(known);
  }

  /** How many there are. */
  synchronized int count() {
    return known.size();
  }

  /** Most that may be bad. */
  int allowed() {
    return allowed;
  }

  /**
   * Counts a sample, if it is new.
   *
   * @throws UserException if there are too many now, or the list cannot be written
   */
  synchronized void add(int index, Entry entry) {
    if (known.putIfAbsent(index, entry) == null) {
      entries.add(entry);
      changed = true;
      if (first == null) {
        first = entry;
      }
      if (System.nanoTime() - lastWrite >= WRITE_INTERVAL_NANOS) {
        write();
      }
    }
    check();
  }

  /**
   * Refuses to go on with too many.
   *
   * @throws UserException with their number, their share and the first
   */
  synchronized void check() {
    if (first != null && (known.size() > allowed || known.size() == set.size())) {
      write();
      throw new UserException(
          set.name(),
          String.format(
              Locale.ROOT,
              "%d of %d samples are bad so far (%.1f %%; at most %d may be); the first: %s",
              known.size(),
              set.size(),
              100.0 * known.size() / set.size(),
              allowed,
              first.line()));
    }
  }

  /** Brings the list up to date. */
  synchronized void write() {
    Path file = list;
    if (file == null || !changed) {
      return;
    }
    lastWrite = System.nanoTime();
    changed = false;
    try {
      AtomicFile.write(
          file,
          out -> {
            out.write(HEADER.getBytes(StandardCharsets.UTF_8));
            for (Entry entry : entries) {
              String line = entry.id() + '\t' + entry.file() + '\t' + entry.reason() + '\n';
              out.write(line.getBytes(StandardCharsets.UTF_8));
            }
          });
    } catch (IOException e) {
      throw UserException.of(e.getMessage() == null ? file + ": cannot write" : e.getMessage());
    }
  }
}
