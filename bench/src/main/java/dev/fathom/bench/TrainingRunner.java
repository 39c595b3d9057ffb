package dev.fathom.bench;

import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.RandomWeights;
import dev.fathom.nn.model.Release;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.CachingMemory;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/**
 * Training steps in a process of their own, so that their peak memory is its own: forward, the
 * scale-shift-invariant loss, backward, AdamW. {@link TrainingStep} starts it and reads it.
 *
 * <p>Prints JSON lines: {@code {"ready": description}}; then for each line {@code go N} on standard
 * input N lines {@code {"step", "seconds", "loss"}} and one {@code {"peakMegabytes",
 * "tensorMegabytes", "reservedMegabytes"}}. A line {@code profile N} runs N steps with every
 * operator timed and prints one line {@code {"profile": [...]}}.
 */
final class TrainingRunner implements AutoCloseable {

  /** What the weights are made from. */
  static final long SEED = 1;

  /** What is trained. */
  record Task(String model, int batch, int side) {

    ModelConfig config() {
      return ModelConfig.published(model, Release.V1, 0);
    }

    /** Waves of a different length in each picture and channel, within -2..2: [B,H,W,3]. */
    float[] image() {
      return waves(3, 0.11, 2, 0);
    }

    /** Longer waves, within 0.1..1.9: [B,H,W]. */
    float[] target() {
      return waves(1, 0.02, 0.9, 1);
    }

    private float[] waves(int channels, double frequency, double scale, double shift) {
      float[] values = new float[batch * side * side * channels];
      int i = 0;
      for (int b = 0; b < batch; b++) {
        for (int y = 0; y < side; y++) {
          for (int x = 0; x < side; x++) {
            for (int c = 0; c < channels; c++) {
              double f = frequency * (1 + 0.3 * c + 0.2 * b);
              double wave = Math.sin(f * y + b) * Math.cos(0.7 * f * x + c);
              values[i++] = (float) (shift + scale * wave);
            }
          }
        }
      }
      return values;
    }
  }

  private final CpuBackend device;
  private final OperatorProfile profile;
  private final Backend backend;
  private final CachingMemory memory = new CachingMemory();
  private final TrainedNetwork network;

  TrainingRunner(Task task, int threads, boolean checkpoints) {
    device = new CpuBackend(threads);
    profile = new OperatorProfile(device);
    backend = profile.backend();
    network =
        new TrainedNetwork(
            backend,
            memory,
            task.config(),
            new RandomWeights(SEED),
            task.batch(),
            task.side(),
            task.image(),
            task.target(),
            checkpoints);
  }

  private void profile(int steps) {
    Peak before = Peak.measure(device.context());
    var _ = network.step();
    profile.start();
    long begin = System.nanoTime();
    for (int i = 0; i < steps; i++) {
      var _ = network.step();
    }
    double seconds = (System.nanoTime() - begin) / 1e9;
    profile.stop();
    Peak peak = before.max(Peak.measure(device.context()));
    System.out.println(profile.json(steps, seconds, peak));
  }

  @Override
  public void close() {
    memory.close();
    device.close();
  }

  /** Arguments: model, batch, side of the pictures, threads, whether blocks are computed again. */
  public static void main(String[] args) throws IOException {
    Task task = new Task(args[0], Integer.parseInt(args[1]), Integer.parseInt(args[2]));
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (TrainingRunner runner =
        new TrainingRunner(task, Integer.parseInt(args[3]), Boolean.parseBoolean(args[4]))) {
      System.out.printf("{\"ready\": \"Fathom, %s\"}%n", runner.device.description());
      int step = 0;
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        int space = line.indexOf(' ');
        int count = Integer.parseInt(line.substring(space + 1));
        if (line.startsWith("profile")) {
          runner.profile(count);
          continue;
        }
        for (int i = 0; i < count; i++) {
          long begin = System.nanoTime();
          double loss = runner.network.step().get();
          double seconds = (System.nanoTime() - begin) / 1e9;
          step++;
          System.out.printf(
              Locale.ROOT,
              "{\"step\": %d, \"seconds\": %.6f, \"loss\": %.9g}%n",
              step,
              seconds,
              loss);
        }
        System.out.printf(
            Locale.ROOT,
            "{\"peakMegabytes\": %.1f, \"tensorMegabytes\": %.1f, \"reservedMegabytes\": %.1f}%n",
            Runner.peakMegabytes(),
            runner.memory.peakBytes() / 1e6,
            runner.memory.reservedBytes() / 1e6);
      }
    }
  }
}
