package dev.fathom.nn.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.Golden;
import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Attention of the CUDA backend in bfloat16 beside the CPU's in float32: at head dimension 64 the
 * emulator has the kernels for compute capability 9.0.
 */
class CudaAttentionTest {

  /** Multiprocessors of an H200. */
  private static final int H200 = 132;

  /** Multiprocessors of the stand-in. */
  private static final int EMULATED = 4;

  /** Tokens of a picture of 518 x 518. */
  private static final long TOKENS = 1370;

  private static final float SCALE = 0.125f;

  /** Relative error of bfloat16 in results that are a few roundings away from their operands. */
  private static final double TOLERANCE = 1e-2;

  /** What attention gives: y, log-sum-exp, and with the backward pass dqkv. */
  private static List<float[]> run(
      Backend backend, int pictures, int tokens, int heads, boolean backward) {
    try (BlockMemory memory = backend.newMemory()) {
      long channels = 64L * heads;
      Tensor qkv = operand(backend, memory, "qkv", pictures, tokens, 3 * channels);
      Tensor dy = operand(backend, memory, "dy", pictures, tokens, channels);
      Tensor y = memory.allocate(backend.activationType(), pictures, tokens, channels);
      Tensor lse = memory.allocate(pictures, heads, tokens);
      backend.attention().attention(qkv, heads, SCALE, y, lse);
      float[] out = backend.transfer().read(y);
      float[] statistics = backend.transfer().read(lse);
      if (!backward) {
        return List.of(out, statistics);
      }
      Tensor dqkv = memory.allocate(backend.activationType(), pictures, tokens, 3 * channels);
      backend.attention().attentionBackward(qkv, heads, SCALE, y, lse, dy, dqkv);
      return List.of(out, statistics, backend.transfer().read(dqkv));
    }
  }

  /** Numbers in -1..1 with 8 significant bits, which are the same in either format. */
  private static Tensor operand(Backend backend, BlockMemory memory, String name, long... shape) {
    Tensor tensor = memory.allocate(backend.activationType(), shape);
    float[] values = Golden.hashed(name, Math.toIntExact(tensor.size()));
    for (int i = 0; i < values.length; i++) {
      values[i] = Float.intBitsToFloat(Float.floatToRawIntBits(values[i]) & 0xffff0000);
    }
    backend.transfer().write(values, tensor);
    return tensor;
  }

  private static void same(int pictures, int tokens, int heads, boolean backward) {
    List<float[]> expected;
    try (Backend cpu = new CpuBackend(1)) {
      expected = run(cpu, pictures, tokens, heads, backward);
    }
    try (Backend cuda = Emulated.backend(ElementType.BFLOAT16)) {
      List<float[]> actual = run(cuda, pictures, tokens, heads, backward);
      for (int i = 0; i < expected.size(); i++) {
        double error = Golden.relativeError(actual.get(i), expected.get(i));
        assertTrue(error < TOLERANCE, "result " + i + ": relative error " + error);
      }
    }
  }

  @Test
  void shortBlocks() {
    assertEquals(CudaAttention.Shape90.SHORT, CudaAttention.Shape90.best(1, 200, EMULATED));
    same(1, 200, 1, true);
  }

  @Test
  void usualBlocks() {
    assertEquals(CudaAttention.Shape90.USUAL, CudaAttention.Shape90.best(4, 67, EMULATED));
    same(2, 67, 2, true);
  }

  @Test
  void tallBlocks() {
    assertEquals(CudaAttention.Shape90.TALL, CudaAttention.Shape90.best(4, 131, EMULATED));
    same(1, 131, 4, false);
  }

  @Test
  void shapesOfTheLeastWork() {
    // ViT-S, ViT-B and ViT-L, one picture; ViT-L, eight.
    assertEquals(CudaAttention.Shape90.SHORT, CudaAttention.Shape90.best(6, TOKENS, H200));
    assertEquals(CudaAttention.Shape90.USUAL, CudaAttention.Shape90.best(12, TOKENS, H200));
    assertEquals(CudaAttention.Shape90.TALL, CudaAttention.Shape90.best(16, TOKENS, H200));
    assertEquals(CudaAttention.Shape90.USUAL, CudaAttention.Shape90.best(128, TOKENS, H200));
  }

  @Test
  void blocksOfTheBackwardPassEndTogether() {
    // ViT-L, one picture, 16 * 11 pieces: 44 blocks have two pieces of keys, the others two of
    // queries beside their one.
    assertEquals(0, CudaAttention.busyQueries(176, H200));
    // Eight pictures: 88 blocks with 11 and 10 pieces, 44 with 10 and 12.
    assertEquals(10, CudaAttention.busyQueries(1408, H200));
    assertEquals(0, CudaAttention.busyQueries(264, H200));
  }
}
