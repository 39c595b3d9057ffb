package dev.fathom.training.stage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.UserException;
import dev.fathom.training.config.RunConfig;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Steps whose loss or gradient cannot be used: skipped, counted, and in the end too many. */
class BadStepsTest {

  @TempDir private static Path shared;
  @TempDir private Path folder;
  private static Path encoder;

  @BeforeAll
  static void pretrain() throws IOException {
    RunConfig config = MiniRun.config(shared, "pretrain.steps=1");
    try (RunFolder run = RunFolder.open(shared.resolve("run"), config);
        Stages stages = MiniRun.stages(config, run, new MiniRun.Quiet())) {
      encoder = stages.encoder();
    }
  }

  private Path teacher(MiniRun.Quiet listener, Path start, String... settings) throws IOException {
    String[] all = Arrays.copyOf(settings, settings.length + 1);
    all[settings.length] = "model.encoder=" + start;
    RunConfig config = MiniRun.config(folder, all);
    try (RunFolder run = RunFolder.open(folder.resolve("run"), config);
        Stages stages = MiniRun.stages(config, run, listener)) {
      return stages.teacher();
    }
  }

  private static FloatBuffer values(Path safetensors) throws IOException {
    ByteBuffer bytes =
        ByteBuffer.wrap(Files.readAllBytes(safetensors)).order(ByteOrder.LITTLE_ENDIAN);
    return bytes
        .position(8 + Math.toIntExact(bytes.getLong(0)))
        .slice()
        .order(ByteOrder.LITTLE_ENDIAN)
        .asFloatBuffer();
  }

  private static void assertFinite(Path safetensors) throws IOException {
    FloatBuffer values = values(safetensors);
    for (int i = 0; i < values.limit(); i++) {
      assertTrue(Float.isFinite(values.get(i)), safetensors + " has " + values.get(i));
    }
  }

  @Test
  void explodingLossEndsTheRunWithFiniteWeights() throws IOException {
    UserException thrown =
        assertThrows(
            UserException.class,
            () ->
                teacher(
                    new MiniRun.Quiet(),
                    encoder,
                    "teacher.head-rate=1000",
                    "teacher.encoder-rate=1000",
                    "teacher.warmup-steps=0",
                    "teacher.schedule=constant",
                    "teacher.steps=60",
                    "checkpoint.every=1",
                    "limits.bad-steps=2"));
    Path checkpoints = folder.resolve("run/teacher/checkpoints");
    List<Path> steps;
    try (var files = Files.list(checkpoints)) {
      steps = files.filter(file -> file.toString().endsWith(".safetensors")).sorted().toList();
    }
    Path last =
        steps.stream()
            .filter(f -> f.toString().matches(".*step-\\d+.safetensors"))
            .toList()
            .getLast();
    String message = thrown.getMessage();
    assertTrue(message.startsWith("teacher: the loss was not finite"), message);
    assertTrue(message.contains("in 3 steps in a row"), message);
    assertTrue(message.endsWith("last good checkpoint: " + last), message);
    assertEquals(1, message.lines().count(), message);
    for (Path file : steps) {
      assertFinite(file);
    }
  }

  @Test
  void weightsThatAreNoNumbersAreNotTrained() throws IOException {
    Path broken = folder.resolve("broken.safetensors");
    byte[] bytes = Files.readAllBytes(encoder);
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putFloat(bytes.length - 4, Float.NaN);
    Files.write(broken, bytes);
    UserException thrown =
        assertThrows(
            UserException.class,
            () ->
                teacher(new MiniRun.Quiet(), broken, "limits.bad-steps=1", "checkpoint.every=50"));
    assertTrue(thrown.getMessage().contains("loss NaN"), thrown.getMessage());
    assertTrue(thrown.getMessage().endsWith("last good checkpoint: none"), thrown.getMessage());
  }

  /** Stops after a step, as a user does; counts the steps that were done. */
  private static final class Interrupted extends MiniRun.Quiet {
    private final long stopAt;
    private boolean training;
    private long began;
    private long last;

    Interrupted(long stopAt) {
      this.stopAt = stopAt;
    }

    @Override
    public void begin(String task, long first, long total, String unit, int pictures) {
      training = task.equals("teacher");
      began = first;
    }

    @Override
    public void step(long steps, SequencedMap<String, Double> losses) {
      last = steps;
      if (training && steps == stopAt) {
        throw new CancellationException("stopped");
      }
    }
  }

  private static final String[] ALL_BAD = {
    "limits.gradient-norm=1e-12", "limits.bad-steps=3", "teacher.steps=12", "checkpoint.every=2"
  };

  @Test
  void badStepsInARowAreCountedOnAfterAStop() throws IOException {
    assertThrows(CancellationException.class, () -> teacher(new Interrupted(3), encoder, ALL_BAD));
    Interrupted second = new Interrupted(-1);
    UserException thrown =
        assertThrows(UserException.class, () -> teacher(second, encoder, ALL_BAD));
    assertTrue(thrown.getMessage().contains("in 4 steps in a row"), thrown.getMessage());
    assertEquals(2, second.began);
    assertEquals(3, second.last, "the fourth ends the run");
  }

  @Test
  void checkpointsWithoutTheCountAreRead() throws IOException {
    assertThrows(CancellationException.class, () -> teacher(new Interrupted(3), encoder, ALL_BAD));
    Path json = folder.resolve("run/teacher/checkpoints/step-00000002.json");
    String text = Files.readString(json);
    String older = text.replaceFirst("\\s*\"bad-in-a-row\" : 2,", "");
    assertNotEquals(text, older);
    Files.writeString(json, older);
    Interrupted second = new Interrupted(-1);
    UserException thrown =
        assertThrows(UserException.class, () -> teacher(second, encoder, ALL_BAD));
    assertTrue(thrown.getMessage().contains("in 4 steps in a row"), thrown.getMessage());
    assertEquals(2, second.began);
    assertEquals(5, second.last, "counted from step 2 on");
    assertEquals(List.of(), second.warnings);
  }

  @Test
  void skippedStepsAreCountedAndChangeNothing() throws IOException {
    MiniRun.Quiet listener = new MiniRun.Quiet();
    String[] settings = {
      "limits.gradient-norm=1e-12", "limits.bad-steps=4", "teacher.steps=4", "average.decay=0"
    };
    Path trained = teacher(listener, encoder, settings);
    assertEquals(List.of("teacher: 4 of 4 steps were skipped"), listener.warnings);
    List<Map<String, Double>> lines = MiniRun.lines(folder.resolve("run/teacher"));
    assertEquals(
        List.of(1.0, 2.0, 3.0, 4.0),
        lines.stream().filter(l -> l.containsKey("skipped")).map(l -> l.get("skipped")).toList());
    Path checkpoints = folder.resolve("run/teacher/checkpoints");
    assertArrayEquals(
        Files.readAllBytes(checkpoints.resolve("step-00000002.safetensors")),
        Files.readAllBytes(trained));
  }
}
