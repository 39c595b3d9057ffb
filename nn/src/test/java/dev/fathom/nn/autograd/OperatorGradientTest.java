package dev.fathom.nn.autograd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.CpuIsa;
import dev.fathom.nn.Golden;
import dev.fathom.nn.cpu.CpuBackend;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.op.ConvOps.Fusion;
import dev.fathom.nn.op.ConvOps.Projection;
import dev.fathom.nn.tensor.CachingMemory;
import dev.fathom.nn.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every operator's way back against finite differences of its way forth, at odd shapes: for random
 * directions d, (L(x + e d) - L(x - e d)) / 2e must be dx . d, where L is the product of the result
 * with a fixed random tensor.
 */
class OperatorGradientTest {

  private static final double STEP = 4e-3;
  private static final double TOLERANCE = 4e-3;

  /** An operator on inputs: its result, and the gradients of those inputs. */
  interface Operator {
    /** Writes y. */
    void forward(Backend backend, CachingMemory memory, List<Tensor> inputs, Tensor y);

    /**
     * Adds to (or overwrites with 0 in them) the gradients; forward ran just before on the same
     * inputs.
     */
    void backward(
        Backend backend,
        CachingMemory memory,
        List<Tensor> inputs,
        Tensor y,
        Tensor dy,
        List<Tensor> gradients);
  }

  /**
   * One case.
   *
   * @param gap how far inputs stay away from 0, where a ReLU has no derivative
   */
  record Case(String name, List<long[]> inputs, List<Long> result, double gap, Operator operator) {
    static Case of(String name, List<long[]> inputs, long[] y, double gap, Operator operator) {
      return new Case(name, inputs, Arrays.stream(y).boxed().toList(), gap, operator);
    }

