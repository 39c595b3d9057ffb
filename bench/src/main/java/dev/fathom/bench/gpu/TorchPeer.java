package dev.fathom.bench.gpu;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** PyTorch with the same network, a process of its own (bench/gpu_peer.py), asked line by line. */
final class TorchPeer implements AutoCloseable {

  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final String END = "";
  private static final long END_SECONDS = 10;

  private final Process process;
  private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();
  private final Budget budget;
  private final Results results;
  private final String description;

  private TorchPeer(Process process, Budget budget, Results results) throws IOException {
    this.process = process;
    this.budget = budget;
    this.results = results;
    Thread.ofPlatform().daemon().name("pytorch").start(this::readAll);
    try {
      JsonNode greeting = next();
      if (!greeting.has("ready")) {
        throw new IOException(
            greeting.has("missing") ? greeting.get("missing").asString() : greeting.toString());
      }
      description = greeting.get("ready").asString();
    } catch (IOException e) {
      process.destroyForcibly();
      throw e;
    }
  }

  /**
   * Starts it.
   *
   * @param weights a safetensors file with the weights and "input" [1,S,S,3]
   * @throws IOException if there is no Python, no PyTorch or no GPU for it; says which
   */
  static TorchPeer start(String python, Path program, Path weights, Budget budget, Results results)
      throws IOException {
    Process process =
        new ProcessBuilder(List.of(python, program.toString(), weights.toString()))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    return new TorchPeer(process, budget, results);
  }

  /** Its name and version. */
  String description() {
    return description;
  }

  private void readAll() {
    try (BufferedReader out =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      for (String line = out.readLine(); line != null; line = out.readLine()) {
        if (line.startsWith("{")) {
          lines.add(line);
        }
      }
    } catch (IOException e) {
      // The end of it, like any other.
    }
    lines.add(END);
  }

  private JsonNode next() throws IOException {
    try {
      String line = lines.poll((long) (budget.left() * 1e3), TimeUnit.MILLISECONDS);
      if (line == null) {
        throw new IOException("PyTorch took longer than there was time");
      }
      if (line.equals(END)) {
        throw new IOException("PyTorch's process ended");
      }
      return JSON.readTree(line);
    } catch (JacksonException e) {
      throw new IOException("PyTorch's process said " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  /** Milliseconds of what is asked for; empty, and a note, if it failed. */
  OptionalDouble ms(String question) throws IOException {
    process.outputWriter(StandardCharsets.UTF_8).append(question).append('\n').flush();
    JsonNode answer = next();
    if (answer.has("ms")) {
      return OptionalDouble.of(answer.get("ms").asDouble());
    }
    results.note("PyTorch, " + question + ": " + answer.path("error").asString("no answer"));
    return OptionalDouble.empty();
  }

  /** Asks, and puts the answer beside a row. */
  void beside(String question, String name, String section, String row) throws IOException {
    OptionalDouble ms = ms(question);
    if (ms.isPresent()) {
      results.beside(section, row, new Row.Peer(name, ms.getAsDouble()));
    }
  }

  /** Ends it, and waits a little until the GPU's memory is free again. */
  @Override
  public void close() {
    process.destroyForcibly();
    try {
      var _ = process.waitFor(END_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
