package dev.fathom.training.picture;

import dev.fathom.nn.RgbImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Reads pictures: JPEG (baseline and progressive; grey, colour and CMYK), PNG, WebP, TIFF, BMP and
 * the first picture of a GIF. The format is told by the file's content, not by its name.
 *
 * <p>The pixels are those that {@code cv2.imread} gives the published scripts, so that the same
 * picture gives the same depth:
 *
 * <ul>
 *   <li>turned upright by the Exif orientation, in all formats that carry one;
 *   <li>alpha dropped, not blended: a transparent pixel keeps the colour that is stored under it;
 *   <li>16-bit samples cut to their upper 8 bits;
 *   <li>embedded colour profiles ignored: samples are taken as sRGB;
 *   <li>CMYK converted by arithmetic, not by its profile.
 * </ul>
 *
 * <p>In one thing it is stricter: a picture that is cut off or damaged is an error, where OpenCV
 * fills up with grey and warns.
 *
 * <p>Safe for use by several threads.
 */
public final class PictureReader {

  /** The most pixels a picture may have unless told otherwise. */
  public static final long DEFAULT_PIXEL_LIMIT = 200_000_000;

  private static final long FILE_LIMIT = 1L << 30;

  private PictureReader() {}

  /**
   * The picture in a file of at most {@link #DEFAULT_PIXEL_LIMIT} pixels.
   *
   * @throws PictureException if there is none, or it cannot be read, or it is too large; no other
   *     exception or error comes from broken data
   */
  public static RgbImage read(Path file) throws PictureException {
    return read(file, DEFAULT_PIXEL_LIMIT);
  }

  /**
   * The picture in a file.
   *
   * @param pixelLimit the most pixels it may have, checked before they are decoded
   * @throws PictureException as {@link #read(Path)}
   */
  public static RgbImage read(Path file, long pixelLimit) throws PictureException {
    return decode(file, readBytes(file, "cannot read the picture"), pixelLimit);
  }

  /**
   * The picture in the bytes of a file that were read already, as from an archive.
   *
   * @param file names it in messages
   * @throws PictureException as {@link #read(Path)}
   */
  public static RgbImage decode(Path file, byte[] bytes) throws PictureException {
    return decode(file, bytes, DEFAULT_PIXEL_LIMIT);
  }

  private static RgbImage decode(Path file, byte[] bytes, long pixelLimit) throws PictureException {
    if (bytes.length == 0) {
      throw new PictureException(file, "the file is empty");
    }
    PictureFormat format = PictureFormat.of(bytes);
    if (format == null) {
      throw new PictureException(file, PictureFormat.describeUnknown(bytes));
    }
    try {
      return new PictureDecoder(pixelLimit).decode(bytes, format);
    } catch (IOException | RuntimeException | OutOfMemoryError | StackOverflowError e) {
      // Decoders meet broken data with any of these.
      throw PictureException.of(file, "cannot decode the " + format + " picture", e);
    }
  }

  /** Whether a file's name ends like a picture's. */
  public static boolean isPictureName(Path file) {
    Path name = file.getFileName();
    return name != null && PictureFormat.hasExtension(name.toString());
  }

  /**
   * All bytes of a file that can be one: there, regular, readable, not empty, not huge.
   *
   * @param what what could not be done, for the message
   * @throws PictureException if it is not, or cannot be read
   */
  public static byte[] readBytes(Path file, String what) throws PictureException {
    try {
      String problem = problem(file);
      if (problem != null) {
        throw new PictureException(file, problem);
      }
      return Files.readAllBytes(file);
    } catch (PictureException e) {
      throw e;
    } catch (IOException | OutOfMemoryError e) {
      throw PictureException.of(file, what, e);
    }
  }

  private static @Nullable String problem(Path file) throws IOException {
    if (Files.isDirectory(file)) {
      return "is a folder, not a file";
    }
    if (!Files.exists(file)) {
      return "no such file";
    }
    if (!Files.isRegularFile(file)) {
      return "not a regular file";
    }
    if (!Files.isReadable(file)) {
      return "permission denied";
    }
    long size = Files.size(file);
    if (size == 0) {
      return "the file is empty";
    }
    return size > FILE_LIMIT ? "a file of " + (size >> 20) + " MiB, over the limit of 1024" : null;
  }
}
