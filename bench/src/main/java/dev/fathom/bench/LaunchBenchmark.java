package dev.fathom.bench;

import dev.fathom.bench.Trial.Operand;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.nn.op.AttentionOps;
import dev.fathom.nn.op.NormOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.openjdk.jmh.annotations.Param;

/** What it costs to reach the kernels from Java; the operands are too small to matter. */
public class LaunchBenchmark extends OperatorBenchmark {

  private static final int CHANNELS = 64;

  /**
   * A function that only reads a field; an operator on the calling thread, with its checks, struct
   * of arguments and lock; one with two parallel loops over all threads.
   */
  @Param({"downcall", "operator", "parallel"})
  public String layer;

  private int seen;

  @Override
  Operator prepare(Trial trial) {
    return switch (layer) {
      case "downcall" -> downcall(trial);
      case "operator" -> operator(trial);
      case "parallel" -> parallel(trial);
      default -> throw unknown(layer);
    };
  }

  private Operator downcall(Trial trial) {
    MemorySegment context = trial.backend().context().handle();
    Tensor y = trial.allocate(1).set(new float[] {FathomNative.fathom_context_threads(context)});
    return new Operator(
        "fathom_context_threads",
        Operator.Unit.CALL,
        1,
        0,
        () -> seen = FathomNative.fathom_context_threads(context),
        y,
        _ -> threads);
  }

  private static Operator operator(Trial trial) {
    Operand x = trial.uniform(1, 1, 1, CHANNELS);
    Operand weight = trial.uniform(0, CHANNELS);
    Operand bias = trial.uniform(1, CHANNELS);
    Tensor y = trial.allocate(1, 1, CHANNELS);
    NormOps ops = trial.backend().norm();
    return new Operator(
        "layer norm of [1,%d]".formatted(CHANNELS),
        Operator.Unit.CALL,
        1,
        1e-6,
        () -> ops.layerNorm(x.tensor(), 0, weight.tensor(), bias.tensor(), 1e-6f, y, null, null),
        y,
        bias::at);
  }

  private Operator parallel(Trial trial) {
    int heads = Math.max(2, threads);
    long channels = (long) heads * CHANNELS;
    Operand qkv = trial.uniform(1, 1, 1, 3 * channels);
    Tensor y = trial.allocate(1, 1, channels);
    AttentionOps ops = trial.backend().attention();
    return new Operator(
        "attention of 1 token, %d heads".formatted(heads),
        Operator.Unit.CALL,
        1,
        1e-6,
        () -> ops.attention(qkv.tensor(), heads, 0.125f, y, null),
        y,
        // The softmax of one score is 1.
        element -> qkv.at(2 * channels + element));
  }
}
