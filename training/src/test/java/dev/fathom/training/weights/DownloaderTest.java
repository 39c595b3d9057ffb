package dev.fathom.training.weights;

import static dev.fathom.training.weights.LoopbackServer.cutAfter;
import static dev.fathom.training.weights.LoopbackServer.range;
import static dev.fathom.training.weights.LoopbackServer.redirect;
import static dev.fathom.training.weights.LoopbackServer.status;
import static dev.fathom.training.weights.LoopbackServer.whole;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Downloads from a loopback server that behaves and misbehaves. */
@Timeout(60)
final class DownloaderTest {
  private static final Checkpoint VITS = Catalogue.find("vits").orElseThrow();
  private static final byte[] BODY = body(300_001);
  private static final String SHA256 = sha256(BODY);
  private static final String ETAG = "\"one\"";

  @TempDir Path folder;
  private WeightsCache cache;
  private final Notes notes = new Notes();

  /** Remembers what it is told. */
  private static class Notes implements DownloadListener {
    final List<String> lines = new CopyOnWriteArrayList<>();
    volatile long total;
    volatile long at;

    @Override
    public void note(String message) {
      lines.add(message);
    }

    @Override
    public void begin(long newTotal, long first) {
      total = newTotal;
      at = first;
    }

    @Override
    public void at(long bytes) {
      at = bytes;
    }

    @Override
    public void end() {}

    String all() {
      return String.join("\n", lines);
    }
  }

  @BeforeEach
  void openCache() {
    cache = new WeightsCache(folder.resolve("a cache"));
  }

