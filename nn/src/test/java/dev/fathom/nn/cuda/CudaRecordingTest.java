package dev.fathom.nn.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.nn.Golden;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.model.DepthAnything;
import dev.fathom.nn.model.Inference;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.RandomWeights;
import dev.fathom.nn.model.Release;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.Recording;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Operators that are recorded on a device without room. */
class CudaRecordingTest {

  private static final ElementType FLOAT = ElementType.FLOAT32;

  /** Less than a graph takes, and more than what little is allocated beside it. */
  private static final long LEFT = 32 << 10;

  private static final ModelConfig SMALL =
      new ModelConfig(
          "small",
          64,
          4,
          1,
          false,
          List.of(0, 1, 2, 3),
          16,
          List.of(16, 16, 16, 16),
          Release.V1,
          0,
          14,
          37);

  @AfterEach
  void asItWas() {
    Emulated.configure(0, false);
  }

  /** A way back that sums in scratch memory, which grows with the rows. */
  private static final class Back {
    final Backend backend;
    final Tensor dy;
    final Tensor dBias;
    final Tensor weight;
    final AtomicInteger calls = new AtomicInteger();

    Back(Backend backend, BlockMemory memory, long rows) {
      this.backend = backend;
      dy = memory.allocate(rows, 24);
      dBias = memory.allocate(24);
      weight = memory.allocate(24, 8);
      backend.transfer().write(Golden.hashed("dy", Math.toIntExact(dy.size())), dy);
    }

    void run() {
      calls.incrementAndGet();
      backend.vector().fill(dBias, 0);
      backend
          .linear()
          .linearBackward(
              null,
              weight,
              weight,
              null,
              Activation.NONE,
              null,
              null,
              dy,
              null,
              false,
              null,
              dBias,
              null);
    }

    float[] result() {
      return backend.transfer().read(dBias);
    }
  }

  /** Takes all memory of the device but so many bytes. */
  private static Tensor fill(Backend backend, BlockMemory memory, long left) {
    assumeTrue(System.getenv("FATHOM_EMULATOR_MEMORY") != null, "the device is large");
    long free = ((CudaBackend) backend).engine().context().memoryInfo().free();
    return memory.allocate((free - left) / Float.BYTES);
  }

  @Test
  void scratchMemoryIsMadeBeforeOperatorsAreRecorded() {
    try (Backend backend = Emulated.backend(FLOAT);
        BlockMemory memory = backend.newMemory()) {
      Back small = new Back(backend, memory, 3);
      small.run();
      Back large = new Back(backend, memory, 700);
      try (Recording recording = backend.record(large::run)) {
        assertNotNull(recording);
        assertEquals(2, large.calls.get());
        assertTrue(recording.replay());
        float[] recorded = large.result();
        large.run();
        assertArrayEquals(large.result(), recorded);
      }
    }
  }

  @Test
  void withoutRoomForScratchMemoryNothingIsRecorded() {
    try (Backend backend = Emulated.backend(FLOAT);
        BlockMemory memory = backend.newMemory()) {
      Back small = new Back(backend, memory, 3);
      small.run();
      float[] expected = small.result();
      Back large = new Back(backend, memory, 50_000);
      Tensor filler = fill(backend, memory, 8 << 10);
      assertNull(backend.record(large::run));
      OutOfMemoryError error = assertThrows(OutOfMemoryError.class, large::run);
      assertTrue(String.valueOf(error.getMessage()).startsWith("no room for "), error::getMessage);
      memory.release(filler);
      small.run();
      assertArrayEquals(expected, small.result());
      large.run();
      float[] all = large.result();
      try (Recording recording = backend.record(large::run)) {
        assertNotNull(recording);
        assertTrue(recording.replay());
        assertArrayEquals(all, large.result());
      }
    }
  }

  @Test
  void withoutRoomForTheGraphNothingIsRecorded() {
    try (Backend backend = Emulated.backend(FLOAT);
        BlockMemory memory = backend.newMemory()) {
      Back back = new Back(backend, memory, 70);
      back.run();
      float[] expected = back.result();
      Tensor filler = fill(backend, memory, LEFT);
      assertNull(backend.record(back::run));
      back.run();
      assertArrayEquals(expected, back.result());
      memory.release(filler);
      try (Recording recording = backend.record(back::run)) {
        assertNotNull(recording);
        assertTrue(recording.replay());
        assertArrayEquals(expected, back.result());
      }
    }
  }

  /** The device has yet to free it: that is waited for, and the operators are captured again. */
  @Test
  void whatWasReleasedIsRoomForTheGraph() {
    Emulated.configure(0, true);
    try (Backend backend = Emulated.backend(FLOAT);
        BlockMemory memory = backend.newMemory()) {
      Back back = new Back(backend, memory, 70);
      back.run();
      float[] expected = back.result();
      Tensor filler = fill(backend, memory, LEFT);
      backend.vector().fill(filler.slice(0, 100), 1);
      memory.release(filler);
      back.calls.set(0);
      try (Recording recording = backend.record(back::run)) {
        assertNotNull(recording);
        assertEquals(2, back.calls.get());
        assertTrue(recording.replay());
        assertArrayEquals(expected, back.result());
      }
    }
  }

  @Test
  void whoAllocatesWhileItIsRecordedIsTold() {
    try (Backend backend = Emulated.backend(FLOAT);
        BlockMemory memory = backend.newMemory()) {
      Back back = new Back(backend, memory, 70);
      back.run();
      float[] expected = back.result();
      assertThrows(
          IllegalStateException.class,
          () ->
              backend.record(() -> {
                back.run();
                var _ = memory.allocate(100);
              }));
      back.run();
      assertArrayEquals(expected, back.result());
    }
  }

  @Test
  void aNetworkWithoutRoomForAGraphRunsOperatorByOperator() {
    try (Backend backend = Emulated.backend(FLOAT);
        BlockMemory memory = backend.newMemory()) {
      DepthAnything network =
          new DepthAnything(new Loader(backend, memory, new RandomWeights(1)), SMALL);
      Inference inference = new Inference(network, backend, memory);
      float[] image = Golden.hashed("image", 28 * 28 * 3);
      float[] expected = depth(backend, inference, image);
      Tensor filler = fill(backend, memory, LEFT);
      for (int i = 0; i < 3; i++) {
        assertArrayEquals(expected, depth(backend, inference, image));
      }
      memory.release(filler);
      assertArrayEquals(expected, depth(backend, inference, image));
    }
  }

  private static float[] depth(Backend backend, Inference inference, float[] image) {
    return inference.run(
        new long[] {1, 28, 28, 3},
        input -> backend.transfer().write(image, input),
        backend.transfer()::read);
  }
}
