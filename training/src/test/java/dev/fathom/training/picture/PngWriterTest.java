package dev.fathom.training.picture;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Random;
import java.util.zip.CRC32;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PngWriterTest {

  /** Noise does not compress: at the larger size the data fills several chunks. */
  @ParameterizedTest
  @CsvSource({"1, 1", "2, 3", "17, 9", "331, 257"})
  void pixelsAreThoseGiven(int width, int height) throws IOException {
    byte[] pixels = new byte[3 * width * height];
    new Random(3).nextBytes(pixels);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    PngWriter.write(
        out,
        width,
        height,
        PngWriter.Samples.RGB8,
        Map.of("key", "value"),
        (y, row) -> System.arraycopy(pixels, 3 * width * y, row, 0, row.length));
    BufferedImage read = ImageIO.read(new ByteArrayInputStream(out.toByteArray()));
    assertEquals(width, read.getWidth());
    assertEquals(height, read.getHeight());
    for (int i = 0; i < width * height; i++) {
      int expected =
          (pixels[3 * i] & 0xff) << 16
              | (pixels[3 * i + 1] & 0xff) << 8
              | (pixels[3 * i + 2] & 0xff);
      assertEquals(expected, read.getRGB(i % width, i / width) & 0xffffff);
    }
  }

  @Test
  void everyChunkHasItsChecksum() throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Random random = new Random(4);
    PngWriter.write(
        out,
        300,
        200,
        PngWriter.Samples.GREY16,
        Map.of("a", "1"),
        (_, row) -> random.nextBytes(row));
    ByteBuffer png = ByteBuffer.wrap(out.toByteArray());
    StringBuilder types = new StringBuilder();
    int at = 8;
    while (at < png.capacity()) {
      int length = png.getInt(at);
      CRC32 crc = new CRC32();
      crc.update(png.array(), at + 4, length + 4);
      assertEquals((int) crc.getValue(), png.getInt(at + 8 + length));
      types.append(new String(png.array(), at + 4, 4, StandardCharsets.US_ASCII));
      types.append(' ');
      at += 12 + length;
    }
    assertEquals("IHDR tEXt IDAT IDAT IEND ", types.toString());
    assertEquals(png.capacity(), at);
  }
}
