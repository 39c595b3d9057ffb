package dev.fathom.training.picture;

import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The picture formats that are read, told apart by their first bytes, not by a file's name. */
enum PictureFormat {
  JPEG,
  PNG,
  WEBP,
  TIFF,
  BMP,
  GIF;

  private static final Set<String> EXTENSIONS =
      Set.of("jpg", "jpeg", "jpe", "jfif", "png", "webp", "tif", "tiff", "bmp", "dib", "gif");

  private static final byte[] PNG_SIGNATURE = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

  /** Whether a file of this name is taken for a picture when a folder is searched. */
  static boolean hasExtension(String fileName) {
    return EXTENSIONS.contains(
        fileName.substring(fileName.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT));
  }

  /** The format of a file with these bytes; null if it is none of those that are read. */
  static @Nullable PictureFormat of(byte[] file) {
    if (startsWith(file, 0, 0xff, 0xd8, 0xff)) {
      return JPEG;
    }
    if (isPng(file)) {
      return PNG;
    }
    if (startsWith(file, 0, 'R', 'I', 'F', 'F') && startsWith(file, 8, 'W', 'E', 'B', 'P')) {
      return WEBP;
    }
    if (startsWith(file, 0, 'I', 'I', 42, 0)
        || startsWith(file, 0, 'M', 'M', 0, 42)
        || startsWith(file, 0, 'I', 'I', 43, 0)
        || startsWith(file, 0, 'M', 'M', 0, 43)) {
      return TIFF;
    }
    if (startsWith(file, 0, 'G', 'I', 'F', '8')) {
      return GIF;
    }
    // "BM" alone begins many texts: the size of the header that follows must be a known kind's.
    if (startsWith(file, 0, 'B', 'M')
        && file.length >= 18
        && file[14] >= 12
        && startsWith(file, 15, 0, 0, 0)) {
      return BMP;
    }
    return null;
  }

  /** Whether these bytes begin as a PNG file does. */
  static boolean isPng(byte[] file) {
    for (int i = 0; i < PNG_SIGNATURE.length; i++) {
      if (file.length <= i || file[i] != PNG_SIGNATURE[i]) {
        return false;
      }
    }
    return true;
  }

  /** What a file that is in none of the formats looks like, for the message. */
  static String describeUnknown(byte[] file) {
    if (startsWith(file, 4, 'f', 't', 'y', 'p')) {
      String brand = file.length < 12 ? "" : new String(file, 8, 4, StandardCharsets.ISO_8859_1);
      return switch (brand) {
        case "heic", "heix", "heim", "heis", "hevc", "mif1", "msf1" ->
            "HEIC pictures are not supported: convert it to JPEG or PNG";
        case "avif", "avis" -> "AVIF pictures are not supported: convert it to JPEG or PNG";
        default -> "a video or other media file, not a picture";
      };
    }
    if (startsWith(file, 0, 0xff, 0x0a) || startsWith(file, 4, 'J', 'X', 'L', ' ')) {
      return "JPEG XL pictures are not supported: convert it to JPEG or PNG";
    }
    if (startsWith(file, 0, '%', 'P', 'D', 'F')) {
      return "a PDF document, not a picture";
    }
    int shown = Math.min(file.length, 512);
    for (int i = 0; i < shown; i++) {
      int b = file[i] & 0xff;
      if ((b < 32 && b != '\t' && b != '\n' && b != '\r' && b != '\f') || b == 127) {
        return "not a picture in a format that is read (JPEG, PNG, WebP, TIFF, BMP, GIF)";
      }
    }
    return "a text file, not a picture";
  }

  private static boolean startsWith(byte[] file, int offset, int... expected) {
    if (file.length < offset + expected.length) {
      return false;
    }
    for (int i = 0; i < expected.length; i++) {
      if ((file[offset + i] & 0xff) != expected[i]) {
        return false;
      }
    }
    return true;
  }
}
