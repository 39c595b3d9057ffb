package dev.fathom.training.picture;

import dev.fathom.nn.DepthMap;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One channel of an OpenEXR file of scan lines: half, float or unsigned int; stored plainly, as
 * RLE, ZIPS or ZIP.
 */
final class ExrReader {

  private static final List<String> DEPTH_CHANNELS = List.of("Z", "Y", "depth", "Depth", "V", "R");
  private static final List<String> COMPRESSIONS =
      List.of("NONE", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB");
  private static final int PIXEL_HALF = 1;
  private static final int PIXEL_FLOAT = 2;
  private static final int OTHER_THAN_SCAN_LINES = 0x200 | 0x800 | 0x1000;
  private static final int LONGEST_NAME = 255;

  /**
   * @param offset bytes of a pixel's row before this channel, per column
   */
  private record Channel(String name, int type, int offset) {
    int bytes() {
      return type == PIXEL_HALF ? 2 : 4;
    }
  }

  private final ByteBuffer file;
  private final List<Channel> channels = new ArrayList<>();
  private int pixelBytes;
  private int compression = -1;
  private int @Nullable [] window;
  private DepthMap.@Nullable Kind kind;

  private ExrReader(byte[] file) {
    this.file = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
  }

  static boolean isExr(byte[] file) {
    return file.length >= 8
        && ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getInt() == ExrWriter.MAGIC;
  }

  /**
   * The channel Z, Y, depth, V or R, the first of these that there is, or the only one.
   *
   * @throws IOException if the file is damaged or of a kind that is not read
   */
  static DepthFile read(byte[] file, long pixelLimit) throws IOException {
    try {
      return new ExrReader(file).read(pixelLimit);
    } catch (BufferUnderflowException e) {
      throw new IOException("the file ends too early", e);
    }
  }

  private DepthFile read(long pixelLimit) throws IOException {
    int version = file.getInt(4);
    if ((version & 0xff) > 2 || (version & OTHER_THAN_SCAN_LINES) != 0) {
      throw new IOException("tiled, deep and multi-part OpenEXR files are not read");
    }
    file.position(8);
    readHeader();
    int[] box = window;
    if (box == null || channels.isEmpty() || compression < 0) {
      throw new IOException("the header lacks its channels, compression or dataWindow");
    }
    long width = 1L + box[2] - box[0];
    long height = 1L + box[3] - box[1];
    DepthFile.checkSize(width, height, pixelLimit);
    int lines =
        switch (compression) {
          case 0, 1, 2 -> 1;
          case 3 -> 16;
          default ->
              throw new IOException(
                  "compression "
                      + (compression < COMPRESSIONS.size()
                          ? COMPRESSIONS.get(compression)
                          : compression)
                      + " is not read: NONE, RLE, ZIPS and ZIP are");
        };
    if (lines * width * pixelBytes > Integer.MAX_VALUE - 8) {
      throw new IOException("scan lines of " + width + " pixels are too long");
    }
    int blocks = Math.toIntExact((height + lines - 1) / lines);
    if (blocks > file.remaining() / 8
        || CutOff.deflated(width * height * pixelBytes) > file.remaining()) {
      throw new IOException("the file ends too early");
    }
    Channel channel = depthChannel();
    float[] values = new float[Math.toIntExact(width * height)];
    boolean[] seen = new boolean[blocks];
    int table = file.position();
    for (int i = 0; i < blocks; i++) {
      readBlock(file.getLong(table + 8 * i), lines, box, channel, values, seen);
    }
    return new DepthFile((int) width, (int) height, values, kind);
  }

  private void readBlock(
      long offset, int lines, int[] box, Channel channel, float[] values, boolean[] seen)
      throws IOException {
    if (offset < 0 || offset > file.limit() - 8L) {
      throw new IOException("a block of scan lines is missing");
    }
    int width = 1 + box[2] - box[0];
    int height = 1 + box[3] - box[1];
    file.position((int) offset);
    long line = (long) file.getInt() - box[1];
    int size = file.getInt();
    if (line < 0 || line >= height || line % lines != 0 || seen[(int) (line / lines)]) {
      throw new IOException("a block of scan lines is out of place");
    }
    seen[(int) (line / lines)] = true;
    int count = Math.min(lines, height - (int) line);
    int length = count * width * pixelBytes;
    if (size < 0 || size > file.remaining() || size > length) {
      throw new IOException("a block of scan lines is damaged");
    }
    byte[] data = new byte[size];
    file.get(data);
    if (size < length) {
      data =
          switch (compression) {
            case 1 -> ExrBlocks.runs(data, length);
            case 2, 3 -> ExrBlocks.inflate(data, length);
            default -> throw new IOException("a block of scan lines ends too early");
          };
    }
    ByteBuffer samples = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
    for (int y = 0; y < count; y++) {
      int at = (y * pixelBytes + channel.offset()) * width;
      int to = ((int) line + y) * width;
      for (int x = 0; x < width; x++) {
        values[to + x] =
            switch (channel.type()) {
              case PIXEL_HALF -> Float.float16ToFloat(samples.getShort(at + 2 * x));
              case PIXEL_FLOAT -> samples.getFloat(at + 4 * x);
              default -> samples.getInt(at + 4 * x) & 0xffffffffL;
            };
      }
    }
  }

  private Channel depthChannel() throws IOException {
    for (String name : DEPTH_CHANNELS) {
      for (Channel channel : channels) {
        if (channel.name().equals(name)) {
          return channel;
        }
      }
    }
    if (channels.size() == 1) {
      return channels.getFirst();
    }
    throw new IOException(
        "no depth channel among " + channels.stream().map(Channel::name).toList());
  }

  private void readHeader() throws IOException {
    while (true) {
      String name = text();
      if (name.isEmpty()) {
        return;
      }
      String type = text();
      int size = file.getInt();
      if (size < 0 || size > file.remaining()) {
        throw new IOException("the attribute " + name + " is damaged");
      }
      int end = file.position() + size;
      switch (name) {
        case "channels" -> readChannels(end);
        case "compression" -> compression = size == 1 ? file.get() & 0xff : -1;
        case "dataWindow" -> {
          if (size == 16) {
            window = new int[] {file.getInt(), file.getInt(), file.getInt(), file.getInt()};
          }
        }
        case ExrWriter.KIND -> {
          byte[] value = new byte[Math.min(size, LONGEST_NAME)];
          file.get(value);
          if (type.equals("string")) {
            kind = DepthFile.kindNamed(new String(value, StandardCharsets.ISO_8859_1));
          }
        }
        default -> {}
      }
      file.position(end);
    }
  }

  private void readChannels(int end) throws IOException {
    channels.clear();
    pixelBytes = 0;
    while (file.position() < end) {
      String name = text();
      if (name.isEmpty()) {
        return;
      }
      int[] fields = {file.getInt(), file.getInt(), file.getInt(), file.getInt()};
      Channel channel = new Channel(name, fields[0], pixelBytes);
      if (fields[0] < 0 || fields[0] > PIXEL_FLOAT) {
        throw new IOException("the channel " + name + " has samples of an unknown type");
      }
      if (fields[2] != 1 || fields[3] != 1) {
        throw new IOException("the channel " + name + " is subsampled");
      }
      channels.add(channel);
      pixelBytes += channel.bytes();
    }
  }

  private String text() throws IOException {
    byte[] name = new byte[LONGEST_NAME + 1];
    for (int i = 0; i < name.length; i++) {
      name[i] = file.get();
      if (name[i] == 0) {
        return new String(Arrays.copyOf(name, i), StandardCharsets.ISO_8859_1);
      }
    }
    throw new IOException("a broken header");
  }
}
