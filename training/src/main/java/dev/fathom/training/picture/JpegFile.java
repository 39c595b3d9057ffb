package dev.fathom.training.picture;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * The marker segments of a JPEG file before its first scan: what they say of orientation and
 * colour, and the same picture without those that do not matter to its samples.
 *
 * <p>The platform's decoder stumbles over broken colour profiles, thumbnails and comments, and
 * guesses colours from Exif data where libjpeg does not. So it is given a plain file: the tables,
 * frame and scans as they are, and one application segment that says which colours they are, by
 * libjpeg's rules: JFIF before Adobe before the components' names.
 */
final class JpegFile {

  private static final int SOI = 0xd8;
  private static final int EOI = 0xd9;
  private static final int SOS = 0xda;
  private static final int APP0 = 0xe0;
  private static final int APP1 = 0xe1;
  private static final int APP14 = 0xee;
  private static final int APP15 = 0xef;
  private static final int COM = 0xfe;

  private static final byte[] JFIF_SEGMENT = {
    (byte) 0xff, (byte) APP0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0
  };

  private final byte[] plain;
  private final int orientation;
  private final int components;
  private final int adobeTransform;

  private JpegFile(byte[] plain, int orientation, int components, int adobeTransform) {
    this.plain = plain;
    this.orientation = orientation;
    this.components = components;
    this.adobeTransform = adobeTransform;
  }

  /** The file with none but one application segment, and without comments. */
  byte[] plain() {
    return plain;
  }

  /** Exif orientation, 1 to 8. */
  int orientation() {
    return orientation;
  }

  /** Samples per pixel: 1 grey, 3 colour, 4 printing inks. */
  int components() {
    return components;
  }

  /** Colour transform of the Adobe segment: 0 none, 1 YCbCr, 2 YCCK; -1 if there is none. */
  int adobeTransform() {
    return adobeTransform;
  }

  /**
   * Reads the segments up to the first scan.
   *
   * @throws IOException if they do not lead to a scan
   */
  static JpegFile parse(byte[] file) throws IOException {
    ByteArrayOutputStream kept = new ByteArrayOutputStream(1024);
    int orientation = Exif.UPRIGHT;
    boolean jfif = false;
    int adobe = -1;
    int components = 0;
    int names = 0;
    int at = 2;
    while (true) {
      int marker = marker(file, at);
      at = skipFill(file, at);
      if (marker == SOI || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) {
        at += 2;
        continue;
      }
      if (marker == EOI) {
        throw new IOException("the file ends before the picture begins");
      }
      if (marker == SOS) {
        break;
      }
      int length = segmentLength(file, at);
      int data = at + 4;
      if (marker == APP1 && startsWith(file, data, length - 2, "Exif\0")) {
        if (orientation == Exif.UPRIGHT) {
          orientation = Exif.inTiff(file, data + 6, Math.max(0, length - 8));
        }
      } else if (marker == APP0 && startsWith(file, data, length - 2, "JFIF\0")) {
        jfif = true;
      } else if (marker == APP14 && length >= 14 && startsWith(file, data, length - 2, "Adobe")) {
        adobe = file[data + 11] & 0xff;
      }
      if (isFrame(marker)) {
        if (length < 8 || length < 8 + 3 * (file[data + 5] & 0xff)) {
          throw new IOException("a broken frame header");
        }
        components = file[data + 5] & 0xff;
        for (int i = 0; i < components && i < 3; i++) {
          names = names << 8 | (file[data + 6 + 3 * i] & 0xff);
        }
      }
      if ((marker < APP0 || marker > APP15) && marker != COM) {
        kept.write(file, at, length + 2);
      }
      at += length + 2;
    }
    byte[] colours = colourSegment(components, jfif, adobe, names);
    byte[] head = kept.toByteArray();
    byte[] plain = new byte[2 + colours.length + head.length + file.length - at];
    plain[0] = (byte) 0xff;
    plain[1] = (byte) SOI;
    System.arraycopy(colours, 0, plain, 2, colours.length);
    System.arraycopy(head, 0, plain, 2 + colours.length, head.length);
    int scan = 2 + colours.length + head.length;
    System.arraycopy(file, at, plain, scan, file.length - at);
    return new JpegFile(plain, orientation, components, adobe);
  }

  /** The application segment from which a decoder takes the colours that libjpeg sees. */
  private static byte[] colourSegment(int components, boolean jfif, int adobe, int names) {
    if (components == 4) {
      return adobeSegment(adobe == 2 ? 2 : 0);
    }
    boolean rgb =
        components == 3
            && !jfif
            && (adobe >= 0 ? adobe == 0 : names == ('R' << 16 | 'G' << 8 | 'B'));
    return rgb ? adobeSegment(0) : JFIF_SEGMENT;
  }

  private static byte[] adobeSegment(int transform) {
    byte[] segment = {
      (byte) 0xff, (byte) APP14, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0
    };
    segment[15] = (byte) transform;
    return segment;
  }

  /** Start of frame of any process: C0 to CF but for the tables DHT, JPG and DAC. */
  private static boolean isFrame(int marker) {
    return (marker & 0xf0) == 0xc0 && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
  }

  private static int marker(byte[] file, int at) throws IOException {
    int fill = skipFill(file, at);
    if (fill + 1 >= file.length) {
      throw new IOException("the file ends before the picture begins");
    }
    if (file[fill] != (byte) 0xff) {
      throw new IOException("a broken JPEG: no marker at byte " + fill);
    }
    return file[fill + 1] & 0xff;
  }

  /** The position of the last of the 0xff bytes before a marker's code. */
  private static int skipFill(byte[] file, int at) {
    int fill = at;
    while (fill + 1 < file.length && file[fill] == (byte) 0xff && file[fill + 1] == (byte) 0xff) {
      fill++;
    }
    return fill;
  }

  private static int segmentLength(byte[] file, int at) throws IOException {
    if (at + 4 > file.length) {
      throw new IOException("the file ends before the picture begins");
    }
    int length = (file[at + 2] & 0xff) << 8 | (file[at + 3] & 0xff);
    if (length < 2) {
      throw new IOException("a broken JPEG: a segment of " + length + " bytes");
    }
    if (length > file.length - at - 2) {
      throw new IOException("the file ends before the picture begins");
    }
    return length;
  }

  private static boolean startsWith(byte[] file, int at, int length, String expected) {
    byte[] bytes = expected.getBytes(StandardCharsets.ISO_8859_1);
    if (length < bytes.length) {
      return false;
    }
    for (int i = 0; i < bytes.length; i++) {
      if (file[at + i] != bytes[i]) {
        return false;
      }
    }
    return true;
  }
}
