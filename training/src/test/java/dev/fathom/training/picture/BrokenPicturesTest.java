package dev.fathom.training.picture;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever is wrong with a file is one line that names it. */
class BrokenPicturesTest {

  private static final long SMALL_LIMIT = 50_000;

  @TempDir Path folder;

  private static BufferedImage scene() {
    return Pictures.scene(61, 47, BufferedImage.TYPE_INT_RGB);
  }

  private static byte[] file(String kind) throws IOException {
    return switch (kind) {
      case "baseline" -> Pictures.jpeg(scene(), false);
      case "progressive" -> Pictures.jpeg(scene(), true);
      case "png", "bmp", "gif", "tiff" -> Pictures.encode(scene(), kind);
      default -> Pictures.resource(kind);
    };
  }

  private String messageFor(Path path) {
    PictureException e =
        assertThrows(PictureException.class, () -> PictureReader.read(path, SMALL_LIMIT));
    assertEquals(path, e.file());
    String message = e.getMessage();
    assertTrue(message.startsWith(path + ": "), message);
    assertFalse(message.contains("\n"), message);
    return message.substring(path.toString().length() + 2);
  }

  private String messageFor(String name, byte[] content) throws IOException {
    return messageFor(Files.write(folder.resolve(name), content));
  }

  private static byte[] text(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void filesThatAreNoPictures() throws IOException {
    assertEquals("the file is empty", messageFor("empty.jpg", new byte[0]));
    assertEquals(
        "a text file, not a picture", messageFor("text.jpg", text("Grüße\r\naus dem Süden\n")));
    assertEquals("a text file, not a picture", messageFor("bm.bmp", text("BMW is a car maker")));
    assertTrue(messageFor("zeros.png", new byte[100]).startsWith("not a picture in a format"));
    assertEquals("a PDF document, not a picture", messageFor("a.png", text("%PDF-1.7\n")));
    assertTrue(messageFor("a.heic", text("\0\0\0\30ftypheic....")).startsWith("HEIC pictures"));
    assertTrue(messageFor("a.avif", text("\0\0\0\30ftypavif....")).startsWith("AVIF pictures"));
    assertTrue(messageFor("a.mp4", text("\0\0\0\30ftypisom....")).startsWith("a video"));
    assertEquals("no such file", messageFor(folder.resolve("missing.png")));
    assertEquals("is a folder, not a file", messageFor(folder));
  }

  @Test
  void filesThatMayNotBeRead() throws IOException {
    Path path = Files.write(folder.resolve("closed.png"), file("png"));
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("---------"));
    Assumptions.assumeFalse(Files.isReadable(path), "this user may read everything");
    assertEquals("permission denied", messageFor(path));
  }

  @Test
  void devicesAreNotPictures() {
    Path device = Path.of("/dev/zero");
    Assumptions.assumeTrue(Files.exists(device));
    assertEquals("not a regular file", messageFor(device));
  }

  /** A beginning of any length is an error, not half a picture. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "baseline",
        "progressive",
        "png",
        "bmp",
        "tiff",
        "cmyk.jpg",
        "ycck.jpg",
        "lossless.webp",
        "lossy.webp",
        "lzw.tif"
      })
  void cutOffFiles(String kind) throws IOException {
    byte[] whole = file(kind);
    // The last bytes of these formats hold no pixels: checksums, padding, directories.
    int tail = kind.equals("png") ? 24 : kind.startsWith("lossless") ? 4 : 1;
    for (int i = 1; i <= 40; i++) {
      int length = Math.toIntExact(1 + (long) (whole.length - 1 - tail) * i / 40);
      messageFor("cut-" + length, Arrays.copyOf(whole, length));
    }
  }

  @Test
  void cutOffJpegSaysSo() throws IOException {
    byte[] whole = file("baseline");
    String message = messageFor("cut.jpg", Arrays.copyOf(whole, whole.length * 2 / 3));
    assertTrue(message.contains("cut off"), message);
  }

  @ParameterizedTest
  @CsvSource({"60000, 60000", "2147483647, 1", "1, 2147483647", "2147483647, 2147483647"})
  void hugePicturesAreRefusedByTheirHeader(int width, int height) throws IOException {
    byte[] bomb = Pictures.withPngSize(file("png"), width, height);
    Path path = Files.write(folder.resolve("bomb.png"), bomb);
    String message =
        assertThrows(PictureException.class, () -> PictureReader.read(path)).getMessage();
    assertTrue(message.contains(width + " x " + height + " pixels"), message);
    assertTrue(message.contains("limit of 200 megapixels"), message);
  }

  @Test
  void hugeBmpAndGifAreRefused() throws IOException {
    byte[] bmp = file("bmp");
    ByteBuffer.wrap(bmp).order(ByteOrder.LITTLE_ENDIAN).putInt(18, 50_000).putInt(22, 50_000);
    // The decoder itself finds that the file is too short for this size.
    String first = messageFor("bomb.bmp", bmp);
    assertTrue(first.startsWith("cannot decode the BMP picture: "), first);
    byte[] gif = file("gif");
    int descriptor = 0;
    for (int i = 13; i < gif.length; i++) {
      // The image descriptor: a comma, then place and size of the whole screen.
      if (gif[i] == ',' && gif[i + 5] == 61 && gif[i + 7] == 47) {
        descriptor = i;
        break;
      }
    }
    ByteBuffer.wrap(gif)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putShort(descriptor + 5, (short) 60_000)
        .putShort(descriptor + 7, (short) 60_000);
    String second = messageFor("bomb.gif", gif);
    assertTrue(second.contains("60000 x 60000 pixels"), second);
  }

  @Test
  void limitIsTheCallers() throws IOException {
    Path path = Files.write(folder.resolve("a.png"), file("png"));
    assertEquals(61, PictureReader.read(path, 61 * 47).width());
    String message =
        assertThrows(PictureException.class, () -> PictureReader.read(path, 61 * 47 - 1))
            .getMessage();
    assertTrue(message.contains("61 x 47 pixels"), message);
  }

  /** Bytes changed at random: a picture or a clean exception, nothing else. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "baseline",
        "progressive",
        "png",
        "bmp",
        "gif",
        "tiff",
        "cmyk.jpg",
        "ycck.jpg",
        "lossless.webp",
        "lossy.webp",
        "alpha.webp",
        "turned.webp",
        "lzw.tif"
      })
  void changedBytes(String kind) throws IOException {
    byte[] whole = file(kind);
    Random random = new Random(kind.hashCode());
    for (int i = 0; i < 100; i++) {
      byte[] changed = whole.clone();
      int changes = 1 + random.nextInt(8);
      int range = random.nextBoolean() ? whole.length : Math.min(whole.length, 64);
      for (int j = 0; j < changes; j++) {
        changed[random.nextInt(range)] = (byte) random.nextInt();
      }
      Path path = Files.write(folder.resolve("changed"), changed);
      try {
        PictureReader.read(path, SMALL_LIMIT);
      } catch (PictureException e) {
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
      }
    }
  }
}
