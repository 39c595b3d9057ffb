package dev.fathom.training.report;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.RgbImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Reads the event files back with a reader of the two formats written here. */
class TensorBoardWriterTest {

  private static final Instant NOW = Instant.ofEpochSecond(1_700_000_000L, 500_000_000);

  @TempDir private Path folder;

  @Test
  void scalarsComeBack() throws IOException {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("loss/labelled", 0.125);
    values.put("lr", 5e-6);
    Path file;
    try (TensorBoardWriter writer = open(0)) {
      file = writer.file();
      writer.scalars(300, values);
      assertEquals(2, events(file).size(), "written at once, before the file is closed");
      writer.scalars(1L << 40, Map.of("bad", Double.NaN));
    }
    assertTrue(
        file.getFileName().toString().startsWith("events.out.tfevents.1700000000."),
        file.toString());
    List<Map<Integer, List<Object>>> events = events(file);
    Map<Integer, List<Object>> first = events.getFirst();
    assertEquals("brain.Event:2", text(first.get(3).getFirst()));
    assertEquals(1_700_000_000.5, Double.longBitsToDouble((Long) first.get(1).getFirst()));
    Map<Integer, List<Object>> second = events.get(1);
    assertEquals(300L, second.get(2).getFirst());
    List<Object> summary = message(second.get(5).getFirst()).get(1);
    assertEquals(2, summary.size());
    assertEquals("loss/labelled", text(message(summary.get(0)).get(1).getFirst()));
    assertEquals(0.125f, real(message(summary.get(0)).get(2).getFirst()));
    assertEquals("lr", text(message(summary.get(1)).get(1).getFirst()));
    assertEquals(5e-6f, real(message(summary.get(1)).get(2).getFirst()));
    assertEquals(1L << 40, events.get(2).get(2).getFirst());
    Object bad = message(events.get(2).get(5).getFirst()).get(1).getFirst();
    assertTrue(Float.isNaN(real(message(bad).get(2).getFirst())));
  }

  @Test
  void imagesComeBack() throws IOException {
    byte[] png = Png.encode(new RgbImage(300, 2, new byte[1800]));
    Path file;
    try (TensorBoardWriter writer = open(0)) {
      file = writer.file();
      writer.image(7, "validation/student", png);
      assertThrows(IllegalArgumentException.class, () -> writer.image(7, "x", new byte[100]));
    }
    List<Map<Integer, List<Object>>> events = events(file);
    assertEquals(2, events.size());
    Map<Integer, List<Object>> value =
        message(message(events.get(1).get(5).getFirst()).get(1).getFirst());
    assertEquals("validation/student", text(value.get(1).getFirst()));
    Map<Integer, List<Object>> image = message(value.get(4).getFirst());
    assertEquals(2L, image.get(1).getFirst(), "height");
    assertEquals(300L, image.get(2).getFirst(), "width");
    assertEquals(3L, image.get(3).getFirst(), "red, green, blue");
    assertArrayEquals(png, (byte[]) image.get(4).getFirst());
  }

  @Test
  void goingOnFromAStepMakesTensorBoardForgetWhatCameAfterIt() throws IOException {
    Path first;
    try (TensorBoardWriter writer = open(0)) {
      first = writer.file();
    }
    assertEquals(1, events(first).size());
    try (TensorBoardWriter writer = open(40)) {
      assertNotEquals(first, writer.file());
      Map<Integer, List<Object>> session = events(writer.file()).get(1);
      assertEquals(41L, session.get(2).getFirst());
      assertEquals(1L, message(session.get(7).getFirst()).get(1).getFirst(), "SessionLog.START");
    }
  }

  private TensorBoardWriter open(long step) throws IOException {
    return TensorBoardWriter.open(folder.resolve("events"), step, () -> NOW);
  }

  /** TFRecords: length, its checksum, data, their checksum; all little-endian. */
  private static List<Map<Integer, List<Object>>> events(Path file) throws IOException {
    ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    List<Map<Integer, List<Object>>> events = new ArrayList<>();
    while (in.hasRemaining()) {
      byte[] length = new byte[8];
      in.get(length);
      assertEquals(masked(length), in.getInt(), "checksum of the length");
      byte[] data =
          new byte
              [Math.toIntExact(ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getLong())];
      in.get(data);
      assertEquals(masked(data), in.getInt(), "checksum of the data");
      events.add(message(data));
    }
    return events;
  }

  private static int masked(byte[] bytes) {
    CRC32C crc = new CRC32C();
    crc.update(bytes);
    long value = crc.getValue();
    return (int) (((value >>> 15) | (value << 17)) + 0xa282ead8L);
  }

  /** Fields of a message by number: numbers as Long, everything with a length as byte[]. */
  private static Map<Integer, List<Object>> message(Object bytes) {
    ByteBuffer in = ByteBuffer.wrap((byte[]) bytes).order(ByteOrder.LITTLE_ENDIAN);
    Map<Integer, List<Object>> fields = new LinkedHashMap<>();
    while (in.hasRemaining()) {
      long tag = varint(in);
      Object value =
          switch ((int) tag & 7) {
            case 0 -> varint(in);
            case 1 -> in.getLong();
            case 5 -> (long) in.getInt();
            case 2 -> {
              byte[] part = new byte[Math.toIntExact(varint(in))];
              in.get(part);
              yield part;
            }
            default -> throw new IllegalArgumentException("wire type of tag " + tag);
          };
      fields.computeIfAbsent((int) (tag >>> 3), _ -> new ArrayList<>()).add(value);
    }
    return fields;
  }

  private static long varint(ByteBuffer in) {
    long value = 0;
    for (int shift = 0; ; shift += 7) {
      byte part = in.get();
      value |= (part & 0x7FL) << shift;
      if (part >= 0) {
        return value;
      }
    }
  }

  private static float real(Object bits) {
    return Float.intBitsToFloat(((Long) bits).intValue());
  }

  private static String text(Object bytes) {
    return new String((byte[]) bytes, StandardCharsets.UTF_8);
  }
}
