package dev.fathom.training.picture;

import dev.fathom.nn.Colormap;
import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** Depth maps as PNG: coloured, beside the picture, and 16-bit grey that can be read back. */
final class PngDepth {

  static final String SCALE = "fathom:scale";
  static final String OFFSET = "fathom:offset";
  static final String KIND = "fathom:kind";
  static final String INVALID = "fathom:invalid";

  private static final int SEPARATOR_PIXELS = 50;
  private static final int LARGEST_SAMPLE = 65535;
  private static final int LONGEST_TEXT = 256;

  private PngDepth() {}

  static void writeColour(OutputStream out, DepthMap depth, Colormap map) throws IOException {
    float min = depth.min();
    float max = depth.max();
    PngWriter.write(
        out,
        depth.width(),
        depth.height(),
        PngWriter.Samples.RGB8,
        Map.of(),
        (y, row) -> map.row(depth, y, min, max, row, 0));
  }

  /** The picture, white columns, the coloured map; all of the picture's size. */
  static void writeSideBySide(OutputStream out, DepthMap depth, RgbImage picture, Colormap map)
      throws IOException {
    float min = depth.min();
    float max = depth.max();
    int pictureBytes = 3 * picture.width();
    int mapAt = pictureBytes + 3 * SEPARATOR_PIXELS;
    PngWriter.write(
        out,
        picture.width() + SEPARATOR_PIXELS + depth.width(),
        depth.height(),
        PngWriter.Samples.RGB8,
        Map.of(),
        (y, row) -> {
          System.arraycopy(picture.rgb(), y * pictureBytes, row, 0, pictureBytes);
          Arrays.fill(row, pictureBytes, mapAt, (byte) 0xff);
          map.row(depth, y, min, max, row, mapAt);
        });
  }

  static void writeGrey16(OutputStream out, DepthMap depth) throws IOException {
    float[] values = depth.values();
    boolean gaps = false;
    for (float value : values) {
      gaps |= !Float.isFinite(value);
    }
    int first = gaps ? 1 : 0;
    double min = Float.isNaN(depth.min()) ? 0 : depth.min();
    double max = Float.isNaN(depth.max()) ? 0 : depth.max();
    double scale = max > min ? (max - min) / (LARGEST_SAMPLE - first) : 1;
    Map<String, String> text = new LinkedHashMap<>();
    text.put(KIND, depth.kind().name().toLowerCase(Locale.ROOT));
    text.put(SCALE, Double.toString(scale));
    text.put(OFFSET, Double.toString(min - first * scale));
    if (gaps) {
      text.put(INVALID, "0");
    }
    int width = depth.width();
    PngWriter.write(
        out,
        width,
        depth.height(),
        PngWriter.Samples.GREY16,
        text,
        (y, row) -> {
          for (int x = 0; x < width; x++) {
            float value = values[y * width + x];
            int sample =
                Float.isFinite(value)
                    ? first + Math.toIntExact(Math.round((value - min) / scale))
                    : 0;
            row[2 * x] = (byte) (sample >> 8);
            row[2 * x + 1] = (byte) sample;
          }
        });
  }

  /** Disparities from 0 to 1 over the whole range of the samples, whatever the largest is. */
  static byte[] unitDisparity(int width, int height, float[] values) {
    if (width < 1 || height < 1 || values.length != (long) width * height) {
      throw new IllegalArgumentException(
          values.length + " values for a map of " + width + " x " + height);
    }
    for (float value : values) {
      if (!(value >= 0 && value <= 1)) {
        throw new IllegalArgumentException("a disparity of " + value + " is not from 0 to 1");
      }
    }
    Map<String, String> text = new LinkedHashMap<>();
    text.put(KIND, DepthMap.Kind.DISPARITY.name().toLowerCase(Locale.ROOT));
    text.put(SCALE, Double.toString(1.0 / LARGEST_SAMPLE));
    text.put(OFFSET, "0.0");
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      PngWriter.write(
          out,
          width,
          height,
          PngWriter.Samples.GREY16,
          text,
          (y, row) -> {
            for (int x = 0; x < width; x++) {
              int sample = Math.round(values[y * width + x] * LARGEST_SAMPLE);
              row[2 * x] = (byte) (sample >> 8);
              row[2 * x + 1] = (byte) sample;
            }
          });
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out.toByteArray();
  }

  /** The keywords and values of a PNG's tEXt chunks. */
  static Map<String, String> text(byte[] file) {
    Map<String, String> text = new HashMap<>();
    ByteBuffer png = ByteBuffer.wrap(file);
    long at = 8;
    while (at <= file.length - 12L) {
      long length = png.getInt((int) at) & 0xffffffffL;
      String type = new String(file, (int) at + 4, 4, StandardCharsets.ISO_8859_1);
      if (type.equals("IEND")) {
        break;
      }
      if (type.equals("tEXt") && length <= Math.min(LONGEST_TEXT, file.length - at - 12)) {
        String entry = new String(file, (int) at + 8, (int) length, StandardCharsets.ISO_8859_1);
        int end = entry.indexOf('\0');
        if (end > 0) {
          text.putIfAbsent(entry.substring(0, end), entry.substring(end + 1));
        }
      }
      at += 12 + length;
    }
    return text;
  }
}
