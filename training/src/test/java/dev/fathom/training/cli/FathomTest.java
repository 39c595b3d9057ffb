package dev.fathom.training.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.weights.LoopbackServer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The command line as a user meets it: what it prints where, and what it answers. */
final class FathomTest {
  @TempDir Path folder;

  private record Result(int code, String out, String err) {}

  private static Result run(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code = Fathom.run(new PrintWriter(out), new PrintWriter(err), args);
    return new Result(code, out.toString(), err.toString());
  }

  @Test
  void versionAndHelpAreAnswers() {
    Result version = run("--version");
    assertEquals(ExitCode.OK, version.code());
    assertTrue(version.out().startsWith("fathom "), version.out());
    Result help = run("weights", "download", "--help");
    assertEquals(ExitCode.OK, help.code());
    assertTrue(help.out().contains("--mirror=URL"), help.out());
    assertTrue(help.out().contains("--quiet"), help.out());
    assertTrue(run("--help").out().contains("weights"));
  }

  @ParameterizedTest
  @CsvSource({
    "wieghts,              unknown command 'wieghts'; did you mean weights? See 'fathom --help'",
    "weights lst,          unknown command 'lst'; did you mean list? See 'fathom weights --help'",
    "weights list --jsno,  unknown option '--jsno'; did you mean --json?",
    "weights list extra,   unexpected argument 'extra'",
    "weights,              missing required subcommand",
    "weights download,     missing required parameter: 'NAME'",
  })
  void wrongUsageIsOneLineThatHelps(String command, String message) {
    Result result = run(command.split(" ", -1));
    assertEquals(ExitCode.USER, result.code());
    assertTrue(result.err().startsWith("fathom: " + message), result.err());
    assertEquals(1, result.err().lines().count(), result.err());
    assertEquals("", result.out());
  }

  @Test
  void listsWhatIsPublishedAndWhatIsHere() throws IOException {
    Files.createFile(folder.resolve("v2-vits.pth"));
    Result table = run("weights", "list", "--cache", folder.toString());
    assertTrue(
        table.out().lines().anyMatch(line -> line.matches("v2-vits +v2 .* Apache-2.0 +yes")),
        table.out());
    assertTrue(table.out().lines().anyMatch(line -> line.matches("vits .* Apache-2.0")));
    assertTrue(table.err().contains("the cache is " + folder), table.err());
    assertEquals("", run("--quiet", "weights", "list").err());

    Result json = run("weights", "list", "--json", "--cache", folder.toString());
    JsonNode rows = JsonMapper.shared().readTree(json.out());
    assertEquals("", json.err());
    assertEquals("vits", rows.get(0).get("name").asString());
    assertTrue(rows.get(0).get("file").isNull());
    assertTrue(rows.get(6).get("file").asString().endsWith("v2-vits.pth"));
  }

  @Test
  void asksForANonCommercialLicenceOnce() throws IOException {
    byte[] body = {(byte) 0x80, 2, 0, 0};
    try (LoopbackServer server =
        new LoopbackServer(LoopbackServer.whole(body), LoopbackServer.whole(body))) {
      String cache = folder.toString();
      String mirror = server.address();
      Result refused = run("weights", "download", "v2-vitb", "--mirror", mirror, "--cache", cache);
      assertEquals(ExitCode.USER, refused.code());
      assertTrue(refused.err().contains("CC-BY-NC-4.0"), refused.err());
      assertTrue(refused.err().contains("--accept-license"), refused.err());
      assertFalse(Files.exists(folder.resolve("v2-vitb.pth")));

      Result accepted =
          run(
              "weights",
              "download",
              "v2-vitb",
              "--accept-license",
              "--mirror",
              mirror,
              "--cache",
              cache);
      assertEquals(ExitCode.OK, accepted.code(), accepted.err());
      assertEquals(folder.resolve("v2-vitb.pth") + "\n", accepted.out());
      Result later = run("weights", "download", "v2-vitl", "--mirror", mirror, "--cache", cache);
      assertEquals(ExitCode.OK, later.code(), later.err());
    }
  }

  @Test
  void unknownWeightsAreOneLine() {
    Result result = run("weights", "download", "vitx");
    assertEquals(ExitCode.USER, result.code());
    assertTrue(result.err().startsWith("fathom: vitx: no published checkpoint"), result.err());
    assertEquals(1, result.err().lines().count());
    Result sha = run("weights", "download", "vits", "--sha256", "12");
    assertEquals(ExitCode.USER, sha.code());
  }

  @Test
  void fileSystemErrorsAreTheUsers() {
    StringWriter err = new StringWriter();
    Errors errors = new Errors(new PrintWriter(err));
    int code = errors.report(new UncheckedIOException(new NoSuchFileException("a.png")), false);
    assertEquals(ExitCode.USER, code);
    assertEquals("fathom: a.png: no such file or folder\n", err.toString());
  }

  @Test
  void internalErrorsLeaveAStackTrace() throws IOException {
    StringWriter err = new StringWriter();
    Errors errors = new Errors(new PrintWriter(err));
    assertEquals(ExitCode.INTERNAL, errors.report(new IllegalStateException("a\nb"), false));
    String line = err.toString();
    assertEquals(1, line.lines().count(), line);
    assertTrue(line.startsWith("fathom: internal error: IllegalStateException: a; b"), line);
    Path trace = Path.of(line.replaceAll("(?s).*stack trace in (.*)\\).*", "$1"));
    assertTrue(Files.readString(trace).contains("internalErrorsLeaveAStackTrace"));
    Files.delete(trace);

    StringWriter debug = new StringWriter();
    new Errors(new PrintWriter(debug, true)).report(new IllegalStateException("a"), true);
    assertTrue(debug.toString().contains("at " + FathomTest.class.getName()), debug.toString());
  }
}
