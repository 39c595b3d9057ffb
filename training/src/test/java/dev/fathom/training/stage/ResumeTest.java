package dev.fathom.training.stage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.optim.Schedule;
import dev.fathom.training.UserException;
import dev.fathom.training.config.ConfigReader;
import dev.fathom.training.config.RunConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A run that was stopped, however often and wherever, ends with the bytes of one that was not. */
class ResumeTest {

  @TempDir private static Path shared;
  @TempDir private Path folder;
  private static Path undisturbed;

  /** What stops a run. */
  private static final class Stop extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  /** Stops a run after some steps of any task. */
  private static final class Stopping extends MiniRun.Quiet {
    final List<String> tasks = new ArrayList<>();
    private int left;
    private boolean rendering;

    Stopping(int steps) {
      left = steps;
    }

    @Override
    public void begin(String task, long first, long total, String unit, int pictures) {
      // Scenes are rendered by every process anew: that is no stage.
      rendering = task.equals("scenes");
      if (!rendering) {
        tasks.add(task + " from " + first);
      }
    }

    @Override
    public void step(long steps, SequencedMap<String, Double> losses) {
      if (!rendering && --left == 0) {
        throw new Stop();
      }
    }
  }

  @BeforeAll
  static void runUndisturbed() throws IOException {
    undisturbed = shared.resolve("undisturbed");
    var _ = SelfTraining.run(MiniRun.config(shared), undisturbed, new MiniRun.Quiet());
  }

  @ParameterizedTest
  @ValueSource(ints = {3, 7})
  void stoppedAgainAndAgain(int steps) throws IOException {
    RunConfig config = MiniRun.config(folder);
    Path run = folder.resolve("run");
    int stops = 0;
    boolean done = false;
    while (!done) {
      try {
        var _ = SelfTraining.run(config, run, new Stopping(steps));
        done = true;
      } catch (Stop e) {
        stops++;
        assertTrue(stops < 40, "it makes no progress");
        // The comparison has no checkpoints: it is done again as a whole.
        steps = Files.exists(run.resolve("student/weights.safetensors")) ? 100 : steps;
      }
    }
    assertTrue(stops >= 2, stops + " stops");
    MiniRun.assertSame(undisturbed, run);
  }

  /** What is on the disk when a process is killed within the writing of a checkpoint. */
  @ParameterizedTest
  @ValueSource(strings = {"encoder", "teacher", "student"})
  void killedBetweenTheFilesOfACheckpoint(String stage) throws IOException {
    Path run = folder.resolve("run");
    copy(undisturbed, run);
    List<String> stages = List.of("encoder", "teacher", "pseudo-labels", "student");
    for (String later : stages.subList(stages.indexOf(stage) + 1, stages.size())) {
      delete(run.resolve(later));
    }
    Path checkpoints = run.resolve(stage).resolve("checkpoints");
    Files.delete(run.resolve(stage).resolve("weights.safetensors"));
    Files.delete(run.resolve("metrics.json"));
    Files.delete(checkpoints.resolve("step-00000004.json"));
    Files.delete(checkpoints.resolve("step-00000004.optimiser.safetensors"));
    Path temporary = Files.writeString(checkpoints.resolve(".fathom-0123456789abcdef.tmp"), "half");
    Path other = Files.writeString(run.resolve(stage).resolve(".fathom-0f.tmp"), "half");
    Files.writeString(
        run.resolve(stage).resolve("metrics.jsonl"), "{\"step\":4,\"lo", StandardOpenOption.APPEND);
    Stopping listener = new Stopping(-1);
    var _ = SelfTraining.run(MiniRun.config(folder), run, listener);
    assertEquals(stage + " from 2", listener.tasks.getFirst());
    assertFalse(Files.exists(temporary));
    assertFalse(Files.exists(other));
    MiniRun.assertSame(undisturbed, run);
  }

  @Test
  void killedWithinAShard() throws IOException {
    Path run = folder.resolve("run");
    copy(undisturbed, run);
    delete(run.resolve("student"));
    Path labels = run.resolve("pseudo-labels");
    Files.delete(labels.resolve("complete"));
    // The last shard has its name, but is not listed yet; the one behind it was begun.
    List<String> index = Files.readAllLines(labels.resolve("index.tsv"));
    Files.writeString(
        labels.resolve("index.tsv"), String.join("\n", index.subList(0, index.size() - 1)) + "\n");
    Files.writeString(labels.resolve("shard-000002.tar.part"), "half");
    Stopping listener = new Stopping(-1);
    var _ = SelfTraining.run(MiniRun.config(folder), run, listener);
    assertEquals("pseudo-labels from 4", listener.tasks.getFirst());
    MiniRun.assertSame(undisturbed, run);
  }

