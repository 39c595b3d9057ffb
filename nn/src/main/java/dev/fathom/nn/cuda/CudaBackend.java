package dev.fathom.nn.cuda;

import dev.fathom.bindings.cuda.CudaContext;
import dev.fathom.bindings.cuda.CudaProbe;
import dev.fathom.nn.op.AttentionOps;
import dev.fathom.nn.op.AugmentOps;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.ConvOps;
import dev.fathom.nn.op.LinearOps;
import dev.fathom.nn.op.LossOps;
import dev.fathom.nn.op.NormOps;
import dev.fathom.nn.op.OptimOps;
import dev.fathom.nn.op.PatchEmbedOps;
import dev.fathom.nn.op.Recording;
import dev.fathom.nn.op.ResampleOps;
import dev.fathom.nn.op.TransferOps;
import dev.fathom.nn.op.VectorOps;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.ElementType;
import java.nio.file.Path;

/**
 * A GPU, on Fathom's own kernels: activations in bfloat16, sums, statistics and master weights in
 * float32. All operators go to one stream and return before they are done, except for those that
 * copy to the host; a number that one returns is waited for when it is read.
 */
public final class CudaBackend implements Backend {

  private final Engine engine;
  private final String description;
  private final CudaLinear linear;
  private final CudaAttention attention;
  private final CudaNorm norm;
  private final CudaPatchEmbed patchEmbed;
  private final CudaConv conv;
  private final CudaResample resample;
  private final CudaLoss loss;
  private final CudaAugment augment;
  private final CudaOptim optim;
  private final CudaVector vector;
  private final CudaTransfer transfer;

  /**
   * A backend on the GPU that {@link CudaProbe} found.
   *
   * @throws IllegalStateException if there is none, or this build has no kernels; with the reason
   * @throws dev.fathom.bindings.cuda.CudaException if the driver refuses
   */
  public CudaBackend() {
    this(KernelImages.of(CudaProbe.get()));
  }

  private CudaBackend(KernelImages images) {
    CudaContext context = CudaContext.open();
    try {
      engine = new Engine(context, images);
    } catch (RuntimeException | Error e) {
      context.close();
      throw e;
    }
    description = "cuda (" + CudaProbe.get().description() + ")";
    Products products = new Products(engine);
    linear = new CudaLinear(engine, products);
    attention = new CudaAttention(engine);
    norm = new CudaNorm(engine);
    patchEmbed = new CudaPatchEmbed(engine);
    resample = new CudaResample(engine);
    conv = new CudaConv(engine, products, resample);
    loss = new CudaLoss(engine);
    augment = new CudaAugment(engine);
    optim = new CudaOptim(engine);
    vector = new CudaVector(engine);
    transfer = new CudaTransfer(engine);
  }

  /**
   * A backend on the emulator's kernels of either element type, for tests.
   *
   * @param folder where they were built
   */
  static CudaBackend emulated(Path folder, ElementType elements) {
    return new CudaBackend(KernelImages.emulated(folder, elements));
  }

  /** What the families share, for tests. */
  Engine engine() {
    return engine;
  }

  @Override
  public String description() {
    return description;
  }

  @Override
  public ElementType activationType() {
    return engine.elements();
  }

  @Override
  public boolean runsBehind() {
    return true;
  }

  @Override
  public BlockMemory newMemory() {
    return new CudaMemory(engine);
  }

  @Override
  public long scratchBytes() {
    return engine.scratchBytes();
  }

  @Override
  public Recording record(Runnable operators) {
    return GraphRecording.of(engine, operators);
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

  @Override
  public void close() {
    engine.close();
  }
}
