package dev.fathom.nn.checkpoint;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Builds pickles by hand, good and bad, and the archives around them. */
final class Pickle {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  Pickle() {
    op(0x80, 2);
  }

  Pickle op(int... codes) {
    for (int code : codes) {
      out.write(code);
    }
    return this;
  }

  Pickle global(String module, String name) {
    return op('c').ascii(module + "\n" + name + "\n");
  }

  Pickle text(String value) {
    op('X', value.length(), 0, 0, 0);
    return ascii(value);
  }

  Pickle integer(int value) {
    return op('J', value, value >> 8, value >> 16, value >> 24);
  }

  Pickle ascii(String value) {
    out.writeBytes(value.getBytes(StandardCharsets.US_ASCII));
    return this;
  }

  /** A storage of floats. */
  Pickle storage(String key, int elements) {
    return op('(')
        .text("storage")
        .global("torch", "FloatStorage")
        .text(key)
        .text("cpu")
        .integer(elements)
        .op('t', 'Q');
  }

  /** Puts a tensor of one dimension under a name into the dict below. */
  Pickle tensor(String name, String key, int elements, int offset, int size, int stride) {
    return text(name)
        .global("torch._utils", "_rebuild_tensor_v2")
        .op('(')
        .storage(key, elements)
        .integer(offset)
        .integer(size)
        .op(0x85)
        .integer(stride)
        .op(0x85)
        .op(0x89)
        .global("collections", "OrderedDict")
        .op(')', 'R', 't', 'R', 's');
  }

  byte[] stop() {
    op('.');
    return out.toByteArray();
  }

  /** An archive with the pickle and other entries, in the folder "archive". */
  static Path archive(Path file, byte[] pickle, Map<String, byte[]> entries) throws IOException {
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
      store(zip, "archive/data.pkl", pickle);
      for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
        store(zip, "archive/" + entry.getKey(), entry.getValue());
      }
    }
    return file;
  }

  private static void store(ZipOutputStream zip, String name, byte[] contents) throws IOException {
    ZipEntry entry = new ZipEntry(name);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(contents.length);
    CRC32 crc = new CRC32();
    crc.update(contents);
    entry.setCrc(crc.getValue());
    zip.putNextEntry(entry);
    zip.write(contents);
    zip.closeEntry();
  }
}