  @Test
  void damagedCheckpointFallsBackToTheOneBefore() throws IOException {
    Path run = folder.resolve("run");
    copy(undisturbed, run);
    Files.delete(run.resolve("student/weights.safetensors"));
    Path last = run.resolve("student/checkpoints/step-00000004.optimiser.safetensors");
    byte[] whole = Files.readAllBytes(last);
    Files.write(last, Arrays.copyOf(whole, whole.length / 2));
    Stopping listener = new Stopping(-1);
    var _ = SelfTraining.run(MiniRun.config(folder), run, listener);
    assertEquals("student from 2", listener.tasks.getFirst());
    assertEquals(1, listener.warnings.size(), listener.warnings.toString());
    assertTrue(
        listener.warnings.getFirst().contains(last.toString()), listener.warnings.toString());
    MiniRun.assertSame(undisturbed, run);
  }

  @Test
  void keepsAsManyCheckpointsAsItShould() throws IOException {
    for (String stage : List.of("encoder", "teacher", "student")) {
      try (Stream<Path> files = Files.list(undisturbed.resolve(stage).resolve("checkpoints"))) {
        List<String> steps =
            files
                .map(file -> String.valueOf(file.getFileName()))
                .filter(name -> name.endsWith(".json"))
                .sorted()
                .toList();
        assertEquals(List.of("step-00000002.json", "step-00000004.json"), steps);
      }
    }
    Path run = folder.resolve("run");
    RunConfig one = MiniRun.config(folder, "checkpoint.keep=1", "checkpoint.every=1");
    assertThrows(Stop.class, () -> SelfTraining.run(one, run, new Stopping(3)));
    try (Stream<Path> files = Files.list(run.resolve("encoder/checkpoints"))) {
      assertEquals(
          List.of(
              "step-00000002.json",
              "step-00000002.optimiser.safetensors",
              "step-00000002.safetensors"),
          files.map(file -> String.valueOf(file.getFileName())).sorted().toList());
    }
  }

  @Test
  void theReportIsWellFormedAndTheMetricsHaveBothNetworks() throws Exception {
    JsonNode metrics =
        JsonMapper.shared().readTree(Files.readString(undisturbed.resolve("metrics.json")));
    assertEquals(2, metrics.get("test_sets").size());
    for (String network : List.of("teacher", "student")) {
      double sum = 0;
      for (String set : List.of("room", "hills")) {
        JsonNode result = metrics.get("test_sets").get(set).get(network);
        assertEquals(2, result.get("pictures").intValue());
        sum += result.get("abs_rel").get("mean").doubleValue();
      }
      JsonNode mean = metrics.get("mean_abs_rel").get(network);
      assertEquals(sum / 2, mean.get("all").doubleValue(), 1e-12);
      assertTrue(mean.has("seen") && mean.has("unseen"), mean.toString());
    }
    String html = Files.readString(undisturbed.resolve("report.html"));
    for (String part : List.of("Teacher", "Student", "config.yaml", "hills (unseen)", "</html>")) {
      assertTrue(html.contains(part), part);
    }
  }

  @Test
  void ratesFollowTheScheduleWithItsWarmup() throws IOException {
    Schedule schedule = new Schedule.Warmup(1, new Schedule.Linear());
    List<Double> expected = LongStream.range(0, 4).mapToObj(i -> schedule.factor(i, 4)).toList();
    List<Double> logged =
        MiniRun.lines(undisturbed.resolve("teacher")).stream()
            .filter(line -> line.containsKey("rate-factor"))
            .map(line -> line.get("rate-factor"))
            .toList();
    assertEquals(expected, logged);
  }