  private static byte[] body(int size) {
    byte[] body = new byte[size];
    new Random(7).nextBytes(body);
    System.arraycopy(new byte[] {'P', 'K', 3, 4}, 0, body, 0, 4);
    return body;
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  private Path download(LoopbackServer server, int attempts) throws IOException {
    return download(server, attempts, null, UnaryOperator.identity());
  }

  private Path download(
      LoopbackServer server,
      int attempts,
      String sha256,
      UnaryOperator<WritableByteChannel> channels)
      throws IOException {
    DownloadSettings settings =
        new DownloadSettings(
            Duration.ofSeconds(20), Duration.ofSeconds(20), attempts, Duration.ofMillis(1));
    return new Downloader(cache, settings, Map.of(), channels)
        .download(VITS, server.address(), sha256, notes);
  }

  private UserException fails(LoopbackServer server, int attempts) {
    return assertThrows(UserException.class, () -> download(server, attempts));
  }

  private Path part() {
    return cache.folder().resolve("vits.pth.part");
  }

  private void assertNothingLeft() {
    assertFalse(Files.exists(part()));
    assertFalse(Files.exists(cache.folder().resolve("vits.pth.part.json")));
    assertFalse(Files.exists(cache.folder().resolve("vits.pth.json")));
    assertTrue(cache.find("vits").isEmpty());
  }

  @Test
  void bringsTheWholeFileAndSaysWhereItIsFrom() throws IOException {
    try (LoopbackServer server = new LoopbackServer(whole(BODY, "X-Checksum-Sha256", SHA256))) {
      Path file = download(server, 1);
      assertEquals(cache.find("v1-small").orElseThrow(), file);
      assertArrayEquals(BODY, Files.readAllBytes(file));
      assertFalse(Files.exists(part()));
      assertEquals(List.of("/" + VITS.path()), server.paths());
      Provenance record = Provenance.of(file).orElseThrow();
      assertEquals(server.address() + "/" + VITS.path(), record.source());
      assertEquals(SHA256, record.sha256());
      assertEquals("X-Checksum-Sha256", record.checkedAgainst());
      assertEquals("Apache-2.0", record.license());
      assertEquals(BODY.length, record.bytes());
      assertEquals(BODY.length, notes.total);
      assertEquals(BODY.length, notes.at);
    }
  }

  @Test
  void doesNotAskForWhatIsHere() throws IOException {
    Files.createDirectories(cache.folder());
    Files.write(cache.folder().resolve("vits.pth"), BODY);
    try (LoopbackServer server = new LoopbackServer()) {
      download(server, 1);
      assertTrue(server.requests().isEmpty());
    }
  }

  @Test
  void takesChecksumAndSizeFromTheRedirectingAnswer() throws IOException {
    try (LoopbackServer server =
        new LoopbackServer(
            redirect(
                "/storage?key=1",
                "X-Linked-ETag",
                "\"" + SHA256 + "\"",
                "X-Linked-Size",
                Integer.toString(BODY.length)),
            whole(BODY, "ETag", "\"" + "0".repeat(64) + "\""))) {
      Path file = download(server, 1);
      assertArrayEquals(BODY, Files.readAllBytes(file));
      assertEquals("/storage?key=1", server.paths().get(1));
      assertEquals("X-Linked-ETag", Provenance.of(file).orElseThrow().checkedAgainst());
    }
  }

  @Test
  void goesOnWhereAnEarlierDownloadStopped() throws IOException {
    try (LoopbackServer server =
        new LoopbackServer(cutAfter(120_000, BODY, "ETag", ETAG), range(BODY, "ETag", ETAG))) {
      UserException failure = fails(server, 1);
      assertTrue(failure.getMessage().contains("gave up after 1 tries"), failure.getMessage());
      long stopped = Files.size(part());
      assertTrue(stopped > 0 && stopped <= 120_000, "part of " + stopped + " bytes");

      Path file = download(server, 1);
      assertEquals("bytes=" + stopped + "-", server.requests().get(1).getFirst("Range"));
      assertEquals(ETAG, server.requests().get(1).getFirst("If-Range"));
      assertArrayEquals(BODY, Files.readAllBytes(file));
      assertEquals(SHA256, Provenance.of(file).orElseThrow().sha256());
    }
  }

  @Test
  void triesAgainWithinOneDownload() throws IOException {
    try (LoopbackServer server =
        new LoopbackServer(
            status(500),
            status(429, "Retry-After", "0"),
            cutAfter(1000, BODY, "ETag", ETAG),
            status(503),
            range(BODY, "ETag", ETAG))) {
      assertArrayEquals(BODY, Files.readAllBytes(download(server, 3)));
      assertTrue(notes.all().contains("127.0.0.1 answers 500; trying again"), notes.all());
    }
  }

  @Test
  void startsOverWhenTheServerIgnoresTheRange() throws IOException {
    try (LoopbackServer server =
        new LoopbackServer(cutAfter(1000, BODY, "ETag", ETAG), whole(BODY, "ETag", ETAG))) {
      assertArrayEquals(BODY, Files.readAllBytes(download(server, 2)));
      assertTrue(notes.all().contains("from its start"), notes.all());
    }
  }

  @Test
  void startsOverWhenTheFileHasChanged() throws IOException {
    byte[] other = body(200_000);
    other[100] ^= 1;
    // The second answer claims to be a rest, of a file with another tag.
    try (LoopbackServer server =
        new LoopbackServer(
            cutAfter(1000, BODY, "ETag", ETAG),
            range(other, "ETag", "\"two\""),
            whole(other, "ETag", "\"two\""))) {
      assertArrayEquals(other, Files.readAllBytes(download(server, 2)));
      assertNull(server.requests().get(2).getFirst("Range"));
    }
  }

  @Test
  void startsOverWhenThePartIsLongerThanTheFile() throws IOException {
    try (LoopbackServer server =
        new LoopbackServer(
            cutAfter(1000, BODY, "ETag", ETAG), status(416), whole(BODY, "ETag", ETAG))) {
      assertArrayEquals(BODY, Files.readAllBytes(download(server, 2)));
    }
  }

  @Test
  void doesNotContinueWhatCannotBeToldApart() throws IOException {
    try (LoopbackServer server = new LoopbackServer(cutAfter(1000, BODY), whole(BODY))) {
      assertArrayEquals(BODY, Files.readAllBytes(download(server, 2)));
      assertNull(server.requests().get(1).getFirst("Range"));
    }
  }

  @Test
  void checksAPartThatIsWholeWithoutAskingAgain() throws IOException {
    Files.createDirectories(cache.folder());
    try (LoopbackServer server = new LoopbackServer()) {
      try (PartFile whole = new PartFile(cache.pathOf(VITS), UnaryOperator.identity())) {
        whole.state(
            new PartFile.State(
                server.address() + "/" + VITS.path(), BODY.length, SHA256, "X-Linked-ETag", null));
        whole.append(ByteBuffer.wrap(BODY.clone()));
      }
      assertArrayEquals(BODY, Files.readAllBytes(download(server, 1)));
      assertTrue(server.requests().isEmpty());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"X-Checksum-Sha256", "Repr-Digest", "Digest"})
  void deletesAFileWithTheWrongChecksum(String header) throws IOException {
    byte[] zeros = new byte[32];
    String base64 = Base64.getEncoder().encodeToString(zeros);
    String value =
        switch (header) {
          case "Repr-Digest" -> "sha-256=:" + base64 + ":";
          case "Digest" -> "SHA-256=" + base64;
          default -> HexFormat.of().formatHex(zeros);
        };
    try (LoopbackServer server = new LoopbackServer(whole(BODY, header, value))) {
      String message = fails(server, 3).getMessage();
      assertTrue(message.contains("wrong checksum"), message);
      assertTrue(message.contains(header + " says " + "0".repeat(64)), message);
      assertEquals(1, server.requests().size());
      assertNothingLeft();
    }
  }

  @Test
  void theUsersChecksumWinsOverTheServers() throws IOException {
    String wrong = "f".repeat(64);
    try (LoopbackServer server =
        new LoopbackServer(
            whole(BODY, "X-Checksum-Sha256", SHA256), whole(BODY, "X-Checksum-Sha256", wrong))) {
      assertThrows(UserException.class, () -> download(server, 1, wrong, UnaryOperator.identity()));
      assertNothingLeft();
      download(server, 1, SHA256, UnaryOperator.identity());
    }
  }

  @Test
  void saysWhenNoChecksumIsAnnounced() throws IOException {
    try (LoopbackServer server = new LoopbackServer(whole(BODY))) {
      Path file = download(server, 1);
      assertTrue(notes.all().contains("announces no checksum"), notes.all());
      assertTrue(notes.all().contains(SHA256), notes.all());
      assertNull(Provenance.of(file).orElseThrow().checkedAgainst());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {401, 403, 404, 410, 400})
  void aRefusalIsFinal(int status) throws IOException {
    try (LoopbackServer server = new LoopbackServer(status(status))) {
      String message = fails(server, 3).getMessage();
      assertTrue(message.startsWith(server.address()), message);
      assertTrue(message.contains(Integer.toString(status)), message);
      assertFalse(message.contains("\n"), message);
      assertEquals(1, server.requests().size());
    }
  }

  @Test
  void keepsThePartOfABodyThatIsCutEveryTime() throws IOException {
    try (LoopbackServer server =
        new LoopbackServer(cutAfter(1000, BODY, "ETag", ETAG), status(502), status(502))) {
      fails(server, 3);
      assertTrue(Files.size(part()) > 0);
      assertTrue(cache.find("vits").isEmpty());
    }
  }

  @Test
  void saysThatTheDiskIsFullAndKeepsWhatIsThere() throws IOException {
    UnaryOperator<WritableByteChannel> full = file -> new FullDisk(file, 50_000);
    try (LoopbackServer server =
        new LoopbackServer(whole(BODY, "ETag", ETAG), range(BODY, "ETag", ETAG))) {
      String message =
          assertThrows(UserException.class, () -> download(server, 3, null, full)).getMessage();
      assertTrue(message.contains("No space left on device"), message);
      assertTrue(message.startsWith(part().toString()), message);
      assertEquals(50_000, Files.size(part()));
      assertArrayEquals(BODY, Files.readAllBytes(download(server, 1)));
      assertEquals("bytes=50000-", server.requests().get(1).getFirst("Range"));
    }
  }

  /** Takes so many bytes and then fails as a full disk does. */
  private static final class FullDisk implements WritableByteChannel {
    private final WritableByteChannel file;
    private int room;

    FullDisk(WritableByteChannel file, int room) {
      this.file = file;
      this.room = room;
    }

    @Override
    public int write(ByteBuffer bytes) throws IOException {
      if (room == 0) {
        throw new IOException("No space left on device");
      }
      ByteBuffer fitting = bytes.slice(bytes.position(), Math.min(room, bytes.remaining()));
      int written = file.write(fitting);
      bytes.position(bytes.position() + written);
      room -= written;
      return written;
    }

    @Override
    public boolean isOpen() {
      return file.isOpen();
    }

    @Override
    public void close() throws IOException {
      file.close();
    }
  }

  @Test
  void refusesAFileThatTheDiskCannotHold() throws IOException {
    try (LoopbackServer server =
        new LoopbackServer(exchange -> {
          exchange.sendResponseHeaders(200, Long.MAX_VALUE / 2);
          exchange.getResponseBody().write(BODY, 0, 1000);
          exchange.getResponseBody().flush();
        })) {
      String message = fails(server, 1).getMessage();
      assertTrue(message.contains("disk full"), message);
    }
  }

  @Test
  void givesUpOnAServerThatStopsSending() throws IOException {
    CountDownLatch end = new CountDownLatch(1);
    LoopbackServer.Reply stalls =
        exchange -> {
          exchange.getResponseHeaders().set("ETag", ETAG);
          exchange.sendResponseHeaders(200, BODY.length);
          exchange.getResponseBody().write(BODY, 0, 1000);
          exchange.getResponseBody().flush();
          try {
            end.await();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        };
    DownloadSettings impatient =
        new DownloadSettings(
            Duration.ofSeconds(20), Duration.ofMillis(500), 1, Duration.ofMillis(1));
    try (LoopbackServer server = new LoopbackServer(stalls)) {
      Downloader downloader = new Downloader(cache, impatient, Map.of());
      String message =
          assertThrows(
                  UserException.class,
                  () -> downloader.download(VITS, server.address(), null, notes))
              .getMessage();
      assertTrue(message.contains("nothing came for"), message);
      end.countDown();
    }
  }

  @Test
  void refusesPagesAndPointers() throws IOException {
    byte[] page = "  <!DOCTYPE html><html>Sign in</html>".getBytes(StandardCharsets.UTF_8);
    byte[] pointer =
        "version https://git-lfs.github.com/spec/v1\n".getBytes(StandardCharsets.UTF_8);
    try (LoopbackServer server =
        new LoopbackServer(
            whole(page, "Content-Type", "text/html; charset=utf-8"),
            whole(page, "Content-Type", "application/octet-stream"),
            whole(pointer),
            whole(new byte[100]))) {
      assertTrue(fails(server, 3).getMessage().contains("HTML page"));
      assertTrue(fails(server, 3).getMessage().contains("HTML page"));
      assertTrue(fails(server, 3).getMessage().contains("Git LFS pointer"));
      assertTrue(fails(server, 3).getMessage().contains("neither a PyTorch nor a safetensors"));
      assertNothingLeft();
    }
  }

  @Test
  void onlyOneOfTwoDownloads() throws Exception {
    CountDownLatch secondWaits = new CountDownLatch(1);
    LoopbackServer.Reply held =
        exchange -> {
          try {
            secondWaits.await();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
          whole(BODY).send(exchange);
        };
    try (LoopbackServer server = new LoopbackServer(held);
        ExecutorService two = Executors.newFixedThreadPool(2)) {
      Notes telling =
          new Notes() {
            @Override
            public void note(String message) {
              if (message.contains("another download")) {
                secondWaits.countDown();
              }
            }
          };
      Downloader downloader = new Downloader(cache, DownloadSettings.DEFAULT, Map.of());
      Future<Path> a = two.submit(() -> downloader.download(VITS, server.address(), null, telling));
      Future<Path> b = two.submit(() -> downloader.download(VITS, server.address(), null, telling));
      assertEquals(a.get(), b.get());
      assertArrayEquals(BODY, Files.readAllBytes(a.get()));
      assertEquals(1, server.requests().size());
    }
  }

  @Test
  void neverLeavesHttps() throws IOException {
    Downloader downloader = new Downloader(cache, DownloadSettings.DEFAULT, Map.of());
    for (String mirror : List.of("http://192.0.2.1", "ftp://127.0.0.1", "127.0.0.1/x", "a b")) {
      assertThrows(
          UserException.class,
          () -> downloader.download(VITS, mirror, null, notes),
          "accepted " + mirror);
    }
    try (LoopbackServer server = new LoopbackServer(redirect("http://192.0.2.1/x"))) {
      String message = fails(server, 1).getMessage();
      assertTrue(message.contains("only https"), message);
    }
  }

  @Test
  void endlessRedirectsEnd() throws IOException {
    LoopbackServer.Reply[] loop = new LoopbackServer.Reply[20];
    java.util.Arrays.fill(loop, redirect("/again"));
    try (LoopbackServer server = new LoopbackServer(loop)) {
      assertTrue(fails(server, 1).getMessage().contains("too many redirects"));
      assertEquals(11, server.requests().size());
    }
  }

  @Test
  void nobodyListensIsSaidAtOnce() throws IOException {
    LoopbackServer server = new LoopbackServer();
    server.close();
    String message = fails(server, 5).getMessage();
    assertTrue(message.contains("no connection to 127.0.0.1"), message);
    assertFalse(message.contains("tries"), message);
  }
}
