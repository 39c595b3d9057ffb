package dev.fathom.training.weights;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpHeaders;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Fetches checkpoints into a {@link WeightsCache}: goes on where an earlier download stopped, tries
 * again when the network fails, and gives a file its name only when its size and checksum are those
 * that the server announced.
 */
public final class Downloader {
  private final WeightsCache cache;
  private final DownloadSettings settings;
  private final Map<String, String> environment;
  private final UnaryOperator<WritableByteChannel> channels;

  /**
   * @param environment variables that name a proxy, usually {@link System#getenv()}
   */
  public Downloader(
      WeightsCache cache, DownloadSettings settings, Map<String, String> environment) {
    this(cache, settings, environment, UnaryOperator.identity());
  }

  /**
   * @param channels stands between the download and the disk
   */
  Downloader(
      WeightsCache cache,
      DownloadSettings settings,
      Map<String, String> environment,
      UnaryOperator<WritableByteChannel> channels) {
    this.cache = cache;
    this.settings = settings;
    this.environment = Map.copyOf(environment);
    this.channels = channels;
  }

  /**
   * Downloads {@code checkpoint} unless it is in the cache. Safe to call for the same checkpoint
   * from several threads and processes at once: one downloads, the others wait for it.
   *
   * @param mirror what stands for {@link Catalogue#HOST}
   * @param sha256 the checksum that the file must have, in hexadecimal; null takes the one that the
   *     server announces
   * @return the file
   * @throws UserException if the server does not have it, sends something else, cannot be reached,
   *     or the disk is full
   * @throws IOException if the cache cannot be read or written
   */
  public Path download(
      Checkpoint checkpoint, String mirror, @Nullable String sha256, DownloadListener listener)
      throws IOException {
    URI source = Addresses.at(mirror, checkpoint.path());
    Path target = cache.pathOf(checkpoint);
    if (Files.isRegularFile(target)) {
      listener.note(checkpoint.name() + " is here already: " + target);
      return target;
    }
    Files.createDirectories(cache.folder());
    try (HeldLock _ =
        HeldLock.acquire(
            cache.folder().resolve("." + checkpoint.fileName() + ".lock"),
            () -> listener.note("another download of " + checkpoint.name() + " runs; waiting"))) {
      if (Files.isRegularFile(target)) {
        return target;
      }
      try (PartFile part = new PartFile(target, channels);
          Fetch fetch = new Fetch(source, environment, settings)) {
        Announced announced = fill(part, fetch, source, sha256, listener);
        String expected = sha256 == null ? announced.sha256() : sha256.toLowerCase(Locale.ROOT);
        String header = sha256 == null ? announced.sha256Header() : "--sha256";
        check(part, source, expected, header, listener);
        Json.write(
            Provenance.beside(target),
            new Provenance(
                checkpoint.name(),
                source.toString(),
                Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                part.length(),
                part.checksum(),
                header,
                checkpoint.license().spdx(),
                checkpoint.release().label(),
                checkpoint.size(),
                checkpoint.maxDepth()));
        part.moveTo(target);
        return target;
      }
    }
  }

  /** Tries until the part is whole. */
  private Announced fill(
      PartFile part, Fetch fetch, URI source, @Nullable String sha256, DownloadListener listener)
      throws IOException {
    int failures = 0;
    boolean came = false;
    while (true) {
      long before = part.length();
      try {
        return attempt(part, fetch, source, sha256, listener);
      } catch (TransientException e) {
        boolean more = part.length() > before;
        came |= more;
        failures = more ? 1 : failures + 1;
        if (e.unreachable() && !came) {
          throw new UserException(source.toString(), e.getMessage(), e);
        }
        if (failures >= settings.attempts()) {
          throw new UserException(
              source.toString(), e.getMessage() + "; gave up after " + failures + " tries", e);
        }
        Duration pause = settings.pause(failures);
        Duration asked = e.retryAfter();
        if (asked != null && asked.compareTo(pause) > 0) {
          pause = asked;
        }
        listener.note(
            String.format(
                Locale.ROOT,
                "%s; trying again in %.1f s (%d of %d)",
                e.getMessage(),
                pause.toMillis() / 1e3,
                failures + 1,
                settings.attempts()));
        sleep(pause);
      }
    }
  }

