package dev.fathom.training.picture;

import dev.fathom.nn.DepthMap;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.zip.Deflater;

/**
 * OpenEXR, scan lines in ZIP blocks of 16, one float channel. The channel is Y, luminance, since
 * all readers know it; many do not know Z.
 */
final class ExrWriter {

  static final int MAGIC = 0x01312f76;
  static final String KIND = "fathom:kind";

  private static final int BLOCK_LINES = 16;
  private static final int COMPRESSION_ZIP = 3;
  private static final int PIXEL_FLOAT = 2;
  private static final int ZLIB_LEVEL = 4;

  private ExrWriter() {}

  /**
   * Writes a file. Its table of offsets stands before the blocks, so they are held till the end.
   */
  static void write(OutputStream out, DepthMap depth) throws IOException {
    int width = depth.width();
    int height = depth.height();
    List<byte[]> blocks = new ArrayList<>();
    ByteBuffer raw =
        ByteBuffer.allocate(Math.multiplyExact(4 * BLOCK_LINES, width))
            .order(ByteOrder.LITTLE_ENDIAN);
    Deflater deflater = new Deflater(ZLIB_LEVEL);
    try {
      for (int y = 0; y < height; y += BLOCK_LINES) {
        int count = Math.min(BLOCK_LINES, height - y) * width;
        raw.asFloatBuffer().put(depth.values(), y * width, count);
        blocks.add(ExrBlocks.deflate(raw.array(), 4 * count, deflater));
      }
    } finally {
      deflater.end();
    }
    byte[] header = header(depth);
    out.write(header);
    ByteBuffer offsets = ByteBuffer.allocate(8 * blocks.size()).order(ByteOrder.LITTLE_ENDIAN);
    long at = header.length + 8L * blocks.size();
    for (byte[] block : blocks) {
      offsets.putLong(at);
      at += 8 + block.length;
    }
    out.write(offsets.array());
    for (int i = 0; i < blocks.size(); i++) {
      byte[] block = blocks.get(i);
      out.write(littleEndian(8).putInt(i * BLOCK_LINES).putInt(block.length).array());
      out.write(block);
    }
  }

  private static byte[] header(DepthMap depth) {
    ByteArrayOutputStream header = new ByteArrayOutputStream(512);
    header.writeBytes(littleEndian(8).putInt(MAGIC).putInt(2).array());
    ByteBuffer channel = ByteBuffer.allocate(19).order(ByteOrder.LITTLE_ENDIAN);
    channel.put((byte) 'Y').put((byte) 0).putInt(PIXEL_FLOAT).putInt(0).putInt(1).putInt(1);
    attribute(header, "channels", "chlist", channel.array());
    attribute(header, "compression", "compression", new byte[] {COMPRESSION_ZIP});
    byte[] window =
        littleEndian(16).putLong(0).putInt(depth.width() - 1).putInt(depth.height() - 1).array();
    attribute(header, "dataWindow", "box2i", window);
    attribute(header, "displayWindow", "box2i", window);
    attribute(header, "lineOrder", "lineOrder", new byte[1]);
    attribute(header, "pixelAspectRatio", "float", littleEndian(4).putFloat(1).array());
    attribute(header, "screenWindowCenter", "v2f", new byte[8]);
    attribute(header, "screenWindowWidth", "float", littleEndian(4).putFloat(1).array());
    String kind = depth.kind().name().toLowerCase(Locale.ROOT);
    attribute(header, KIND, "string", kind.getBytes(StandardCharsets.US_ASCII));
    header.write(0);
    return header.toByteArray();
  }

  private static void attribute(
      ByteArrayOutputStream header, String name, String type, byte[] value) {
    header.writeBytes((name + '\0' + type + '\0').getBytes(StandardCharsets.US_ASCII));
    header.writeBytes(littleEndian(4).putInt(value.length).array());
    header.writeBytes(value);
  }

  private static ByteBuffer littleEndian(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
