package dev.fathom.bench;

import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import dev.fathom.nn.tensor.Tensor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A backend that notes, while it is asked to, the time and the work of every operator. */
final class OperatorProfile {

  /** Of one operator at one shape. */
  private static final class Entry {
    long calls;
    long nanoseconds;
    double flop;
  }

  /** What a method without parameters is called with. */
  private static final Object[] NONE = {};

  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final IdentityHashMap<Object, Object> families = new IdentityHashMap<>();
  private final Backend backend;
  private boolean running;

  OperatorProfile(Backend backend) {
    this.backend =
        proxy(
            Backend.class,
            (method, arguments) -> {
              Object result = call(method, backend, arguments);
              Class<?> type = method.getReturnType();
              return type.isInterface()
                  ? families.computeIfAbsent(result, family -> timed(type, family))
                  : result;
            });
  }

  /** The backend to compute with. */
  Backend backend() {
    return backend;
  }

  /** Begins to count. */
  void start() {
    entries.clear();
    running = true;
  }

  void stop() {
    running = false;
  }

  private <T> T timed(Class<T> type, Object family) {
    return proxy(
        type,
        (method, arguments) -> {
          if (!running) {
            return call(method, family, arguments);
          }
          long begin = System.nanoTime();
          Object result = call(method, family, arguments);
          long time = System.nanoTime() - begin;
          Entry entry =
              entries.computeIfAbsent(
                  method.getName() + shape(method.getName(), arguments), _ -> new Entry());
          entry.calls++;
          entry.nanoseconds += time;
          entry.flop += flop(method.getName(), arguments);
          return result;
        });
  }

  private interface Call {
    @Nullable Object run(Method method, Object[] arguments) throws Throwable;
  }

  private static <T> T proxy(Class<T> type, Call call) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (_, method, arguments) -> call.run(method, arguments == null ? NONE : arguments)));
  }

  private static Object call(Method method, Object target, Object[] arguments) throws Throwable {
    try {
      return method.invoke(target, arguments);
    } catch (InvocationTargetException e) {
      throw e.getTargetException();
    }
  }

  /** What tells layers apart in the table. */
  private static String shape(String name, Object[] a) {
    return switch (name) {
      case "linear" -> " " + rows(a[0]) + ", " + last(a[0]) + " to " + last(a[6]);
      case "linearBackward" -> " " + rows(a[7]) + ", " + last(a[0]) + " to " + last(a[7]);
      case "activatedLinear" -> " " + rows(a[0]) + ", " + last(a[0]) + " to " + last(a[5]);
      case "activatedLinearBackward" -> " " + rows(a[4]) + ", " + last(a[0]) + " to " + last(a[4]);
      case "conv2d", "conv2dBackward" -> {
        Conv2dShape s = (Conv2dShape) a[0];
        yield " %sx%s, %d to %d%s"
            .formatted(a[2], a[3], s.in(), s.out(), s.stride() == 1 ? "" : ", stride 2");
      }
      default -> "";
    };
  }

  private static Tensor tensor(Object argument) {
    return (Tensor) argument;
  }

  private static long last(Object argument) {
    return tensor(argument).extent(-1);
  }

  private static long rows(Object argument) {
    return tensor(argument).size() / last(argument);
  }

  /** Floating-point operations of the products (direct ones, for a convolution); 0 for the rest. */
  private static double flop(String name, Object[] a) {
    return switch (name) {
      case "linear" -> 2.0 * rows(a[0]) * last(a[0]) * last(a[6]);
      case "linearBackward" -> {
        double product = 2.0 * rows(a[7]) * last(a[1]) * last(a[7]);
        yield product * ((a[8] == null ? 0 : 1) + (a[10] == null ? 0 : 1));
      }
      case "activatedLinear" -> 2.0 * rows(a[0]) * last(a[0]) * last(a[5]);
      case "activatedLinearBackward" -> {
        double product = 2.0 * rows(a[4]) * last(a[0]) * last(a[4]);
        yield product * ((a[5] == null ? 0 : 1) + (a[7] == null ? 0 : 1));
      }
      case "attention" -> 4.0 * tensor(a[3]).extent(1) * tensor(a[3]).size();
      // The scores again, and two products for each of the forward pass's.
      case "attentionBackward" -> 10.0 * tensor(a[3]).extent(1) * tensor(a[3]).size();
      case "conv2d" -> convolution((Conv2dShape) a[0], tensor(a[1]), (long) a[2], (long) a[3]);
      case "conv2dBackward" ->
          convolution((Conv2dShape) a[0], tensor(a[1]), (long) a[2], (long) a[3])
              * ((a[9] == null ? 0 : 1) + (a[11] == null ? 0 : 1));
      case "convTranspose2d" -> 2.0 * tensor(a[4]).size() * last(a[1]);
      case "convTranspose2dBackward" -> 4.0 * tensor(a[3]).size() * last(a[1]);
      case "patchEmbed" -> patches(tensor(a[6]), (int) a[1]);
      case "patchEmbedBackward" -> patches(tensor(a[2]), (int) a[1]);
      default -> 0;
    };
  }

  private static double convolution(Conv2dShape s, Tensor x, long height, long width) {
    double pixels = (double) x.extent(0) * s.outExtent(height) * s.outExtent(width);
    return 2 * pixels * s.in() * s.out() * s.kernel() * s.kernel();
  }

  private static double patches(Tensor tokens, int patch) {
    double rows = (double) tokens.extent(0) * (tokens.extent(1) - 1);
    return 2 * rows * tokens.extent(2) * 3 * patch * patch;
  }

  /** One line: what a step spent on each operator, the longest first. */
  String json(int steps, double seconds, Peak peak) {
    List<String> rows = new ArrayList<>();
    entries.entrySet().stream()
        .sorted(Comparator.comparingLong(entry -> -entry.getValue().nanoseconds))
        .forEach(entry -> {
          Entry e = entry.getValue();
          rows.add(
              String.format(
                  Locale.ROOT,
                  "{\"operator\": \"%s\", \"calls\": %.1f, \"milliseconds\": %.3f, \"gflop\": %.3f}",
                  entry.getKey(),
                  (double) e.calls / steps,
                  e.nanoseconds / 1e6 / steps,
                  e.flop / 1e9 / steps));
        });
    return String.format(
        Locale.ROOT,
        "{\"profile\": [%s], \"milliseconds\": %.3f, \"peakGflops\": %.1f, \"copyGbs\": %.1f}",
        String.join(", ", rows),
        1e3 * seconds / steps,
        peak.flopPerSecond() / 1e9,
        peak.bytesPerSecond() / 1e9);
  }
}