    long[] y() {
      return result.stream().mapToLong(Long::longValue).toArray();
    }

    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Arguments> cases() {
    List<Arguments> arguments = new ArrayList<>();
    for (CpuIsa isa : CpuIsa.values()) {
      if (isa != CpuIsa.AUTO && isa.code() <= CpuIsa.best().code()) {
        for (Case operator : operators()) {
          arguments.add(Arguments.of(operator, isa));
        }
      }
    }
    return arguments.stream();
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("cases")
  void theWayBackIsTheDerivativeOfTheWayForth(Case c, CpuIsa isa) {
    try (CpuBackend backend = new CpuBackend(2, isa);
        CachingMemory memory = new CachingMemory()) {
      List<Tensor> inputs = new ArrayList<>();
      List<Tensor> gradients = new ArrayList<>();
      for (int i = 0; i < c.inputs.size(); i++) {
        float[] values = Golden.hashed(c.name + i, (int) Tensor.sizeOf(c.inputs.get(i)));
        for (int k = 0; k < values.length; k++) {
          values[k] += (float) (values[k] < 0 ? -c.gap : c.gap);
        }
        inputs.add(memory.allocate(c.inputs.get(i)).set(values));
        Tensor gradient = memory.allocate(c.inputs.get(i));
        backend.vector().fill(gradient, 0);
        gradients.add(gradient);
      }
      Tensor y = memory.allocate(c.y());
      float[] probe = Golden.hashed(c.name + "#y", (int) y.size());
      Tensor dy = memory.allocate(c.y()).set(probe);
      c.operator.forward(backend, memory, inputs, y);
      c.operator.backward(backend, memory, inputs, y, dy, gradients);
      for (int i = 0; i < inputs.size(); i++) {
        float[] gradient = gradients.get(i).toArray();
        double norm = 0;
        for (float value : gradient) {
          norm += (double) value * value;
        }
        norm = Math.sqrt(norm);
        assertTrue(norm > 0, "input " + i + " has no gradient");
        float[] center = inputs.get(i).toArray();
        for (int trial = 0; trial < 3; trial++) {
          float[] direction = Golden.hashed(c.name + i + "#direction" + trial, center.length);
          double expected = 0;
          for (int k = 0; k < direction.length; k++) {
            expected += (double) gradient[k] * direction[k];
          }
          double above = loss(c, backend, memory, inputs, i, center, direction, STEP, y, probe);
          double below = loss(c, backend, memory, inputs, i, center, direction, -STEP, y, probe);
          inputs.get(i).set(center);
          double actual = (above - below) / (2 * STEP);
          assertEquals(expected, actual, TOLERANCE * norm, "input " + i + ", direction " + trial);
        }
      }
    }
  }

  private static double loss(
      Case c,
      Backend backend,
      CachingMemory memory,
      List<Tensor> inputs,
      int input,
      float[] center,
      float[] direction,
      double step,
      Tensor y,
      float[] probe) {
    float[] moved = center.clone();
    for (int k = 0; k < moved.length; k++) {
      moved[k] += (float) (step * direction[k]);
    }
    inputs.get(input).set(moved);
    c.operator.forward(backend, memory, inputs, y);
    double sum = 0;
    float[] result = y.toArray();
    for (int k = 0; k < result.length; k++) {
      sum += (double) result[k] * probe[k];
    }
    return sum;
  }

  private static List<Case> operators() {
    List<Case> cases = new ArrayList<>();
    cases.add(linear("linear", 37, 19, 45, Activation.NONE, false));
    cases.add(linear("linear, wide", 5, 130, 67, Activation.NONE, false));
    cases.add(linear("linear, GELU", 23, 33, 71, Activation.GELU, false));
    cases.add(linear("linear, LayerScale", 29, 47, 31, Activation.NONE, true));
    cases.add(swiglu());
    cases.add(attention("attention", 2, 37, 2, 64));
    cases.add(attention("attention, small heads", 1, 21, 3, 16));
    cases.add(layerNorm("layer norm", 0));
    cases.add(layerNorm("layer norm without the class token", 1));
    cases.add(patchEmbed());
    for (int kernel : new int[] {1, 3}) {
      for (int stride : new int[] {1, 2}) {
        if (kernel == 1 && stride == 2) {
          continue;
        }
        cases.add(
            conv(
                "conv %dx%d s%d".formatted(kernel, kernel, stride),
                2,
                7,
                9,
                11,
                13,
                kernel,
                stride,
                false));
      }
    }
    cases.add(conv("conv 3x3 of ReLU", 1, 9, 6, 32, 32, 3, 1, true));
    cases.add(convResized());
    cases.add(convTranspose(2));
    cases.add(convTranspose(4));
    cases.add(project(Activation.NONE));
    cases.add(project(Activation.RELU));
    cases.add(project(Activation.SIGMOID));
    cases.add(bilinear("bilinear, align corners", true, 5, 7, 9, 12));
    cases.add(bilinear("bilinear", false, 5, 7, 11, 6));
    cases.add(bilinear("bilinear, smaller", true, 9, 11, 4, 5));
    cases.add(bicubic());
    return cases;
  }

  private static Case linear(
      String name, long rows, long in, long out, Activation activation, boolean scaled) {
    List<long[]> inputs =
        new ArrayList<>(List.of(new long[] {rows, in}, new long[] {out, in}, new long[] {out}));
    if (scaled) {
      inputs.add(new long[] {out});
    }
    return Case.of(
        name,
        inputs,
        new long[] {rows, out},
        0,
        new Operator() {
          private @Nullable Tensor pre;

          @Override
          public void forward(Backend backend, CachingMemory memory, List<Tensor> x, Tensor y) {
            Tensor packed = backend.linear().packLinear(x.get(1), memory);
            pre = activation == Activation.NONE ? null : memory.allocate(rows, out);
            backend
                .linear()
                .linear(
                    x.get(0), packed, x.get(2), activation, scaled ? x.get(3) : null, null, y, pre);
            memory.release(packed);
          }

          @Override
          public void backward(
              Backend backend,
              CachingMemory memory,
              List<Tensor> x,
              Tensor y,
              Tensor dy,
              List<Tensor> g) {
            backend
                .linear()
                .linearBackward(
                    x.get(0),
                    x.get(1),
                    backend.linear().packLinear(x.get(1), memory),
                    x.get(2),
                    activation,
                    pre,
                    scaled ? x.get(3) : null,
                    dy,
                    g.get(0),
                    true,
                    g.get(1),
                    g.get(2),
                    scaled ? g.get(3) : null);
          }
        });
  }

  private static Case swiglu() {
    return Case.of(
        "swiglu",
        List.of(new long[] {13, 38}),
        new long[] {13, 19},
        0,
        new Operator() {
          @Override
          public void forward(Backend backend, CachingMemory memory, List<Tensor> x, Tensor y) {
            backend.linear().swiglu(x.get(0), y);
          }

          @Override
          public void backward(
              Backend backend,
              CachingMemory memory,
              List<Tensor> x,
              Tensor y,
              Tensor dy,
              List<Tensor> g) {
            backend.linear().swigluBackward(x.get(0), dy, g.get(0));
          }
        });
  }

  private static Case attention(String name, long batch, long tokens, int heads, int headDim) {
    long channels = (long) heads * headDim;
    float scale = (float) (1 / Math.sqrt(headDim));
    return Case.of(
        name,
        List.of(new long[] {batch, tokens, 3 * channels}),
        new long[] {batch, tokens, channels},
        0,
        new Operator() {
          private @Nullable Tensor logSumExp;

          @Override
          public void forward(Backend backend, CachingMemory memory, List<Tensor> x, Tensor y) {
            Tensor sums = memory.allocate(batch, heads, tokens);
            backend.attention().attention(x.get(0), heads, scale, y, sums);
            logSumExp = sums;
          }

          @Override
          public void backward(
              Backend backend,
              CachingMemory memory,
              List<Tensor> x,
              Tensor y,
              Tensor dy,
              List<Tensor> g) {
            assertTrue(logSumExp != null);
            backend
                .attention()
                .attentionBackward(x.get(0), heads, scale, y, logSumExp, dy, g.get(0));
          }
        });
  }

  private static Case layerNorm(String name, int skip) {
    return Case.of(
        name,
        List.of(new long[] {2, 7, 51}, new long[] {51}, new long[] {51}),
        new long[] {2, 7 - skip, 51},
        0,
        new Operator() {
          private @Nullable Tensor mean;
          private @Nullable Tensor rstd;

          @Override
          public void forward(Backend backend, CachingMemory memory, List<Tensor> x, Tensor y) {
            mean = memory.allocate(2, 7 - skip);
            rstd = memory.allocate(2, 7 - skip);
            backend.norm().layerNorm(x.get(0), skip, x.get(1), x.get(2), 1e-6f, y, mean, rstd);
          }

          @Override
          public void backward(
              Backend backend,
              CachingMemory memory,
              List<Tensor> x,
              Tensor y,
              Tensor dy,
              List<Tensor> g) {
            assertTrue(mean != null && rstd != null);
            backend
                .norm()
                .layerNormBackward(
                    x.get(0), skip, x.get(1), mean, rstd, dy, g.get(0), true, g.get(1), g.get(2));
          }
        });
  }

  private static Case patchEmbed() {
    Tensor[] picture = new Tensor[1];
    return Case.of(
        "patch embedding",
        List.of(new long[] {21, 3, 7, 7}, new long[] {21}, new long[] {21}, new long[] {7, 21}),
        new long[] {2, 7, 21},
        0,
        new Operator() {
          @Override
          public void forward(Backend backend, CachingMemory memory, List<Tensor> x, Tensor y) {
            picture[0] = memory.allocate(2, 14, 21, 3).set(Golden.input("patches", 2, 14, 21));
            Tensor packed = backend.patchEmbed().packPatchEmbed(x.get(0), memory);
            backend.patchEmbed().patchEmbed(picture[0], 7, packed, x.get(1), x.get(2), x.get(3), y);
            memory.release(packed);
          }

          @Override
          public void backward(
              Backend backend,
              CachingMemory memory,
              List<Tensor> x,
              Tensor y,
              Tensor dy,
              List<Tensor> g) {
            backend
                .patchEmbed()
                .patchEmbedBackward(picture[0], 7, dy, g.get(0), g.get(1), g.get(2), g.get(3));
          }
        });
  }

  private static Case conv(
      String name,
      long batch,
      long height,
      long width,
      int in,
      int out,
      int kernel,
      int stride,
      boolean relu) {
    Conv2dShape shape = new Conv2dShape(in, out, kernel, stride);
    return Case.of(
        name,
        List.of(
            new long[] {batch, height, width, in},
            new long[] {out, in, kernel, kernel},
            new long[] {out}),
        new long[] {batch, shape.outExtent(height), shape.outExtent(width), out},
        relu ? 0.02 : 0,
        convOperator(shape, height, width, relu, false));
  }

  private static Case convResized() {
    Conv2dShape shape = new Conv2dShape(20, 12, 3, 1);
    return Case.of(
        "conv 3x3 of a map resized as it is read",
        List.of(new long[] {2, 5, 4, 20}, new long[] {12, 20, 3, 3}, new long[] {12}),
        new long[] {2, 11, 9, 12},
        0,
        convOperator(shape, 11, 9, false, true));
  }

  private static Operator convOperator(
      Conv2dShape shape, long height, long width, boolean relu, boolean resized) {
    return new Operator() {
      @Override
      public void forward(Backend backend, CachingMemory memory, List<Tensor> x, Tensor y) {
        Tensor packed = backend.conv().packConv2d(shape, x.get(1), memory);
        Fusion fusion = new Fusion(relu, resized, Activation.NONE, null, null, null);
        backend.conv().conv2d(shape, x.get(0), height, width, packed, x.get(2), fusion, y);
        memory.release(packed);
      }

      @Override
      public void backward(
          Backend backend,
          CachingMemory memory,
          List<Tensor> x,
          Tensor y,
          Tensor dy,
          List<Tensor> g) {
        backend
            .conv()
            .conv2dBackward(
                shape, x.get(0), height, width, x.get(1), relu, resized, null, dy, g.get(0), true,
                g.get(1), g.get(2));
      }
    };
  }

  private static Case convTranspose(int kernel) {
    return Case.of(
        "transposed conv " + kernel,
        List.of(new long[] {2, 3, 5, 19}, new long[] {19, 22, kernel, kernel}, new long[] {22}),
        new long[] {2, 3L * kernel, 5L * kernel, 22},
        0,
        new Operator() {
          @Override
          public void forward(Backend backend, CachingMemory memory, List<Tensor> x, Tensor y) {
            Tensor packed = backend.conv().packConvTranspose2d(19, 22, kernel, x.get(1), memory);
            backend.conv().convTranspose2d(kernel, x.get(0), packed, x.get(2), y);
            memory.release(packed);
          }

          @Override
          public void backward(
              Backend backend,
              CachingMemory memory,
              List<Tensor> x,
              Tensor y,
              Tensor dy,
              List<Tensor> g) {
            backend
                .conv()
                .convTranspose2dBackward(
                    kernel, x.get(0), x.get(1), dy, g.get(0), g.get(1), g.get(2));
          }
        });
  }

  private static Case project(Activation activation) {
    return Case.of(
        "projection, " + activation,
        List.of(new long[] {2, 5, 7, 13}, new long[] {13}, new long[] {1}),
        new long[] {2, 5, 7},
        activation == Activation.RELU ? 0.3 : 0,
        new Operator() {
          private Projection projection(List<Tensor> x) {
            return new Projection(x.get(1), x.get(2), activation, 2.5f);
          }

          @Override
          public void forward(Backend backend, CachingMemory memory, List<Tensor> x, Tensor y) {
            backend.conv().project(x.get(0), projection(x), y);
          }

          @Override
          public void backward(
              Backend backend,
              CachingMemory memory,
              List<Tensor> x,
              Tensor y,
              Tensor dy,
              List<Tensor> g) {
            backend
                .conv()
                .projectBackward(x.get(0), projection(x), y, dy, g.get(0), g.get(1), g.get(2));
          }
        });
  }

  private static Case bilinear(
      String name, boolean alignCorners, long height, long width, long outHeight, long outWidth) {
    return Case.of(
        name,
        List.of(new long[] {2, height, width, 5}),
        new long[] {2, outHeight, outWidth, 5},
        0,
        new Operator() {
          @Override
          public void forward(Backend backend, CachingMemory memory, List<Tensor> x, Tensor y) {
            backend.resample().resizeBilinear(x.get(0), alignCorners, y);
          }

          @Override
          public void backward(
              Backend backend,
              CachingMemory memory,
              List<Tensor> x,
              Tensor y,
              Tensor dy,
              List<Tensor> g) {
            backend.resample().resizeBilinearBackward(dy, alignCorners, g.get(0), true);
          }
        });
  }

  private static Case bicubic() {
    return Case.of(
        "bicubic",
        List.of(new long[] {1, 7, 7, 10}),
        new long[] {1, 5, 9, 10},
        0,
        new Operator() {
          @Override
          public void forward(Backend backend, CachingMemory memory, List<Tensor> x, Tensor y) {
            backend.resample().resizeBicubic(x.get(0), 7 / 5.1, 7 / 9.1, y);
          }

          @Override
          public void backward(
              Backend backend,
              CachingMemory memory,
              List<Tensor> x,
              Tensor y,
              Tensor dy,
              List<Tensor> g) {
            backend.resample().resizeBicubicBackward(dy, 7 / 5.1, 7 / 9.1, g.get(0));
          }
        });
  }
}
