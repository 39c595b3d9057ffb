package dev.fathom.nn.autograd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.tensor.CachingMemory;
import dev.fathom.nn.tensor.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Gradients find their tensors, are added where one is used twice, and nothing is left behind. */
class TapeTest {

  private final CpuBackend backend = new CpuBackend(1);
  private final CachingMemory memory = new CachingMemory();

  @AfterEach
  void close() {
    memory.close();
    backend.close();
  }

  private Tensor of(float... values) {
    return memory.allocate(values.length).set(values);
  }

  @Test
  void aTensorThatIsUsedTwiceGetsTheSum() {
    Tensor x = of(1, 2);
    Tensor y = of(3, 4);
    Tensor z = of(5, 6);
    try (Tape tape = new Tape(backend, memory)) {
      tape.track(x);
      tape.record(y, dy -> tape.pass(dy, x), x);
      tape.record(
          z,
          dz -> {
            // z = x + x + y: x is given dz itself, and must not change it for y.
            tape.pass(dz, x);
            tape.pass(dz, x);
            tape.pass(dz, y);
          },
          x,
          y);
      tape.seed(z, of(10, 20));
      tape.backward();
      Tensor dx = tape.take(x);
      assertNotNull(dx);
      assertArrayEquals(new float[] {30, 60}, dx.toArray());
      memory.release(dx);
      assertNull(tape.take(x), "it was taken");
    }
    memory.release(x);
    memory.release(y);
    memory.release(z);
    assertEquals(0, memory.liveTensors());
  }

  @Test
  void aViewSharesTheGradientOfItsTensor() {
    Tensor x = memory.allocate(2, 3).set(new float[6]);
    Tensor view = x.view(3, 2);
    try (Tape tape = new Tape(backend, memory)) {
      tape.track(x);
      assertTrue(tape.tracks(view));
      tape.seed(view, memory.allocate(3, 2).set(new float[] {1, 2, 3, 4, 5, 6}));
      tape.seed(x, memory.allocate(2, 3).set(new float[] {1, 1, 1, 1, 1, 1}));
      Tensor dx = tape.take(view);
      assertNotNull(dx);
      assertArrayEquals(new float[] {2, 3, 4, 5, 6, 7}, dx.toArray());
      memory.release(dx);
      Tensor part = x.slice(0, 3);
      Tensor gradient = of(1, 2, 3);
      assertThrows(IllegalArgumentException.class, () -> tape.seed(part, gradient));
      memory.release(gradient);
    }
    memory.release(x);
    assertEquals(0, memory.liveTensors());
  }

  @Test
  void aWayBackThatIsNotGoneIsReleased() {
    Tensor x = of(1);
    Tensor y = of(2);
    try (Tape tape = new Tape(backend, memory)) {
      tape.track(x);
      tape.record(y, _ -> {}, x, y);
      tape.seed(y, of(3));
      memory.release(x);
      memory.release(y);
      assertEquals(3, memory.liveTensors(), "the tape keeps what it saved");
    }
    assertEquals(0, memory.liveTensors());
  }

  @Test
  void gradientsThatNobodyWantsAreReleased() {
    Tensor x = of(1);
    try (Tape tape = new Tape(backend, memory)) {
      tape.seed(x, of(1));
      assertNull(tape.take(x));
      assertNull(tape.slot(x).tensor());
    }
    memory.release(x);
    assertEquals(0, memory.liveTensors());
  }
}
