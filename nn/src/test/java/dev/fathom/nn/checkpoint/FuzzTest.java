package dev.fathom.nn.checkpoint;

import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Damaged files either open or are refused; nothing else happens. */
class FuzzTest {
  private static final int ROUNDS = 600;
  private static final long MOST_MEMORY = 200L << 20;

  /** A damaged shape may stand for more elements than are worth reading. */
  private static final long MOST_ELEMENTS = 1 << 20;

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"plain.safetensors", "plain.pth", "legacy.pth", "nested.pt"})
  void truncatedFiles(String file) {
    byte[] good = GoldenFiles.bytes(file);
    within(() -> {
      for (int size = 0; size < good.length; size += 1 + size % 7) {
        open(Arrays.copyOf(good, size), file + " cut to " + size);
      }
    });
  }

  @ParameterizedTest
  @ValueSource(strings = {"plain.safetensors", "plain.pth", "legacy.pth", "nested.pt"})
  void changedBytes(String file) {
    byte[] good = GoldenFiles.bytes(file);
    within(() -> {
      for (int seed = 0; seed < ROUNDS; seed++) {
        Random random = new Random(seed);
        byte[] bad = good.clone();
        for (int i = random.nextInt(4); i >= 0; i--) {
          int at = random.nextInt(bad.length);
          bad[at] =
              switch (random.nextInt(4)) {
                case 0 -> (byte) (bad[at] ^ (1 << random.nextInt(8)));
                case 1 -> (byte) 0xff;
                case 2 -> bad[random.nextInt(bad.length)];
                default -> (byte) random.nextInt(256);
              };
        }
        open(bad, file + " changed with seed " + seed);
      }
    });
  }

  @ParameterizedTest
  @ValueSource(strings = {"plain.safetensors", "plain.pth", "legacy.pth", "nested.pt"})
  void removedAndRepeatedRanges(String file) {
    byte[] good = GoldenFiles.bytes(file);
    within(() -> {
      for (int seed = 0; seed < ROUNDS / 3; seed++) {
        Random random = new Random(seed);
        int from = random.nextInt(good.length);
        int to = Math.min(good.length, from + 1 + random.nextInt(64));
        int resume = random.nextBoolean() ? to : from;
        byte[] bad = new byte[to + good.length - resume];
        int kept = resume == to ? from : to;
        System.arraycopy(good, 0, bad, 0, kept);
        System.arraycopy(good, resume, bad, kept, good.length - resume);
        open(
            Arrays.copyOf(bad, kept + good.length - resume),
            file + " cut or repeated with seed " + seed);
      }
    });
  }

  private interface Body {
    void run() throws IOException;
  }

  private static void within(Body body) {
    assertTimeoutPreemptively(Duration.ofMinutes(2), body::run);
  }

  private void open(byte[] contents, String what) throws IOException {
    Path file = Files.write(folder.resolve("file"), contents);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      for (String name : checkpoint.names()) {
        long elements = checkpoint.info(name).elements();
        if (elements <= MOST_ELEMENTS) {
          float[] values = new float[(int) elements];
          checkpoint.readFloats(name, MemorySegment.ofArray(values));
          checkpoint.writable(name).writeTo(bytes -> {});
        }
      }
      CheckpointWeights.of(checkpoint);
    } catch (CheckpointException e) {
      assertTrue(e.getMessage().lines().count() == 1, what + ": " + e.getMessage());
    } catch (RuntimeException | Error e) {
      fail(what, e);
    }
    long used = threads.getCurrentThreadAllocatedBytes() - before;
    assertTrue(used < MOST_MEMORY, what + " took " + used + " bytes");
  }
}