  /** One request and its body. */
  private Announced attempt(
      PartFile part, Fetch fetch, URI source, @Nullable String sha256, DownloadListener listener)
      throws IOException {
    Optional<PartFile.State> known =
        part.state()
            .filter(state -> state.source().equals(source.toString()))
            .filter(state -> state.resumable() || sha256 != null);
    if (known.isEmpty() && part.length() > 0) {
      part.restart();
    }
    if (known.isPresent() && known.get().isWhole(part.length())) {
      return known.get().announced();
    }
    String etag = known.map(PartFile.State::etag).orElse(null);
    Fetch.Answer answer = fetch.get(source, part.length(), etag);
    Announced announced = answer.announced();
    HttpHeaders headers = answer.response().headers();
    int status = answer.response().statusCode();
    boolean other = status == 206 && !continues(part, known.orElse(null), announced, headers);
    if (other || status == 416) {
      // The file is another one by now: ask for all of it.
      answer.discard();
      part.restart();
      answer = fetch.get(source, 0, null);
      announced = answer.announced();
      headers = answer.response().headers();
      status = answer.response().statusCode();
    } else if (status == 200 && part.length() > 0) {
      listener.note("the server sends the file from its start");
      part.restart();
    }
    if (status != 200 && status != 206) {
      answer.discard();
      refuse(source, status, headers);
    }
    if (headers.firstValue("Content-Type").orElse("").startsWith("text/html")) {
      answer.discard();
      throw new UserException(source.toString(), "the server sent an HTML page, not weights");
    }
    receive(part, answer, announced, source, listener);
    return announced;
  }

  /** Whether a 206 answer is the rest of what the part belongs to. */
  private static boolean continues(
      PartFile part, PartFile.@Nullable State known, Announced announced, HttpHeaders headers) {
    return known != null
        && Announced.start(headers) == part.length()
        && (known.size() < 0 || announced.size() < 0 || known.size() == announced.size())
        && Objects.equals(known.sha256(), announced.sha256())
        && (announced.etag() == null || Objects.equals(known.etag(), announced.etag()));
  }

  private static void refuse(URI source, int status, HttpHeaders headers)
      throws TransientException {
    String subject = source.toString();
    switch (status) {
      case 401 -> throw new UserException(subject, "the server wants a login (401)");
      case 403 -> throw new UserException(subject, "the server refuses access (403)");
      case 404, 410 ->
          throw new UserException(subject, "no such file on the server (" + status + ")");
      default -> {
        if (status == 408 || status == 429 || status >= 500) {
          throw new TransientException(
              source.getHost() + " answers " + status, retryAfter(headers));
        }
        throw new UserException(subject, "unexpected answer " + status);
      }
    }
  }

  private static @Nullable Duration retryAfter(HttpHeaders headers) {
    // The other form, a date, is not worth a clock that may be wrong.
    String seconds = headers.firstValue("Retry-After").orElse("");
    if (!seconds.matches("\\d{1,6}")) {
      return null;
    }
    Duration asked = Duration.ofSeconds(Long.parseLong(seconds));
    return asked.compareTo(DownloadSettings.LONGEST_PAUSE) > 0
        ? DownloadSettings.LONGEST_PAUSE
        : asked;
  }

  private void receive(
      PartFile part,
      Fetch.Answer answer,
      Announced announced,
      URI source,
      DownloadListener listener)
      throws IOException {
    long size = announced.size();
    try (BodyReader body = new BodyReader(answer.response().body(), settings.stallTimeout())) {
      requireSpace(part, size);
      part.state(
          new PartFile.State(
              source.toString(),
              size,
              announced.sha256(),
              announced.sha256Header(),
              announced.etag()));
      listener.begin(size, part.length());
      try {
        List<ByteBuffer> piece = body.next();
        while (piece != null) {
          piece.forEach(part::append);
          listener.at(part.length());
          piece = body.next();
        }
      } finally {
        listener.end();
      }
    }
    if (part.length() < size) {
      throw new TransientException(
          "connection ended after " + part.length() + " of " + size + " bytes");
    }
    if (size >= 0 && part.length() > size) {
      long length = part.length();
      part.delete();
      throw new UserException(
          source.toString(), "sent " + length + " bytes instead of " + size + "; deleted");
    }
  }

  private void requireSpace(PartFile part, long size) throws IOException {
    long missing = size - part.length();
    long free = Files.getFileStore(cache.folder()).getUsableSpace();
    if (missing > free) {
      throw new UserException(
          cache.folder(),
          String.format(
              Locale.ROOT,
              "disk full: %.1f MB more are needed, %.1f MB are free",
              missing / 1e6,
              free / 1e6));
    }
  }

  private static void check(
      PartFile part,
      URI source,
      @Nullable String expected,
      @Nullable String header,
      DownloadListener listener)
      throws IOException {
    Optional<String> problem = FileKind.problem(part.head(FileKind.HEAD), part.length());
    if (problem.isPresent()) {
      part.delete();
      throw new UserException(source.toString(), problem.get());
    }
    String actual = part.checksum();
    if (expected == null) {
      listener.note(
          "the server announces no checksum: only size and kind were checked; sha256 " + actual);
    } else if (!actual.equals(expected)) {
      part.delete();
      throw new UserException(
          source.toString(),
          "wrong checksum: sha256 is "
              + actual
              + ", "
              + header
              + " says "
              + expected
              + "; the file was deleted");
    }
  }

  private static void sleep(Duration pause) throws IOException {
    try {
      Thread.sleep(pause);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }
}
