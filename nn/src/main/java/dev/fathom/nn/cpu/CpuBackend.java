package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.CpuIsa;
import dev.fathom.nn.op.AttentionOps;
import dev.fathom.nn.op.AugmentOps;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.ConvOps;
import dev.fathom.nn.op.LinearOps;
import dev.fathom.nn.op.LossOps;
import dev.fathom.nn.op.NormOps;
import dev.fathom.nn.op.OptimOps;
import dev.fathom.nn.op.PatchEmbedOps;
import dev.fathom.nn.op.ResampleOps;
import dev.fathom.nn.op.TransferOps;
import dev.fathom.nn.op.VectorOps;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.NativeMemory;
import java.util.Locale;

/**
 * Float32 on the processor, with a thread pool of its own. Operators of one backend run one after
 * the other, each on all its threads.
 */
public final class CpuBackend implements Backend {

  private final CpuContext context;
  private final CpuLinear linear;
  private final CpuAttention attention;
  private final CpuNorm norm;
  private final CpuPatchEmbed patchEmbed;
  private final CpuConv conv;
  private final CpuResample resample;
  private final CpuLoss loss;
  private final CpuAugment augment;
  private final CpuOptim optim;
  private final CpuVector vector;
  private final CpuTransfer transfer = new CpuTransfer();

  /** A backend on all processors with the best instruction set. */
  public CpuBackend() {
    this(Runtime.getRuntime().availableProcessors());
  }

  /**
   * A backend with the best instruction set.
   *
   * @param threads 1 to 1024
   */
  public CpuBackend(int threads) {
    this(threads, CpuIsa.AUTO);
  }

  /**
   * A backend with a given instruction set.
   *
   * @throws dev.fathom.bindings.FathomException if the machine lacks it or the threads cannot start
   */
  public CpuBackend(int threads, CpuIsa isa) {
    context = CpuContext.open(threads, isa);
    linear = new CpuLinear(context);
    attention = new CpuAttention(context);
    norm = new CpuNorm(context);
    patchEmbed = new CpuPatchEmbed(context);
    conv = new CpuConv(context);
    resample = new CpuResample(context);
    loss = new CpuLoss(context);
    augment = new CpuAugment(context);
    vector = new CpuVector(context);
    optim = new CpuOptim(context, vector);
  }

  /** The native context: threads, instruction set, scratch memory. */
  public CpuContext context() {
    return context;
  }

  @Override
  public String description() {
    return "cpu ("
        + context.isa().name().toLowerCase(Locale.ROOT)
        + ", "
        + context.threads()
        + " threads)";
  }

  @Override
  public BlockMemory newMemory() {
    return new NativeMemory();
  }

  @Override
  public long scratchBytes() {
    return context.scratchBytes();
  }

  @Override
  public TransferOps transfer() {
    return transfer;
  }

  @Override
  public LinearOps linear() {
    return linear;
  }

  @Override
  public AttentionOps attention() {
    return attention;
  }

  @Override
  public NormOps norm() {
    return norm;
  }

  @Override
  public PatchEmbedOps patchEmbed() {
    return patchEmbed;
  }

  @Override
  public ConvOps conv() {
    return conv;
  }

  @Override
  public ResampleOps resample() {
    return resample;
  }

  @Override
  public LossOps loss() {
    return loss;
  }

  @Override
  public AugmentOps augment() {
    return augment;
  }

  @Override
  public OptimOps optim() {
    return optim;
  }

  @Override
  public VectorOps vector() {
    return vector;
  }

  /** Stops the threads and frees the scratch memory; waits for an operator that is running. */
  @Override
  public void close() {
    context.close();
  }
}
