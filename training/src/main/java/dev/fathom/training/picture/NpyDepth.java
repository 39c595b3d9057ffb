package dev.fathom.training.picture;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** NumPy's array files (NEP 1): written as version 1.0, float32; read in versions 1 to 3. */
final class NpyDepth {

  private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
  private static final int ALIGNMENT = 64;

  private static final Pattern DESCR = Pattern.compile("'descr'\\s*:\\s*'([<>|=]?[a-z]\\d+)'");
  private static final Pattern ORDER = Pattern.compile("'fortran_order'\\s*:\\s*(True|False)");
  private static final Pattern SHAPE = Pattern.compile("'shape'\\s*:\\s*\\(([\\d,\\s]*)\\)");

  private NpyDepth() {}

  static void write(OutputStream out, int width, int height, float[] values) throws IOException {
    String entry =
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + height + ", " + width + "), }";
    int preamble = MAGIC.length + 4;
    int padding = ALIGNMENT - (preamble + entry.length() + 1) % ALIGNMENT;
    String header = entry + " ".repeat(padding % ALIGNMENT) + "\n";
    out.write(MAGIC);
    out.write(1);
    out.write(0);
    out.write(header.length());
    out.write(header.length() >> 8);
    out.write(header.getBytes(StandardCharsets.US_ASCII));
    ByteBuffer row = ByteBuffer.allocate(4 * width).order(ByteOrder.LITTLE_ENDIAN);
    for (int y = 0; y < height; y++) {
      row.asFloatBuffer().put(values, y * width, width);
      out.write(row.array());
    }
  }

  static boolean isNpy(byte[] file) {
    for (int i = 0; i < MAGIC.length; i++) {
      if (file.length <= i || file[i] != MAGIC[i]) {
        return false;
      }
    }
    return true;
  }

  /**
   * An array [H, W]; axes of length 1 before or after are dropped.
   *
   * @throws IOException if it is of another shape or type, or the data does not fit
   */
  static DepthFile read(byte[] file, long pixelLimit) throws IOException {
    if (file.length < 12) {
      throw new IOException("the file ends within the header");
    }
    ByteBuffer buffer = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    int version = file[6];
    if (version < 1 || version > 3) {
      throw new IOException("version " + version + " of the format is not known");
    }
    int start = version == 1 ? 10 : 12;
    long headerBytes = version == 1 ? buffer.getShort(8) & 0xffff : buffer.getInt(8) & 0xffffffffL;
    if (headerBytes > file.length - start) {
      throw new IOException("the file ends within the header");
    }
    String header = new String(file, start, (int) headerBytes, StandardCharsets.ISO_8859_1);
    String type = find(DESCR, header, "element type");
    if (find(ORDER, header, "order").equals("True")) {
      throw new IOException("an array in column order (fortran_order): save it in row order");
    }
    int[] shape = shape(find(SHAPE, header, "shape"));
    DepthFile.checkSize(shape[1], shape[0], pixelLimit);
    int data = start + (int) headerBytes;
    return new DepthFile(shape[1], shape[0], values(file, data, type, shape[0] * shape[1]), null);
  }

  private static float[] values(byte[] file, int start, String type, int count) throws IOException {
    char order = type.charAt(0);
    String element = Character.isLetter(order) ? type : type.substring(1);
    int size =
        switch (element) {
          case "u1", "b1" -> 1;
          case "u2", "i2", "f2" -> 2;
          case "f4" -> 4;
          case "f8" -> 8;
          default ->
              throw new IOException(
                  "elements of type "
                      + type
                      + ": float16, float32, float64, uint8, uint16, int16 or bool are read");
        };
    if ((long) count * size > file.length - start) {
      throw new IOException("the file ends too early");
    }
    ByteBuffer data =
        ByteBuffer.wrap(file, start, count * size)
            .slice()
            .order(order == '>' ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] =
          switch (element) {
            case "u1", "b1" -> data.get(i) & 0xff;
            case "u2" -> data.getShort(2 * i) & 0xffff;
            case "i2" -> data.getShort(2 * i);
            case "f2" -> Float.float16ToFloat(data.getShort(2 * i));
            case "f4" -> data.getFloat(4 * i);
            default -> (float) data.getDouble(8 * i);
          };
    }
    return values;
  }

  /** Height and width. */
  private static int[] shape(String text) throws IOException {
    List<String> axes = new ArrayList<>();
    for (String axis : text.split(",", -1)) {
      if (!axis.isBlank()) {
        axes.add(axis.strip());
      }
    }
    while (axes.size() > 2 && axes.getFirst().equals("1")) {
      axes.removeFirst();
    }
    while (axes.size() > 2 && axes.getLast().equals("1")) {
      axes.removeLast();
    }
    boolean plane = axes.size() == 2 && axes.stream().allMatch(axis -> axis.length() < 10);
    if (!plane) {
      throw new IOException("an array of shape (" + text.strip() + ") is not a depth map");
    }
    return new int[] {Integer.parseInt(axes.get(0)), Integer.parseInt(axes.get(1))};
  }

  private static String find(Pattern pattern, String header, String what) throws IOException {
    Matcher matcher = pattern.matcher(header);
    if (!matcher.find()) {
      throw new IOException("the header gives no " + what + " that is read");
    }
    return matcher.group(1);
  }
}
