package dev.fathom.training.data;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/**
 * Ids as keys of a shard's members. A key ends at the first dot of the name, and hidden names and
 * control characters are not kept: those bytes of an id are written as {@code %} and two
 * hexadecimal digits, and so is {@code %}.
 */
final class ShardKeys {

  private static final HexFormat HEX = HexFormat.of().withUpperCase();

  private ShardKeys() {}

  static String key(String id) {
    if (id.isEmpty() || id.endsWith("/")) {
      throw new IllegalArgumentException("'" + id + "' cannot name a sample in a shard");
    }
    StringBuilder key = new StringBuilder();
    for (int i = 0; i < id.length(); i++) {
      char c = id.charAt(i);
      if (c == '.' || c == '%' || c < ' ' || c == 0x7f) {
        key.append('%').append(HEX.toHexDigits((byte) c));
      } else {
        key.append(c);
      }
    }
    return key.toString();
  }

  static String id(String key) {
    ByteArrayOutputStream id = new ByteArrayOutputStream();
    byte[] bytes = key.getBytes(StandardCharsets.UTF_8);
    for (int i = 0; i < bytes.length; i++) {
      boolean escape =
          bytes[i] == '%'
              && i + 2 < bytes.length
              && HexFormat.isHexDigit(bytes[i + 1])
              && HexFormat.isHexDigit(bytes[i + 2]);
      if (escape) {
        id.write(HexFormat.fromHexDigit(bytes[i + 1]) << 4 | HexFormat.fromHexDigit(bytes[i + 2]));
        i += 2;
      } else {
        id.write(bytes[i]);
      }
    }
    return id.toString(StandardCharsets.UTF_8);
  }
}
