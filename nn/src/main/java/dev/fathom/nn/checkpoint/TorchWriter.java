package dev.fathom.nn.checkpoint;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Writes the zip format of {@code torch.save} (PyTorch 1.6 and later): a state dict that {@code
 * torch.load} reads with {@code weights_only=True}. Entries are stored, and storages aligned to 64
 * bytes, so that they can be mapped.
 */
public final class TorchWriter {
  private static final String FOLDER = "archive/";

  private TorchWriter() {}

  /**
   * Writes a file, whole or not at all.
   *
   * @param metadata kept beside the state dict, where PyTorch does not look; may be empty
   * @throws IllegalArgumentException if two tensors have the same name, or one has a type that
   *     {@code torch.save} has no storage for (U16, U32, U64)
   * @throws IOException if it cannot be written; an older file of that name is then untouched
   */
  public static void write(
      Path target, Collection<? extends WritableTensor> tensors, Map<String, String> metadata)
      throws IOException {
    AtomicFile.write(target, out -> write(out, tensors, metadata, ZipDirectory.MAX32));
  }

  /**
   * @param zip64From sizes and offsets from which zip64 records are used; lower in tests only
   */
  static void write(
      FileChannel channel,
      Collection<? extends WritableTensor> tensors,
      Map<String, String> metadata,
      long zip64From)
      throws IOException {
    List<TensorInfo> infos = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (WritableTensor tensor : tensors) {
      infos.add(tensor.info());
      if (!names.add(tensor.info().name())) {
        throw new IllegalArgumentException("two tensors are named " + tensor.info().name());
      }
    }
    try (ZipWriter zip = new ZipWriter(channel, zip64From)) {
      zip.add(FOLDER + "data.pkl", PickleWriter.stateDict(infos));
      zip.add(FOLDER + "byteorder", ascii("little"));
      if (!metadata.isEmpty()) {
        StringBuilder json = new StringBuilder();
        Json.appendObject(json, metadata);
        zip.add(FOLDER + TorchReader.METADATA, json.toString().getBytes(StandardCharsets.UTF_8));
      }
      int key = 0;
      for (WritableTensor tensor : tensors) {
        zip.add(FOLDER + "data/" + key++, tensor);
      }
      zip.add(FOLDER + "version", ascii("3\n"));
      zip.finish();
    }
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  /** Writes stored entries and the directory; an entry's checksum is filled in after its data. */
  private static final class ZipWriter implements AutoCloseable {
    private static final int ALIGNMENT = 64;
    private static final int LOCAL_SIZE = 30;
    private static final int CRC_OFFSET = 14;
    private static final int ZIP64_SIZES = 20;

    /** Extra field with which PyTorch pads. */
    private static final int PADDING_EXTRA = 'F' | ('B' << 8);

    /** 1980-01-01, the earliest that the format knows: equal contents make equal files. */
    private static final int DATE = (1 << 5) | 1;

    private static final int UTF8_NAME = 1 << 11;

    private record Entry(String name, long offset, long size, long crc) {}

    private final FileChannel channel;
    private final TensorChannel out;
    private final long zip64From;
    private final List<Entry> entries = new ArrayList<>();

    ZipWriter(FileChannel channel, long zip64From) {
      this.channel = channel;
      this.out = new TensorChannel(channel);
      this.zip64From = zip64From;
    }

    void add(String name, byte[] contents) throws IOException {
      TensorInfo info = TensorInfo.of(name, DType.U8, contents.length);
      add(name, WritableTensor.of(info, MemorySegment.ofArray(contents)));
    }

    void add(String entryName, WritableTensor contents) throws IOException {
      byte[] name = entryName.getBytes(StandardCharsets.UTF_8);
      long offset = out.written();
      long size = contents.info().byteSize();
      boolean large = size >= zip64From;
      int extra = large ? ZIP64_SIZES : 0;
      long unpadded = offset + LOCAL_SIZE + name.length + extra + 4;
      int padding = 4 + (int) (-unpadded & (ALIGNMENT - 1));

      ByteBuffer header = record(LOCAL_SIZE + name.length + extra + padding);
      header.putInt(ZipDirectory.LOCAL);
      header.putShort((short) (large ? 45 : 20));
      header.putShort((short) UTF8_NAME).putShort((short) 0); // stored
      header.putShort((short) 0).putShort((short) DATE);
      header.putInt(0); // the checksum, below
      header.putInt(field(size, large)).putInt(field(size, large));
      header.putShort((short) name.length).putShort((short) (extra + padding));
      header.put(name);
      if (large) {
        header.putShort((short) ZipDirectory.ZIP64_EXTRA).putShort((short) 16);
        header.putLong(size).putLong(size);
      }
      header.putShort((short) PADDING_EXTRA).putShort((short) (padding - 4));
      header.position(header.limit()); // zeros
      out.write(MemorySegment.ofBuffer(header.flip()));

      long crc = out.write(contents);
      out.flush();
      ByteBuffer sum = record(4).putInt((int) crc).flip();
      while (sum.hasRemaining()) {
        channel.write(sum, offset + CRC_OFFSET + sum.position());
      }
      entries.add(new Entry(entryName, offset, size, crc));
    }

    void finish() throws IOException {
      long start = out.written();
      for (Entry entry : entries) {
        out.write(central(entry));
      }
      long end = out.written();
      boolean large =
          start >= zip64From || end - start >= zip64From || entries.size() >= ZipDirectory.MAX16;
      if (large) {
        ByteBuffer end64 = record(56 + ZipDirectory.LOCATOR64_SIZE);
        end64.putInt(ZipDirectory.END64).putLong(44);
        end64.putShort((short) 45).putShort((short) 45).putInt(0).putInt(0);
        end64.putLong(entries.size()).putLong(entries.size());
        end64.putLong(end - start).putLong(start);
        end64.putInt(ZipDirectory.LOCATOR64).putInt(0).putLong(end).putInt(1);
        out.write(MemorySegment.ofBuffer(end64.flip()));
      }
      ByteBuffer record = record(ZipDirectory.END_SIZE);
      short count = (short) (large ? ZipDirectory.MAX16 : entries.size());
      record.putInt(ZipDirectory.END).putInt(0).putShort(count).putShort(count);
      record.putInt(field(end - start, large)).putInt(field(start, large)).putShort((short) 0);
      out.write(MemorySegment.ofBuffer(record.flip()));
      out.flush();
    }

    private MemorySegment central(Entry entry) {
      boolean large = entry.size >= zip64From || entry.offset >= zip64From;
      byte[] name = entry.name.getBytes(StandardCharsets.UTF_8);
      ByteBuffer header = record(46 + name.length + (large ? 28 : 0));
      header.putInt(ZipDirectory.CENTRAL);
      header.putShort((short) (large ? 45 : 20)).putShort((short) (large ? 45 : 20));
      header.putShort((short) UTF8_NAME).putShort((short) 0);
      header.putShort((short) 0).putShort((short) DATE);
      header.putInt((int) entry.crc);
      header.putInt(field(entry.size, large)).putInt(field(entry.size, large));
      header.putShort((short) name.length).putShort((short) (large ? 28 : 0));
      header.putShort((short) 0).putShort((short) 0).putShort((short) 0).putInt(0);
      header.putInt(field(entry.offset, large));
      header.put(name);
      if (large) {
        header.putShort((short) ZipDirectory.ZIP64_EXTRA).putShort((short) 24);
        header.putLong(entry.size).putLong(entry.size).putLong(entry.offset);
      }
      return MemorySegment.ofBuffer(header.flip());
    }

    private static int field(long value, boolean large) {
      return large ? -1 : (int) value;
    }

    private static ByteBuffer record(int size) {
      return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    @Override
    public void close() {
      out.close();
    }
  }
}
