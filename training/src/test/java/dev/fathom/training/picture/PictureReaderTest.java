package dev.fathom.training.picture;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.RgbImage;
import java.awt.color.ColorSpace;
import java.awt.color.ICC_Profile;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.IndexColorModel;
import java.awt.image.WritableRaster;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Pixels of every format. The files under resources/picture are of 24 x 16 pixels in four blocks of
 * one colour; Pillow and ImageMagick wrote what ImageIO cannot.
 */
class PictureReaderTest {

  private static final int[] BLOCKS = {0xdc281e, 0x1ec83c, 0x283cd2, 0xf0e632};

  @TempDir Path folder;

  private RgbImage read(byte[] file) throws IOException {
    Path path = folder.resolve("picture");
    Files.write(path, file);
    return PictureReader.read(path);
  }

  private static BufferedImage scene() {
    return Pictures.scene(31, 22, BufferedImage.TYPE_INT_RGB);
  }

  private static void assertSame(BufferedImage expected, RgbImage actual) {
    assertEquals(expected.getWidth(), actual.width());
    assertEquals(expected.getHeight(), actual.height());
    for (int y = 0; y < actual.height(); y++) {
      for (int x = 0; x < actual.width(); x++) {
        assertEquals(expected.getRGB(x, y) & 0xffffff, actual.at(x, y), x + ", " + y);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"png", "bmp", "tiff"})
  void losslessFormatsGiveTheirPixels(String format) throws IOException {
    assertSame(scene(), read(Pictures.encode(scene(), format)));
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void jpegGivesTheDecodersPixels(boolean progressive) throws IOException {
    byte[] file = Pictures.jpeg(scene(), progressive);
    BufferedImage expected = ImageIO.read(new ByteArrayInputStream(file));
    assertSame(expected, read(file));
  }

  @Test
  void greyJpegIsGreyWithoutGamma() throws IOException {
    BufferedImage grey = new BufferedImage(16, 16, BufferedImage.TYPE_BYTE_GRAY);
    for (int i = 0; i < 256; i++) {
      grey.getRaster().setSample(i % 16, i / 16, 0, 100);
    }
    assertEquals(0x646464, read(Pictures.jpeg(grey, false)).at(7, 9));
    assertEquals(0x646464, read(Pictures.encode(grey, "png")).at(7, 9));
  }

  /** A profile that swaps nothing but says another colour space changes no sample. */
  @Test
  void colourProfilesAreIgnored() throws IOException {
    byte[] plain = Pictures.jpeg(scene(), false);
    byte[] profile = ICC_Profile.getInstance(ColorSpace.CS_LINEAR_RGB).getData();
    byte[] data = new byte[14 + profile.length];
    System.arraycopy("ICC_PROFILE\0".getBytes(StandardCharsets.US_ASCII), 0, data, 0, 12);
    data[12] = 1;
    data[13] = 1;
    System.arraycopy(profile, 0, data, 14, profile.length);
    RgbImage expected = read(plain);
    assertArrayEquals(expected.rgb(), read(Pictures.withSegment(plain, 0xe2, data)).rgb());
    data[40] ^= 0x55;
    assertArrayEquals(expected.rgb(), read(Pictures.withSegment(plain, 0xe2, data)).rgb());
  }

  @Test
  void oddSegmentsOfAJpegDoNotMatter() throws IOException {
    byte[] plain = Pictures.jpeg(scene(), false);
    byte[] expected = read(plain).rgb();
    byte[] brokenJfif = "JFIF\0".getBytes(StandardCharsets.US_ASCII);
    assertArrayEquals(expected, read(Pictures.withSegment(plain, 0xe0, brokenJfif)).rgb());
    assertArrayEquals(expected, read(Pictures.withSegment(plain, 0xe1, new byte[3])).rgb());
    assertArrayEquals(expected, read(Pictures.withSegment(plain, 0xfe, new byte[0])).rgb());
    byte[] trailing = Arrays.copyOf(plain, plain.length + 1000);
    assertArrayEquals(expected, read(trailing).rgb());
  }

  /** The colours that OpenCV 4.6 reads from these two files, inside each block. */
  @ParameterizedTest
  @CsvSource({
    "cmyk.jpg, dd291f, 1fc93d, 293dd3, f1e733",
    "ycck.jpg, dc291f, 1fc83e, 2a3ed2, f0e634",
  })
  void printingInksAreThoseOfOpenCv(
      String name, String first, String second, String third, String fourth) throws IOException {
    RgbImage image = read(Pictures.resource(name));
    assertEquals(first, "%06x".formatted(image.at(6, 4)));
    assertEquals(second, "%06x".formatted(image.at(18, 4)));
    assertEquals(third, "%06x".formatted(image.at(6, 12)));
    assertEquals(fourth, "%06x".formatted(image.at(18, 12)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"lossless.webp", "lzw.tif", "alpha.webp"})
  void otherLosslessFilesGiveTheirPixels(String name) throws IOException {
    RgbImage image = read(Pictures.resource(name));
    assertEquals(24, image.width());
    assertEquals(16, image.height());
    for (int y = 0; y < 16; y++) {
      for (int x = 0; x < 24; x++) {
        assertEquals(BLOCKS[y / 8 * 2 + x / 12], image.at(x, y), x + ", " + y);
      }
    }
  }

  @Test
  void lossyWebpIsClose() throws IOException {
    RgbImage lossy = read(Pictures.resource("lossy.webp"));
    RgbImage exact = read(Pictures.resource("lossless.webp"));
    for (int[] inside : new int[][] {{3, 3}, {20, 3}, {3, 12}, {20, 12}}) {
      for (int shift = 0; shift < 24; shift += 8) {
        int a = lossy.at(inside[0], inside[1]) >> shift & 0xff;
        int b = exact.at(inside[0], inside[1]) >> shift & 0xff;
        assertTrue(Math.abs(a - b) <= 4, a + " and " + b);
      }
    }
  }

  @Test
  void alphaIsDroppedNotBlended() throws IOException {
    BufferedImage image = new BufferedImage(3, 1, BufferedImage.TYPE_4BYTE_ABGR);
    image.setRGB(0, 0, 0x00112233);
    image.setRGB(1, 0, 0x80445566);
    image.setRGB(2, 0, 0xff778899);
    RgbImage read = read(Pictures.encode(image, "png"));
    assertEquals(0x112233, read.at(0, 0));
    assertEquals(0x445566, read.at(1, 0));
    assertEquals(0x778899, read.at(2, 0));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4})
  void sixteenBitsAreCutToEight(int bands) throws IOException {
    boolean alpha = bands % 2 == 0;
    ColorModel model =
        new ComponentColorModel(
            ColorSpace.getInstance(bands < 3 ? ColorSpace.CS_GRAY : ColorSpace.CS_sRGB),
            alpha,
            false,
            alpha ? ColorModel.TRANSLUCENT : ColorModel.OPAQUE,
            DataBuffer.TYPE_USHORT);
    WritableRaster raster = model.createCompatibleWritableRaster(2, 1);
    for (int band = 0; band < bands; band++) {
      raster.setSample(0, 0, band, 0x12ff + 0x1100 * band);
      raster.setSample(1, 0, band, 0x1200 + 0x1100 * band);
    }
    RgbImage read = read(Pictures.encode(new BufferedImage(model, raster, false, null), "png"));
    int expected = bands < 3 ? 0x121212 : 0x122334;
    assertEquals(expected, read.at(0, 0));
    assertEquals(expected, read.at(1, 0));
  }

  @ParameterizedTest
  @CsvSource({"png, 2", "png, 16", "png, 200", "bmp, 200", "gif, 100"})
  void palettesGiveTheirColours(String format, int colours) throws IOException {
    byte[] ramp = new byte[colours];
    IntStream.range(0, colours).forEach(i -> ramp[i] = (byte) i);
    int bits = colours == 2 ? 1 : colours == 16 ? 4 : 8;
    IndexColorModel palette = new IndexColorModel(bits, colours, ramp, new byte[colours], ramp);
    BufferedImage image =
        new BufferedImage(
            19,
            11,
            bits < 8 ? BufferedImage.TYPE_BYTE_BINARY : BufferedImage.TYPE_BYTE_INDEXED,
            palette);
    for (int i = 0; i < 19 * 11; i++) {
      image.getRaster().setSample(i % 19, i / 19, 0, i % colours);
    }
    assertSame(image, read(Pictures.encode(image, format)));
  }

  /**
   * Exif says for each orientation which sides of the display the stored first row and first column
   * lie on.
   */
  @ParameterizedTest
  @CsvSource({
    "1, top, left", "2, top, right", "3, bottom, right", "4, bottom, left",
    "5, left, top", "6, right, top", "7, right, bottom", "8, left, bottom",
  })
  void orientationIsApplied(int orientation, String firstRow, String firstColumn)
      throws IOException {
    byte[] jpeg = Pictures.jpeg(scene(), false);
    RgbImage stored = read(jpeg);
    assertTurned(
        stored,
        read(Pictures.withExif(jpeg, orientation, ByteOrder.BIG_ENDIAN)),
        firstRow,
        firstColumn);
    assertTurned(
        stored,
        read(Pictures.withExif(jpeg, orientation, ByteOrder.LITTLE_ENDIAN)),
        firstRow,
        firstColumn);
    byte[] png = Pictures.encode(scene(), "png");
    byte[] exif = Pictures.exif(orientation, ByteOrder.BIG_ENDIAN);
    assertTurned(read(png), read(Pictures.withChunk(png, "eXIf", exif)), firstRow, firstColumn);
  }

  private static void assertTurned(
      RgbImage stored, RgbImage shown, String firstRow, String firstColumn) {
    boolean upright = firstRow.equals("top") || firstRow.equals("bottom");
    int w = stored.width();
    int h = stored.height();
    assertEquals(upright ? w : h, shown.width());
    assertEquals(upright ? h : w, shown.height());
    for (int row = 0; row < h; row++) {
      for (int column = 0; column < w; column++) {
        int along = firstRow.equals("top") || firstRow.equals("left") ? row : h - 1 - row;
        int across =
            firstColumn.equals("top") || firstColumn.equals("left") ? column : w - 1 - column;
        int x = upright ? across : along;
        int y = upright ? along : across;
        assertEquals(stored.at(column, row), shown.at(x, y), row + ", " + column);
      }
    }
  }

  @Test
  void orientationOfWebpIsApplied() throws IOException {
    RgbImage turned = read(Pictures.resource("turned.webp"));
    assertEquals(16, turned.width());
    assertEquals(24, turned.height());
    assertEquals(BLOCKS[2], turned.at(2, 2));
    assertEquals(BLOCKS[0], turned.at(13, 2));
    assertEquals(BLOCKS[3], turned.at(2, 21));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 9, 255, 65535})
  void orientationsThatAreNoneAreIgnored(int orientation) throws IOException {
    byte[] jpeg = Pictures.jpeg(scene(), false);
    byte[] file = Pictures.withExif(jpeg, orientation, ByteOrder.BIG_ENDIAN);
    assertArrayEquals(read(jpeg).rgb(), read(file).rgb());
  }

  @Test
  void damagedExifIsIgnored() throws IOException {
    byte[] jpeg = Pictures.jpeg(scene(), false);
    byte[] exif = Pictures.withExif(jpeg, 6, ByteOrder.BIG_ENDIAN);
    for (int i = 6; i < 38; i++) {
      byte[] copy = exif.clone();
      copy[i] = (byte) 0xff;
      RgbImage image = read(copy);
      assertEquals(31 * 22, image.width() * image.height());
    }
  }

  @Test
  void formatIsToldByContent() throws IOException {
    Path path = folder.resolve("really-a-png.jpg");
    Files.write(path, Pictures.encode(scene(), "png"));
    assertSame(scene(), PictureReader.read(path));
  }

  @Test
  void pictureNamesAreTold() {
    assertTrue(PictureReader.isPictureName(Path.of("a/B.JPEG")));
    assertTrue(PictureReader.isPictureName(Path.of("x.y.tif")));
    assertEquals(false, PictureReader.isPictureName(Path.of("notes.txt")));
    assertEquals(false, PictureReader.isPictureName(Path.of("jpg.d/readme")));
  }

  @Test
  void jpegOfRgbSamplesIsRead() throws IOException {
    byte[] jpeg = Pictures.jpeg(scene(), false);
    // The same samples with the word that they are red, green and blue: other colours.
    byte[] adobe = {'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0};
    ByteArrayOutputStream noJfif = new ByteArrayOutputStream();
    noJfif.write(jpeg, 0, 2);
    int app0 = (jpeg[4] & 0xff) << 8 | (jpeg[5] & 0xff);
    noJfif.write(jpeg, 4 + app0, jpeg.length - 4 - app0);
    RgbImage ycc = read(noJfif.toByteArray());
    RgbImage rgb = read(Pictures.withSegment(noJfif.toByteArray(), 0xee, adobe));
    assertArrayEquals(read(jpeg).rgb(), ycc.rgb());
    int colour = rgb.at(16, 11);
    int y = colour >> 16;
    int red = (int) Math.round(y + 1.402 * ((colour & 0xff) - 128));
    assertTrue(Math.abs(red - (ycc.at(16, 11) >> 16)) <= 12, red + " " + ycc.at(16, 11));
  }
}
