package dev.fathom.nn.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.fathom.nn.Golden;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.LinearOps;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The two forms of a weight on the way back. */
class CudaLinearTest {

  private static Tensor some(Backend backend, Tensor tensor, String name) {
    backend.transfer().write(Golden.hashed(name, Math.toIntExact(tensor.size())), tensor);
    return tensor;
  }

  /**
   * A scale is multiplied with the weight itself, which is rounded then. With a scale of ones that
   * is the packed weight, which is taken where there is no scale: the bits are the same.
   */
  @ParameterizedTest
  @EnumSource(ElementType.class)
  void theWayBackThroughThePackedWeightIsThatThroughTheWeight(ElementType elements) {
    for (int[] size : new int[][] {{37, 24, 40}, {5, 19, 7}, {70, 136, 72}}) {
      long rows = size[0];
      long in = size[1];
      long out = size[2];
      try (Backend backend = Emulated.backend(elements);
          BlockMemory memory = backend.newMemory()) {
        LinearOps ops = backend.linear();
        Tensor weight = some(backend, memory.allocate(out, in), "weight");
        Tensor dy = some(backend, memory.allocate(elements, rows, out), "dy");
        Tensor dx = memory.allocate(elements, rows, in);
        Tensor ones = memory.allocate(out);
        backend.vector().fill(ones, 1);
        List<Tensor> forms = new ArrayList<>(List.of(ops.packLinear(weight, memory)));
        if (ops.packsByRounding(in) && elements != ElementType.FLOAT32) {
          Tensor rounded = memory.allocate(elements, out, in);
          backend.vector().round(weight, rounded);
          forms.add(rounded);
        }
        float[] expected = back(backend, weight, forms.getFirst(), ones, dy, dx);
        for (Tensor packed : forms) {
          backend.vector().fill(dx, 0);
          assertArrayEquals(expected, back(backend, weight, packed, null, dy, dx));
        }
      }
    }
  }

  private static float[] back(
      Backend backend, Tensor weight, Tensor packed, @Nullable Tensor scale, Tensor dy, Tensor dx) {
    backend
        .linear()
        .linearBackward(
            null,
            weight,
            packed,
            null,
            Activation.NONE,
            null,
            scale,
            dy,
            dx,
            false,
            null,
            null,
            null);
    return backend.transfer().read(dx);
  }
}
