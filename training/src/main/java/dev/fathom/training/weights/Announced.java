package dev.fathom.training.weights;

import java.net.http.HttpHeaders;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What a server says about a file before it sends it.
 *
 * @param size bytes, or -1 if it does not say
 * @param sha256 checksum in lower-case hexadecimal
 * @param sha256Header the header that the checksum stood in
 * @param etag strong entity tag of the answer that carries the body, with its quotes
 */
record Announced(
    long size, @Nullable String sha256, @Nullable String sha256Header, @Nullable String etag) {
  private static final Pattern SHA256_HEX = Pattern.compile("[0-9a-fA-F]{64}");

  /** RFC 9530 Repr-Digest and the older RFC 3230 Digest. */
  private static final Pattern DIGEST =
      Pattern.compile("(?i)(?:^|[,\\s])sha-256=:?([A-Za-z0-9+/]{43}=):?");

  private static final Pattern CONTENT_RANGE = Pattern.compile("bytes (\\d+)-\\d+/(\\d+|\\*)");

  /** A checksum and the header that it stood in. */
  private record Checksum(String sha256, String header) {}

  /**
   * Collects it from the answers on the way to the file. Hugging Face announces size and checksum
   * (the ETag of a file in Git LFS) on its own redirecting answer; the storage behind it has other
   * tags.
   *
   * @param redirects headers of the redirecting answers, in order
   * @param last headers of the answer with the body
   * @param partial whether that answer is 206
   */
  static Announced of(List<HttpHeaders> redirects, HttpHeaders last, boolean partial) {
    Optional<Checksum> checksum =
        redirects.stream()
            .flatMap(headers -> checksum(headers, true).stream())
            .findFirst()
            .or(() -> checksum(last, false));
    long size = partial ? total(last) : last.firstValueAsLong("Content-Length").orElse(-1);
    if (size < 0) {
      size =
          redirects.stream()
              .mapToLong(headers -> headers.firstValueAsLong("X-Linked-Size").orElse(-1))
              .filter(linked -> linked >= 0)
              .findFirst()
              .orElse(-1);
    }
    return new Announced(
        size,
        checksum.map(Checksum::sha256).orElse(null),
        checksum.map(Checksum::header).orElse(null),
        last.firstValue("ETag").filter(etag -> etag.startsWith("\"")).orElse(null));
  }

  /** Where a 206 answer starts; -1 if it does not say. */
  static long start(HttpHeaders headers) {
    Matcher range = CONTENT_RANGE.matcher(headers.firstValue("Content-Range").orElse(""));
    return range.matches() ? Long.parseLong(range.group(1)) : -1;
  }

  private static long total(HttpHeaders headers) {
    Matcher range = CONTENT_RANGE.matcher(headers.firstValue("Content-Range").orElse(""));
    return range.matches() && !range.group(2).equals("*") ? Long.parseLong(range.group(2)) : -1;
  }

  private static Optional<Checksum> checksum(HttpHeaders headers, boolean redirect) {
    return tag(headers, "X-Linked-ETag")
        .or(() -> tag(headers, "X-Checksum-Sha256"))
        .or(() -> digest(headers, "Repr-Digest"))
        .or(() -> digest(headers, "Digest"))
        .or(() -> redirect ? tag(headers, "ETag") : Optional.empty());
  }

  private static Optional<Checksum> tag(HttpHeaders headers, String name) {
    return headers
        .firstValue(name)
        .map(value -> value.replaceFirst("^W/", "").replace("\"", ""))
        .filter(value -> SHA256_HEX.matcher(value).matches())
        .map(value -> new Checksum(value.toLowerCase(Locale.ROOT), name));
  }

  private static Optional<Checksum> digest(HttpHeaders headers, String name) {
    Matcher digest = DIGEST.matcher(headers.firstValue(name).orElse(""));
    return digest.find()
        ? Optional.of(
            new Checksum(
                HexFormat.of().formatHex(Base64.getDecoder().decode(digest.group(1))), name))
        : Optional.empty();
  }
}
