package dev.fathom.training.report;

import dev.fathom.training.picture.AtomicFile;
import dev.fathom.training.picture.PictureException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import tools.jackson.core.JsonGenerator;
import tools.jackson.databind.SerializationContext;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.module.SimpleModule;
import tools.jackson.databind.ser.std.StdSerializer;

/**
 * JSON as this program writes it: records in the order of their components, maps in their own, and
 * null for numbers that are not finite, which JSON does not have.
 */
public final class JsonFiles {

  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .addModule(
              new SimpleModule()
                  .addSerializer(new Finite<>(Double.class))
                  .addSerializer(Double.TYPE, new Finite<>(Double.class))
                  .addSerializer(new Finite<>(Float.class))
                  .addSerializer(Float.TYPE, new Finite<>(Float.class)))
          .build();

  private JsonFiles() {}

  /** A value (records, lists, maps, numbers, text) as JSON, indented. */
  public static String text(Object value) {
    return MAPPER.writer().with(SerializationFeature.INDENT_OUTPUT).writeValueAsString(value);
  }

  /** The same on one line. */
  static String line(Object value) {
    return MAPPER.writeValueAsString(value);
  }

  /** What reads JSON in this package. */
  static JsonMapper mapper() {
    return MAPPER;
  }

  /**
   * Writes a file whole or not at all, in place of one that is there. Folders above it are made.
   *
   * @throws PictureException if it cannot be written; the message names the file
   */
  public static void write(Path file, Object value) throws PictureException {
    byte[] bytes = (text(value) + "\n").getBytes(StandardCharsets.UTF_8);
    AtomicFile.write(file, out -> out.write(bytes));
  }

  /** Numbers that JSON has. */
  private static final class Finite<T extends Number> extends StdSerializer<T> {

    Finite(Class<T> type) {
      super(type);
    }

    @Override
    public void serialize(T value, JsonGenerator json, SerializationContext context) {
      if (!Double.isFinite(value.doubleValue())) {
        json.writeNull();
      } else if (value instanceof Float number) {
        json.writeNumber(number.floatValue());
      } else {
        json.writeNumber(value.doubleValue());
      }
    }
  }
}
