package dev.fathom.nn.checkpoint;

import static dev.fathom.nn.checkpoint.CheckpointException.quote;

import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * The entries of a zip archive that are stored as they are, in place in the mapped file. Sizes and
 * offsets beyond 4 GB are read from the zip64 records.
 *
 * @see <a href="https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT">APPNOTE 4.3, 4.5</a>
 */
final class ZipDirectory {
  static final int LOCAL = 0x04034b50;
  static final int CENTRAL = 0x02014b50;
  static final int END = 0x06054b50;
  static final int END64 = 0x06064b50;
  static final int LOCATOR64 = 0x07064b50;
  static final int END_SIZE = 22;
  static final int LOCATOR64_SIZE = 20;
  static final int ZIP64_EXTRA = 1;
  static final long MAX32 = 0xffffffffL;
  static final int MAX16 = 0xffff;

  private static final int MAX_ENTRIES = 500_000;
  private static final int LONGEST_NAME = 4096;
  private static final String WHAT = "the zip archive";

  private final MemorySegment file;
  private final SequencedMap<String, MemorySegment> entries = new LinkedHashMap<>();

  private ZipDirectory(MemorySegment file) {
    this.file = file;
  }

  /** The bytes of each entry by its name, in the archive's order. */
  static SequencedMap<String, MemorySegment> read(MemorySegment file) throws FormatException {
    ZipDirectory zip = new ZipDirectory(file);
    zip.readEnd(zip.findEnd());
    return zip.entries;
  }

  /** The end record is the last thing in the file, before a comment of at most 64 KB. */
  private long findEnd() throws FormatException {
    long size = file.byteSize();
    long first = Math.max(0, size - END_SIZE - MAX16);
    for (long at = size - END_SIZE; at >= first; at--) {
      if (file.get(ByteCursor.I32, at) == END
          && at + END_SIZE + (file.get(ByteCursor.U16, at + 20) & MAX16) == size) {
        return at;
      }
    }
    throw new FormatException("the zip archive has no directory at its end: the file is truncated");
  }

  private void readEnd(long end) throws FormatException {
    ByteCursor in = new ByteCursor(file, end + 10, WHAT);
    long count = in.u16();
    long size = in.u32();
    long start = in.u32();
    if (count == MAX16 || size == MAX32 || start == MAX32) {
      long locator = end - LOCATOR64_SIZE;
      if (locator >= 0 && file.get(ByteCursor.I32, locator) == LOCATOR64) {
        long end64 = new ByteCursor(file, locator + 8, WHAT).i64();
        if (end64 < 0 || end64 > locator || locator - end64 < 56) {
          throw damaged();
        }
        in = new ByteCursor(file, end64, WHAT);
        if (in.i32() != END64) {
          throw damaged();
        }
        in.skip(28);
        count = in.i64();
        size = in.i64();
        start = in.i64();
      }
    }
    if (start < 0 || size < 0 || start > end || size > end - start) {
      throw damaged();
    }
    if (count < 0 || count > MAX_ENTRIES) {
      throw new FormatException("the zip archive claims " + count + " entries");
    }
    ByteCursor directory = new ByteCursor(file.asSlice(start, size), 0, WHAT);
    for (long i = 0; i < count; i++) {
      readEntry(directory);
    }
  }

  private void readEntry(ByteCursor in) throws FormatException {
    if (in.i32() != CENTRAL) {
      throw damaged();
    }
    in.skip(4);
    int flags = in.u16();
    int method = in.u16();
    in.skip(8);
    long packed = in.u32();
    long size = in.u32();
    int nameSize = in.u16();
    int extraSize = in.u16();
    int commentSize = in.u16();
    in.skip(8);
    long local = in.u32();
    String name = in.utf8(nameSize, LONGEST_NAME);
    ByteCursor extra = new ByteCursor(in.slice(extraSize), 0, WHAT);
    in.skip(commentSize);
    while (extra.remaining() >= 4) {
      int tag = extra.u16();
      ByteCursor field = new ByteCursor(extra.slice(extra.u16()), 0, WHAT);
      if (tag == ZIP64_EXTRA) {
        size = size == MAX32 ? field.i64() : size;
        packed = packed == MAX32 ? field.i64() : packed;
        local = local == MAX32 ? field.i64() : local;
      }
    }
    if (name.endsWith("/")) {
      return;
    }
    if ((flags & 1) != 0 || method != 0 || packed != size) {
      throw new FormatException(
          "entry " + quote(name) + " is compressed or encrypted; torch.save stores entries as is");
    }
    if (entries.put(name, entry(name, local, size)) != null) {
      throw new FormatException("the zip archive has the entry " + quote(name) + " twice");
    }
  }

  /** The bytes after an entry's local header, whose name and extra field have sizes of its own. */
  private MemorySegment entry(String name, long local, long size) throws FormatException {
    if (local < 0 || local > file.byteSize()) {
      throw damaged();
    }
    ByteCursor in = new ByteCursor(file, local, "entry " + quote(name));
    if (in.i32() != LOCAL) {
      throw damaged();
    }
    in.skip(22);
    int nameSize = in.u16();
    int extraSize = in.u16();
    in.skip(nameSize + extraSize);
    return in.slice(size);
  }

  private static FormatException damaged() {
    return new FormatException("the zip archive's directory is damaged");
  }

  /** The only entry whose last path element is {@code name}, if there is one. */
  static Optional<Map.Entry<String, MemorySegment>> only(
      Map<String, MemorySegment> entries, String name) throws FormatException {
    Optional<Map.Entry<String, MemorySegment>> found = Optional.empty();
    for (Map.Entry<String, MemorySegment> entry : entries.entrySet()) {
      String path = entry.getKey();
      if (path.equals(name) || path.endsWith("/" + name)) {
        if (found.isPresent()) {
          throw new FormatException(
              "the zip archive has both " + quote(found.get().getKey()) + " and " + quote(path));
        }
        found = Optional.of(entry);
      }
    }
    return found;
  }
}
