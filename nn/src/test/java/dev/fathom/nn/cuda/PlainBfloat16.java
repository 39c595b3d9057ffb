package dev.fathom.nn.cuda;

import dev.fathom.nn.autograd.Parameters;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The CPU's operators as a framework computes them in bfloat16: sums in float32, every operand and
 * every result rounded. How far this is from float32 says how far bfloat16 kernels may be: no
 * constant does, as it hangs on the network and its input.
 */
final class PlainBfloat16 {

  /** The families whose tensors are rounded; losses and the optimiser work in float32. */
  private static final Set<String> FAMILIES =
      Set.of("linear", "attention", "norm", "patchEmbed", "conv", "resample");

  /** Statistics, which frameworks keep in float32, by their places among the arguments. */
  private static final Map<String, Set<Integer>> STATISTICS =
      Map.of(
          "attention", Set.of(4),
          "attentionBackward", Set.of(4),
          "layerNorm", Set.of(6, 7),
          "layerNormBackward", Set.of(3, 4));

  private final Backend exact;
  private final Set<Tensor> masters = Collections.newSetFromMap(new IdentityHashMap<>());
  private final Set<Tensor> gradients = Collections.newSetFromMap(new IdentityHashMap<>());

  PlainBfloat16(Backend exact) {
    this.exact = exact;
  }

  /**
   * Keeps what is trained in float32, as mixed precision does: operators see the values rounded,
   * the gradients are added up unrounded.
   */
  void train(Parameters parameters) {
    masters.add(parameters.values().root());
    gradients.add(parameters.gradients().root());
  }

  /** A backend that rounds around the other's operators. */
  Backend backend() {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (_, method, arguments) -> {
              Object result = invoke(exact, method, arguments);
              if (!FAMILIES.contains(method.getName())) {
                return result;
              }
              return Proxy.newProxyInstance(
                  Backend.class.getClassLoader(),
                  new Class<?>[] {method.getReturnType()},
                  (_, operator, operands) -> call(result, operator, operands));
            });
  }

  private @Nullable Object call(
      Object family, Method operator, @Nullable Object @Nullable [] operands) throws Throwable {
    if (operands == null) {
      return invoke(family, operator, null);
    }
    try (NativeMemory copies = new NativeMemory()) {
      @Nullable Object[] seen = operands.clone();
      for (int i = 0; i < seen.length; i++) {
        if (seen[i] instanceof Tensor tensor && masters.contains(tensor.root())) {
          Tensor copy = copies.allocate(tensor.shape());
          MemorySegment.copy(tensor.data(), 0, copy.data(), 0, tensor.bytes());
          seen[i] = copy;
        }
      }
      round(operator, seen);
      Object value = invoke(family, operator, seen);
      round(operator, seen);
      return value;
    }
  }

  private static @Nullable Object invoke(
      Object target, Method method, @Nullable Object @Nullable [] arguments) throws Throwable {
    try {
      return method.invoke(target, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }

  private void round(Method operator, @Nullable Object @Nullable [] operands) {
    if (operands == null) {
      return;
    }
    Set<Integer> kept = STATISTICS.getOrDefault(operator.getName(), Set.of());
    for (int i = 0; i < operands.length; i++) {
      if (operands[i] instanceof Tensor tensor
          && tensor.type() == ElementType.FLOAT32
          && !kept.contains(i)
          && !gradients.contains(tensor.root())) {
        round(tensor);
      }
    }
  }

  private static void round(Tensor tensor) {
    MemorySegment data = tensor.data();
    for (long i = 0; i < tensor.size(); i++) {
      int bits = data.getAtIndex(ValueLayout.JAVA_INT, i);
      boolean finite = (bits & 0x7f800000) != 0x7f800000;
      if (finite) {
        int rounded = (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000;
        data.setAtIndex(ValueLayout.JAVA_INT, i, rounded);
      }
    }
  }
}
