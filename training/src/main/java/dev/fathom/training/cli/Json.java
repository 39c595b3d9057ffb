package dev.fathom.training.cli;

import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** JSON for {@code --json}: records in the order of their components, indented. */
final class Json {
  private static final JsonMapper MAPPER =
      JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

  private Json() {}

  /** {@code value} (records, lists, maps, numbers, text) as JSON. */
  static String pretty(Object value) {
    return MAPPER.writeValueAsString(value);
  }
}