  @Test
  void aOneCycleStageGoesOnWithItsMomentum() throws IOException {
    String[] settings = {
      "model.encoder=" + undisturbed.resolve("encoder/weights.safetensors"),
      "teacher.schedule=one-cycle",
      "teacher.steps=6"
    };
    RunConfig config = MiniRun.config(folder, settings);
    Path whole = folder.resolve("whole");
    teacher(config, whole, new MiniRun.Quiet());
    Path stopped = folder.resolve("stopped");
    assertThrows(Stop.class, () -> teacher(config, stopped, new Stopping(3)));
    assertThrows(Stop.class, () -> teacher(config, stopped, new Stopping(3)));
    Stopping last = new Stopping(-1);
    teacher(config, stopped, last);
    assertEquals(List.of("teacher from 4"), last.tasks);
    for (String file : List.of("weights.safetensors", "checkpoints/best.safetensors")) {
      assertArrayEquals(
          Files.readAllBytes(whole.resolve("teacher").resolve(file)),
          Files.readAllBytes(stopped.resolve("teacher").resolve(file)),
          file);
    }
    Schedule schedule =
        new Schedule.Warmup(
            1, new Schedule.OneCycle(0.3, 25, 1e4, new Schedule.Momentum(0.85, 0.95)));
    List<Double> expected =
        LongStream.range(0, 6).mapToObj(step -> schedule.beta1(step, 6, 0.9)).toList();
    List<Map<String, Double>> lines = MiniRun.lines(stopped.resolve("teacher"));
    assertEquals(
        expected,
        lines.stream().filter(l -> l.containsKey("beta1")).map(l -> l.get("beta1")).toList());
    assertEquals(MiniRun.lines(whole.resolve("teacher")), lines);
    // Without the cycle the weights are others, and nothing is said of beta1.
    Path still = folder.resolve("still");
    teacher(
        ConfigReader.with(config, List.of("optimiser.cycle-momentum=false")),
        still,
        new MiniRun.Quiet());
    assertFalse(
        Arrays.equals(
            Files.readAllBytes(whole.resolve("teacher/weights.safetensors")),
            Files.readAllBytes(still.resolve("teacher/weights.safetensors"))));
    assertTrue(
        MiniRun.lines(still.resolve("teacher")).stream().noneMatch(l -> l.containsKey("beta1")));
  }

  @Test
  void theRoomAskedForIsWhatARunTakes() throws IOException {
    RunConfig config = MiniRun.config(folder);
    List<String> stages = List.of(Stages.TEACHER, Stages.LABELS, Stages.STUDENT);
    long needed =
        Preflight.checkpointBytes(
            config, ModelSetup.network(config), folder.resolve("new"), stages);
    long taken = 0;
    try (Stream<Path> files = Files.walk(undisturbed)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".safetensors")).toList()) {
        taken += Files.size(file);
      }
    }
    assertTrue(needed > taken && needed < 2 * taken, needed + " for " + taken);
    assertEquals(
        0, Preflight.checkpointBytes(config, ModelSetup.network(config), undisturbed, stages));
    Preflight.requireRoom(folder, needed, needed);
    Preflight.requireRoom(folder, needed, 0);
    UserException full =
        assertThrows(
            UserException.class, () -> Preflight.requireRoom(folder, 5_140_000_000L, 990_000_000));
    assertTrue(full.getMessage().startsWith(folder + ": the checkpoints take 5.1 GB"));
    assertTrue(full.getMessage().endsWith("and 990 MB are free"), full.getMessage());
  }

  /** A run that an earlier version began, before a key existed whose default changes nothing. */
  @Test
  void aFolderOfAnEarlierVersionIsTakenUp() throws IOException {
    Path run = folder.resolve("run");
    copy(undisturbed, run);
    Files.delete(run.resolve("student/weights.safetensors"));
    Path file = run.resolve("config.yaml");
    List<String> lines = new ArrayList<>(Files.readAllLines(file));
    assertTrue(lines.removeIf(line -> line.contains("momentum:")));
    Files.write(file, lines);
    var _ = SelfTraining.run(MiniRun.config(folder), run, new MiniRun.Quiet());
    MiniRun.assertSame(undisturbed, run);
    UserException refused =
        assertThrows(
            UserException.class,
            () -> RunFolder.open(run, MiniRun.config(folder, "optimiser.base-momentum=0.8")));
    assertTrue(
        refused.getMessage().contains("base-momentum: 0.85', now 'base-momentum: 0.8'"),
        refused.getMessage());
  }

  private static void teacher(RunConfig config, Path folder, StageListener listener)
      throws IOException {
    try (RunFolder run = RunFolder.open(folder, config);
        Stages stages = MiniRun.stages(config, run, listener)) {
      var _ = stages.teacher();
    }
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(from.relativize(file).toString()));
      }
    }
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
