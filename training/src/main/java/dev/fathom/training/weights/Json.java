package dev.fathom.training.weights;

import dev.fathom.training.TemporaryFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** Records as small JSON files. */
final class Json {
  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .enable(SerializationFeature.INDENT_OUTPUT)
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .build();

  private Json() {}

  /** Writes {@code record} so that a reader finds the old file or the new one, never a part. */
  static void write(Path file, Object record) throws IOException {
    try (TemporaryFile temporary = TemporaryFile.beside(file)) {
      Files.writeString(
          temporary.path(), MAPPER.writeValueAsString(record) + "\n", StandardCharsets.UTF_8);
      temporary.commit();
    }
  }

  /** Reads what {@link #write} wrote; empty if the file is missing or is something else. */
  static <T> Optional<T> read(Path file, Class<T> type) throws IOException {
    try {
      return Optional.ofNullable(MAPPER.readValue(Files.readString(file), type));
    } catch (NoSuchFileException | JacksonException e) {
      return Optional.empty();
    }
  }
}
