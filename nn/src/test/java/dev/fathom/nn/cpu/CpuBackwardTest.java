package dev.fathom.nn.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Backward operators against their forward operators. Where the forward pass is linear, y = A x and
 * dx = A' dy, both inner products (y, dy) and (x, dx) are the same; elsewhere differences decide.
 */
class CpuBackwardTest {

  private final CpuBackend backend = new CpuBackend(2);
  private final NativeMemory memory = new NativeMemory();
  private final SplittableRandom random = new SplittableRandom(1);

  @AfterEach
  void close() {
    memory.close();
    backend.close();
  }

  private Tensor uniform(long... shape) {
    float[] values = new float[Math.toIntExact(Tensor.sizeOf(shape))];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    return memory.allocate(shape).set(values);
  }

  private Tensor filled(float value, long... shape) {
    Tensor tensor = memory.allocate(shape);
    backend.vector().fill(tensor, value);
    return tensor;
  }

  private static double dot(Tensor a, Tensor b) {
    float[] x = a.toArray();
    float[] y = b.toArray();
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      sum += (double) x[i] * y[i];
    }
    return sum;
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void resizeBilinear(boolean alignCorners) {
    Tensor x = uniform(2, 7, 9, 20);
    Tensor y = memory.allocate(2, 15, 11, 20);
    Tensor dy = uniform(2, 15, 11, 20);
    Tensor dx = filled(Float.NaN, 2, 7, 9, 20);
    backend.resample().resizeBilinear(x, alignCorners, y);
    backend.resample().resizeBilinearBackward(dy, alignCorners, dx, false);
    assertEquals(dot(y, dy), dot(x, dx), 1e-4);
    backend.resample().resizeBilinearBackward(dy, alignCorners, dx, true);
    assertEquals(2 * dot(y, dy), dot(x, dx), 2e-4);
  }

  @Test
  void resizeBicubic() {
    double stepY = 9 / 5.1;
    double stepX = 7 / 12.1;
    Tensor x = uniform(1, 9, 7, 20);
    Tensor y = memory.allocate(1, 5, 12, 20);
    Tensor dy = uniform(1, 5, 12, 20);
    Tensor dx = filled(0, 1, 9, 7, 20);
    backend.resample().resizeBicubic(x, stepY, stepX, y);
    backend.resample().resizeBicubicBackward(dy, stepY, stepX, dx);
    assertEquals(dot(y, dy), dot(x, dx), 1e-4);
    backend.resample().resizeBicubicBackward(dy, stepY, stepX, dx);
    assertEquals(2 * dot(y, dy), dot(x, dx), 2e-4);
  }

  /** The tokens are linear in all four parameters together. */
  @Test
  void patchEmbed() {
    Tensor image = uniform(2, 6, 9, 3);
    Tensor weight = uniform(21, 3, 3, 3);
    Tensor bias = uniform(21);
    Tensor cls = uniform(21);
    Tensor position = uniform(7, 21);
    Tensor tokens = memory.allocate(2, 7, 21);
    Tensor packed = backend.patchEmbed().packPatchEmbed(weight, memory);
    backend.patchEmbed().patchEmbed(image, 3, packed, bias, cls, position, tokens);
    Tensor dTokens = uniform(2, 7, 21);
    Tensor dWeight = filled(0, 21, 3, 3, 3);
    Tensor dBias = filled(0, 21);
    Tensor dCls = filled(0, 21);
    Tensor dPosition = filled(0, 7, 21);
    backend.patchEmbed().patchEmbedBackward(image, 3, dTokens, dWeight, dBias, dCls, dPosition);
    assertEquals(
        dot(tokens, dTokens),
        dot(weight, dWeight) + dot(bias, dBias) + dot(cls, dCls) + dot(position, dPosition),
        1e-4);
    backend.patchEmbed().patchEmbedBackward(image, 3, dTokens, null, dBias, null, null);
    backend.patchEmbed().patchEmbedBackward(image, 3, dTokens, dWeight, null, null, null);
    assertEquals(
        dot(tokens, dTokens) + dot(weight, dWeight) / 2 + dot(bias, dBias) / 2,
        dot(weight, dWeight) + dot(bias, dBias) + dot(cls, dCls) + dot(position, dPosition),
        1e-4);
  }

  /** Moves every input at once in one direction, with the class token left out. */
  @Test
  void layerNorm() {
    int skip = 1;
    Tensor x = uniform(2, 5, 37);
    Tensor weight = uniform(37);
    Tensor bias = uniform(37);
    Tensor y = memory.allocate(2, 4, 37);
    Tensor mean = memory.allocate(2, 4);
    Tensor rstd = memory.allocate(2, 4);
    Tensor dy = uniform(2, 4, 37);
    backend.norm().layerNorm(x, skip, weight, bias, 1e-6f, y, mean, rstd);
    Tensor dx = filled(Float.NaN, 2, 5, 37);
    Tensor dWeight = filled(0, 37);
    Tensor dBias = filled(0, 37);
    backend.norm().layerNormBackward(x, skip, weight, mean, rstd, dy, dx, false, dWeight, dBias);
    for (int b = 0; b < 2; b++) {
      assertEquals(0, backend.vector().sumOfSquares(dx.slice(b * 5L * 37, 37)).get(), 0);
    }
    Tensor toX = uniform(2, 5, 37);
    Tensor toWeight = uniform(37);
    Tensor toBias = uniform(37);
    double slope = dot(dx, toX) + dot(dWeight, toWeight) + dot(dBias, toBias);
    double step = 1.0 / 256;
    double[] values = new double[2];
    for (int side = 0; side < 2; side++) {
      float h = (float) (side == 0 ? -step : step);
      Tensor movedX = memory.allocate(2, 5, 37).set(x.toArray());
      Tensor movedWeight = memory.allocate(37).set(weight.toArray());
      Tensor movedBias = memory.allocate(37).set(bias.toArray());
      backend.vector().axpby(h, toX, 1, movedX);
      backend.vector().axpby(h, toWeight, 1, movedWeight);
      backend.vector().axpby(h, toBias, 1, movedBias);
      backend.norm().layerNorm(movedX, skip, movedWeight, movedBias, 1e-6f, y, null, null);
      values[side] = dot(y, dy);
    }
    assertEquals(slope, (values[1] - values[0]) / (2 * step), 2e-3 * Math.abs(slope) + 1e-3);

    backend.norm().layerNormBackward(x, skip, weight, mean, rstd, dy, dx, true, null, dBias);
    assertEquals(2 * (slope - dot(dWeight, toWeight)), dot(dx, toX) + dot(dBias, toBias), 1e-4);
  }
}
