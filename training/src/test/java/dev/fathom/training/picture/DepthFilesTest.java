package dev.fathom.training.picture;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.Colormap;
import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Depth written and read back, and depth files of others. */
class DepthFilesTest {

  private static final DepthMap.Kind METRES = DepthMap.Kind.METRES;
  private static final DepthMap.Kind DISPARITY = DepthMap.Kind.DISPARITY;

  @TempDir Path folder;

  /** Values of several magnitudes without a pattern. */
  private static DepthMap depth(int width, int height, DepthMap.Kind kind) {
    float[] values = new float[width * height];
    Random random = new Random(width * 31L + height);
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextFloat() * 40 + i % width;
    }
    return new DepthMap(width, height, kind, values);
  }

  private Path write(DepthFormat format, DepthMap depth) throws IOException {
    return write(format, depth, null, DepthOptions.DEFAULT);
  }

  private Path write(DepthFormat format, DepthMap depth, RgbImage picture, DepthOptions options)
      throws IOException {
    Path file = folder.resolve("x" + format.suffix());
    DepthWriter.write(file, format, depth, picture, options);
    return file;
  }

  private DepthFile read(byte[] file) throws IOException {
    return DepthReader.read(Files.write(folder.resolve("file"), file));
  }

  @ParameterizedTest
  @CsvSource({
    "PFM, 1, 1",
    "PFM, 17, 5",
    "NPY, 1, 1",
    "NPY, 3, 33",
    "NPY, 1234, 2",
    "EXR, 1, 1",
    "EXR, 7, 15",
    "EXR, 7, 16",
    "EXR, 7, 17",
    "EXR, 101, 50",
  })
  void floatsComeBackAsTheyWere(DepthFormat format, int width, int height) throws IOException {
    for (DepthMap.Kind kind : DepthMap.Kind.values()) {
      DepthMap depth = depth(width, height, kind);
      depth.values()[0] = Float.NaN;
      depth.values()[width - 1] = Float.NEGATIVE_INFINITY;
      depth.values()[width * height - 1] = -0f;
      DepthFile file = DepthReader.read(write(format, depth));
      assertEquals(width, file.width());
      assertEquals(height, file.height());
      assertArrayEquals(depth.values(), file.values());
      if (format == DepthFormat.EXR) {
        assertEquals(kind, file.kind());
      } else {
        assertNull(file.kind());
        assertEquals(METRES, file.toDepthMap(METRES).kind());
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "13, 7", "200, 90"})
  void png16ComesBackToHalfAStep(int width, int height) throws IOException {
    DepthMap depth = depth(width, height, DISPARITY);
    DepthFile file = DepthReader.read(write(DepthFormat.PNG16, depth));
    assertEquals(DISPARITY, file.kind());
    double step = (depth.max() - depth.min()) / 65535;
    assertArrayEquals(depth.values(), file.values(), (float) (step * 0.51 + 1e-5));
    assertEquals(depth.min(), file.toDepthMap(METRES).min(), 1e-5f);
    assertEquals(depth.max(), file.toDepthMap(METRES).max(), 1e-5f);
  }

  @Test
  void png16KeepsWhatIsNotFiniteApart() throws IOException {
    float[] values = {Float.NaN, 2, 4, Float.POSITIVE_INFINITY, 3, Float.NEGATIVE_INFINITY};
    Path path = write(DepthFormat.PNG16, new DepthMap(3, 2, METRES, values));
    assertArrayEquals(
        new float[] {Float.NaN, 2, 4, Float.NaN, 3, Float.NaN},
        DepthReader.read(path).values(),
        1e-4f);
    Map<String, String> text = PngDepth.text(Files.readAllBytes(path));
    assertEquals("0", text.get("fathom:invalid"));
    int[] samples = ImageIO.read(path.toFile()).getRaster().getPixels(0, 0, 3, 2, (int[]) null);
    assertEquals(0, samples[0]);
    assertEquals(1, samples[1]);
    assertEquals(65535, samples[2]);
  }

  @Test
  void png16OfOneValueAndOfNone() throws IOException {
    float[] constant = {7.5f, 7.5f};
    DepthMap depth = new DepthMap(2, 1, METRES, constant);
    assertArrayEquals(constant, DepthReader.read(write(DepthFormat.PNG16, depth)).values());
    float[] none = {Float.NaN, Float.NaN};
    depth = new DepthMap(2, 1, METRES, none);
    assertArrayEquals(none, DepthReader.read(write(DepthFormat.PNG16, depth)).values());
  }

  @Test
  void plainGreyPngGivesItsSamples() throws IOException {
    var grey = new BufferedImage(2, 1, BufferedImage.TYPE_USHORT_GRAY);
    grey.getRaster().setSample(0, 0, 0, 65535);
    grey.getRaster().setSample(1, 0, 0, 256);
    DepthFile file = read(Pictures.encode(grey, "png"));
    assertArrayEquals(new float[] {65535, 256}, file.values());
    assertNull(file.kind());
  }

  @ParameterizedTest
  @EnumSource(DepthMap.Kind.class)
  void colourIsThatOfTheMap(DepthMap.Kind kind) throws IOException {
    DepthMap depth = depth(37, 23, kind);
    RgbImage read = PictureReader.read(write(DepthFormat.PNG, depth));
    Colormap published = kind == DISPARITY ? Colormap.SPECTRAL_R : Colormap.SPECTRAL;
    assertArrayEquals(published.apply(depth).rgb(), read.rgb());
    DepthOptions turbo = DepthOptions.DEFAULT.withColormap(Colormap.TURBO);
    assertArrayEquals(
        Colormap.TURBO.apply(depth).rgb(),
        PictureReader.read(write(DepthFormat.PNG, depth, null, turbo)).rgb());
  }

  @Test
  void sideBySideIsPictureGapAndColours() throws IOException {
    DepthMap depth = depth(31, 22, DISPARITY);
    RgbImage picture = RgbImage.of(Pictures.scene(31, 22, 1));
    RgbImage side =
        PictureReader.read(write(DepthFormat.SIDE_BY_SIDE, depth, picture, DepthOptions.DEFAULT));
    assertEquals(31 + 50 + 31, side.width());
    assertEquals(22, side.height());
    RgbImage colours = Colormap.SPECTRAL_R.apply(depth);
    for (int y = 0; y < 22; y++) {
      for (int x = 0; x < 31; x++) {
        assertEquals(picture.at(x, y), side.at(x, y));
        assertEquals(colours.at(x, y), side.at(x + 81, y));
      }
      for (int x = 31; x < 81; x++) {
        assertEquals(0xffffff, side.at(x, y));
      }
    }
  }

  @Test
  void npyIsVersionOneAndAligned() throws IOException {
    byte[] file = Files.readAllBytes(write(DepthFormat.NPY, depth(1234, 3, METRES)));
    int header = (file[8] & 0xff) + ((file[9] & 0xff) << 8);
    assertEquals(1, file[6]);
    assertEquals(0, (10 + header) % 64);
    assertEquals(10 + header + 4 * 3 * 1234, file.length);
    assertEquals(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1234), }",
        new String(file, 10, header, StandardCharsets.US_ASCII).strip());
  }

  private static byte[] npy(int version, String header, byte[] data) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', (byte) version, 0});
    out.write(header.length());
    out.write(header.length() >> 8);
    if (version > 1) {
      out.write(0);
      out.write(0);
    }
    out.writeBytes(header.getBytes(StandardCharsets.US_ASCII));
    out.writeBytes(data);
    return out.toByteArray();
  }

  private static String header(String descr, String order, String shape) {
    return "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n".formatted(descr, order, shape);
  }

  @Test
  void npyOfOtherTypesAndVersions() throws IOException {
    byte[] f8 = new byte[16];
    ByteBuffer.wrap(f8).order(ByteOrder.LITTLE_ENDIAN).putDouble(1.5).putDouble(-2);
    DepthFile file = read(npy(2, header("<f8", "False", "(1, 2)"), f8));
    assertArrayEquals(new float[] {1.5f, -2}, file.values());
    DepthFile column = read(npy(1, header(">u2", "False", "(2, 1)"), new byte[] {-1, -1, 0, 3}));
    assertArrayEquals(new float[] {65535, 3}, column.values());
    assertEquals(2, column.height());
    byte[] f4 = new byte[8];
    ByteBuffer.wrap(f4).putFloat(1).putFloat(2);
    assertArrayEquals(
        new float[] {1, 2}, read(npy(1, header(">f4", "False", "(1, 2, 1)"), f4)).values());
    byte[] f2 = {0, 0x34, (byte) 0x80, 0x48};
    assertArrayEquals(
        new float[] {0.25f, 9}, read(npy(3, header("<f2", "False", "(1,1,1,2)"), f2)).values());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "<f4; True;  (1, 2); column order",
        "<c8; False; (1, 2); elements of type <c8",
        "|O;  False; (1, 2); element type",
        "<f4; False; (8,);   not a depth map",
        "<f4; False; (2, 2, 2); not a depth map",
        "<f4; False; (0, 4); a depth map of 4 x 0",
        "<f4; False; (99999, 99999); over the limit",
        "<f4; False; (99999999999, 1); not a depth map",
        "<f4; False; (2, 3); ends too early",
      })
  void npyThatIsNotRead(String descr, String order, String shape, String reason) {
    byte[] file = npy(1, header(descr, order, shape), new byte[8]);
    PictureException e = assertThrows(PictureException.class, () -> read(file));
    assertTrue(e.getMessage().contains(reason), e.getMessage());
  }

  @Test
  void pfmOfEitherByteOrder() throws IOException {
    for (ByteOrder order : new ByteOrder[] {ByteOrder.BIG_ENDIAN, ByteOrder.LITTLE_ENDIAN}) {
      String scale = order == ByteOrder.BIG_ENDIAN ? "1" : "-1.000000";
      byte[] header = ("Pf\n2 \n2\n" + scale + "\n").getBytes(StandardCharsets.US_ASCII);
      byte[] file = Arrays.copyOf(header, header.length + 16);
      ByteBuffer data = ByteBuffer.wrap(file).order(order).position(header.length);
      data.putFloat(3).putFloat(4).putFloat(1).putFloat(2);
      DepthFile read = read(file);
      assertArrayEquals(new float[] {1, 2, 3, 4}, read.values());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "PF\n1 1\n-1\n....", "Pf\n1 1\n0\n....", "Pf\n1 x\n-1\n....", "Pf\n1 1\n-1\n...",
        "Pf\n-1 1\n-1\n....", "Pf\n99999 99999\n-1\n....", "Pf\n1.5 2\n-1\n....", "Pf\n1",
        "Pf\nNaN 1\n-1\n....", "P5\n1 1\n255\n."
      })
  void pfmThatIsNotRead(String file) {
    assertThrows(PictureException.class, () -> read(file.getBytes(StandardCharsets.US_ASCII)));
  }

  /** Files of 5 x 19 that OpenImageIO 2.4 wrote: the value at pixel i is i / 4 - 3. */
  @ParameterizedTest
  @ValueSource(strings = {"float-none.exr", "float-rle.exr", "float-zip.exr", "half-zips-rgbz.exr"})
  void exrOfOthers(String name) throws IOException {
    DepthFile file = read(Pictures.resource(name));
    assertEquals(5, file.width());
    assertEquals(19, file.height());
    for (int i = 0; i < 95; i++) {
      assertEquals(i * 0.25f - 3, file.values()[i]);
    }
    assertNull(file.kind());
  }

  @Test
  void exrThatIsNotRead() throws IOException {
    byte[] piz = Pictures.resource("piz.exr");
    String message = assertThrows(PictureException.class, () -> read(piz)).getMessage();
    assertTrue(
        message.endsWith("compression PIZ is not read: NONE, RLE, ZIPS and ZIP are"), message);
    byte[] tiled = Pictures.resource("float-zip.exr");
    tiled[5] |= 2;
    message = assertThrows(PictureException.class, () -> read(tiled)).getMessage();
    assertTrue(message.contains("tiled"), message);
  }

  /**
   * Every beginning of a depth file, and files with bytes changed: numbers or a clean exception.
   */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "PFM",
        "NPY",
        "EXR",
        "PNG16",
        "float-none.exr",
        "float-rle.exr",
        "half-zips-rgbz.exr"
      })
  void brokenFiles(String kind) throws IOException {
    byte[] whole =
        kind.endsWith(".exr")
            ? Pictures.resource(kind)
            : Files.readAllBytes(write(DepthFormat.valueOf(kind), depth(11, 18, METRES)));
    int pixelBytes = kind.equals("PNG16") ? whole.length - 24 : whole.length;
    for (int length = 0; length < pixelBytes; length += 1 + length / 40) {
      byte[] cut = Arrays.copyOf(whole, length);
      assertThrows(PictureException.class, () -> read(cut), "cut at " + length);
    }
    Random random = new Random(7);
    for (int i = 0; i < 400; i++) {
      byte[] changed = whole.clone();
      int range = i % 2 == 0 ? whole.length : Math.min(whole.length, 400);
      for (int j = 0; j < 1 + i % 5; j++) {
        changed[random.nextInt(range)] = (byte) random.nextInt();
      }
      try {
        DepthFile file = read(changed);
        assertEquals(file.width() * file.height(), file.values().length);
      } catch (PictureException e) {
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
      }
    }
  }

  @Test
  void filesThatAreNoDepth() throws IOException {
    assertThrows(PictureException.class, () -> DepthReader.read(folder));
    assertThrows(PictureException.class, () -> read(new byte[0]));
    assertThrows(PictureException.class, () -> read("text".getBytes(StandardCharsets.UTF_8)));
    byte[] colour = Pictures.encode(Pictures.scene(3, 3, 1), "png");
    String message = assertThrows(PictureException.class, () -> read(colour)).getMessage();
    assertTrue(message.endsWith("not a grey PNG of 8 or 16 bits"), message);
  }

  @Test
  void pictureMustFit() {
    DepthMap depth = depth(4, 3, METRES);
    RgbImage other = new RgbImage(3, 4, new byte[36]);
    for (DepthFormat format : DepthFormat.values()) {
      if (format.needsPicture()) {
        assertThrows(IllegalArgumentException.class, () -> write(format, depth));
        assertThrows(
            IllegalArgumentException.class,
            () -> write(format, depth, other, DepthOptions.DEFAULT));
      }
    }
  }

  @Test
  void formatsAreNamed() {
    assertEquals(DepthFormat.SIDE_BY_SIDE, DepthFormat.named("side-by-side"));
    assertEquals(DepthFormat.PNG16, DepthFormat.named("PNG16"));
    String message =
        assertThrows(IllegalArgumentException.class, () -> DepthFormat.named("jpg")).getMessage();
    assertTrue(message.contains("'jpg'") && message.contains("png16"), message);
  }

  @Test
  void noSuffixEndsLikeAnother() {
    for (DepthFormat a : DepthFormat.values()) {
      for (DepthFormat b : DepthFormat.values()) {
        assertTrue(a == b || !a.suffix().endsWith(b.suffix()), a + " and " + b);
      }
    }
  }
}
