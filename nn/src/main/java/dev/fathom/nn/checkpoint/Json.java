package dev.fathom.nn.checkpoint;

import static dev.fathom.nn.checkpoint.CheckpointException.quote;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON (RFC 8259), as much as the header of a safetensors file and the configuration beside a
 * checkpoint need. Objects become maps, arrays lists, numbers Long or Double, null {@link #NULL}.
 * Depth and number of values are bounded, so that memory is bounded by the length of the text.
 */
final class Json {
  /** The value null. */
  static final Object NULL =
      new Object() {
        @Override
        public String toString() {
          return "null";
        }
      };

  private static final int MAX_DEPTH = 32;
  private static final int MAX_VALUES = 2_000_000;
  private static final int LONGEST_NUMBER = 64;

  private final String text;
  private int position;
  private int values;

  private Json(String text) {
    this.text = text;
  }

  /**
   * Parses one value that takes the whole text.
   *
   * @throws FormatException if the text is not JSON, or an object has a key twice
   */
  static Object parse(String text) throws FormatException {
    Json json = new Json(text);
    Object value = json.value(0);
    json.space();
    if (json.position != text.length()) {
      throw json.error("has text after its end");
    }
    return value;
  }

  private Object value(int depth) throws FormatException {
    if (depth > MAX_DEPTH) {
      throw error("is nested too deeply");
    }
    if (++values > MAX_VALUES) {
      throw error("has more than " + MAX_VALUES + " values");
    }
    space();
    return switch (peek()) {
      case '{' -> object(depth);
      case '[' -> array(depth);
      case '"' -> string();
      case 't' -> word("true", true);
      case 'f' -> word("false", false);
      case 'n' -> word("null", NULL);
      default -> number();
    };
  }

  private Map<String, Object> object(int depth) throws FormatException {
    position++;
    space();
    if (peek() == '}') {
      position++;
      return Map.of();
    }
    Map<String, Object> members = new LinkedHashMap<>();
    while (true) {
      space();
      if (peek() != '"') {
        throw error("lacks a key");
      }
      String key = string();
      space();
      expect(':');
      if (members.put(key, value(depth + 1)) != null) {
        throw new FormatException("has the key " + quote(key) + " twice");
      }
      space();
      if (peek() == '}') {
        position++;
        return members;
      }
      expect(',');
    }
  }

  private List<Object> array(int depth) throws FormatException {
    position++;
    space();
    if (peek() == ']') {
      position++;
      return List.of();
    }
    List<Object> elements = new ArrayList<>(4);
    while (true) {
      elements.add(value(depth + 1));
      space();
      if (peek() == ']') {
        position++;
        return elements;
      }
      expect(',');
    }
  }

  private String string() throws FormatException {
    int start = ++position;
    while (peek() != '"' && peek() != '\\') {
      plain();
    }
    if (peek() == '"') {
      return text.substring(start, position++);
    }
    StringBuilder built = new StringBuilder().append(text, start, position);
    while (peek() != '"') {
      if (peek() == '\\') {
        position++;
        built.append(escaped());
      } else {
        built.append(plain());
      }
    }
    position++;
    return built.toString();
  }

  private char plain() throws FormatException {
    char c = text.charAt(position);
    if (c < ' ') {
      throw error("has a control character in a text");
    }
    position++;
    return c;
  }

  private char escaped() throws FormatException {
    char c = peek();
    position++;
    return switch (c) {
      case '"', '\\', '/' -> c;
      case 'b' -> '\b';
      case 'f' -> '\f';
      case 'n' -> '\n';
      case 'r' -> '\r';
      case 't' -> '\t';
      case 'u' -> {
        int code = 0;
        for (int i = 0; i < 4; i++) {
          int digit = Character.digit(peek(), 16);
          if (digit < 0) {
            throw error("has a broken escape");
          }
          code = code * 16 + digit;
          position++;
        }
        yield (char) code;
      }
      default -> throw error("has a broken escape");
    };
  }

  private Object number() throws FormatException {
    int start = position;
    boolean integer = true;
    while (position < text.length() && "+-.0123456789eE".indexOf(text.charAt(position)) >= 0) {
      integer &= ".eE".indexOf(text.charAt(position)) < 0;
      position++;
    }
    String digits = text.substring(start, position);
    if (digits.isEmpty() || digits.length() > LONGEST_NUMBER || digits.charAt(0) == '+') {
      throw error("has something that is not JSON");
    }
    try {
      if (integer) {
        return Long.parseLong(digits);
      }
      return Double.parseDouble(digits);
    } catch (NumberFormatException e) {
      throw error("has the number " + quote(digits) + ", which cannot be read");
    }
  }

  private Object word(String word, Object value) throws FormatException {
    if (!text.startsWith(word, position)) {
      throw error("has something that is not JSON");
    }
    position += word.length();
    return value;
  }

  private void space() {
    while (position < text.length() && " \t\r\n".indexOf(text.charAt(position)) >= 0) {
      position++;
    }
  }

  private char peek() throws FormatException {
    if (position >= text.length()) {
      throw error("ends too early");
    }
    return text.charAt(position);
  }

  private void expect(char c) throws FormatException {
    if (peek() != c) {
      throw error("lacks a '" + c + "'");
    }
    position++;
  }

  private FormatException error(String problem) {
    return new FormatException(problem + " (at character " + position + ")");
  }

  /** Appends a string literal. */
  static void appendString(StringBuilder out, String value) {
    out.append('"');
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        default -> {
          if (c < ' ' || Character.isSurrogate(c)) {
            out.append("\\u").append(String.format("%04x", (int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }

  /** Appends an object of strings. */
  static void appendObject(StringBuilder out, Map<String, String> members) {
    out.append('{');
    String separator = "";
    for (Map.Entry<String, String> member : members.entrySet()) {
      out.append(separator);
      appendString(out, member.getKey());
      out.append(':');
      appendString(out, member.getValue());
      separator = ",";
    }
    out.append('}');
  }
}
