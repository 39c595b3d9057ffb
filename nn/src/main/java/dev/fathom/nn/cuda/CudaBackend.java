package dev.fathom.nn.cuda;

import dev.fathom.bindings.cuda.ConvProvider;
import dev.fathom.bindings.cuda.CudaContext;
import dev.fathom.bindings.cuda.CudaException;
import dev.fathom.bindings.cuda.CudaProbe;
import dev.fathom.bindings.cuda.CudaStream;
import dev.fathom.bindings.cuda.GemmProvider;
import dev.fathom.bindings.cuda.VendorLibraries;
import dev.fathom.nn.GpuKernels;
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
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A GPU, on Fathom's own kernels: activations in bfloat16, sums, statistics and master weights in
 * float32. All operators go to one stream and return before they are done, except for those that
 * copy to the host; a number that one returns is waited for when it is read.
 */
public final class CudaBackend implements Backend {

  private final Engine engine;
  private final List<Runnable> libraries = new ArrayList<>();
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
    this(GpuKernels.OWN);
  }

  /**
   * The same with the libraries that are asked for.
   *
   * @throws IllegalStateException also if one is not there; with the reason
   */
  public CudaBackend(GpuKernels kernels) {
    this(KernelImages.of(CudaProbe.get()), kernels);
  }

  private CudaBackend(KernelImages images, GpuKernels kernels) {
    CudaContext context = CudaContext.open();
    try {
      engine = new Engine(context, images);
      Products products = new Products(engine);
      StringBuilder described = new StringBuilder("cuda (" + CudaProbe.get().description());
      linear = linear(products, kernels.gemm(), described);
      attention = new CudaAttention(engine);
      norm = new CudaNorm(engine);
      patchEmbed = new CudaPatchEmbed(engine);
      resample = new CudaResample(engine);
      conv = conv(products, kernels.conv(), described);
      loss = new CudaLoss(engine);
      augment = new CudaAugment(engine);
      optim = new CudaOptim(engine);
      vector = new CudaVector(engine);
      transfer = new CudaTransfer(engine);
      description = described.append(')').toString();
    } catch (RuntimeException | Error e) {
      closeLibraries();
      context.close();
      throw e;
    }
  }

  private CudaLinear linear(Products products, GpuKernels.Gemm gemm, StringBuilder described) {
    if (gemm == GpuKernels.Gemm.FATHOM) {
      return new CudaLinear(engine, products);
    }
    GemmProvider library =
        required(
            gemm == GpuKernels.Gemm.CUBLAS
                ? VendorLibraries.cublas(engine.context())
                : VendorLibraries.cublasLt(engine.context()));
    described.append(", products by ").append(library.name());
    libraries.add(library::close);
    return new VendorLinear(engine, products, library);
  }

  private CudaConv conv(Products products, GpuKernels.Conv conv, StringBuilder described) {
    if (conv == GpuKernels.Conv.FATHOM) {
      return new CudaConv(engine, products, resample);
    }
    ConvProvider library = required(VendorLibraries.convolution(engine.context()));
    described.append(", convolutions by ").append(library.name());
    libraries.add(library::close);
    return new VendorConv(engine, products, resample, library);
  }

  private static <T> T required(VendorLibraries.Offer<T> offer) {
    T provider = offer.provider();
    if (provider == null) {
      throw new IllegalStateException(offer.library() + " is not there: " + offer.reason());
    }
    return provider;
  }

  /**
   * A backend on the emulator's kernels of either element type, for tests.
   *
   * @param folder where they were built
   */
  static CudaBackend emulated(Path folder, ElementType elements) {
    return new CudaBackend(KernelImages.emulated(folder, elements), GpuKernels.OWN);
  }

  /**
   * The stream that all operators go to: to measure them, or to put other work between them. It is
   * the backend's, and closed with it.
   */
  public CudaStream stream() {
    return engine.stream();
  }

  /**
   * Tells of every kernel that operators launch from now on, by name and before it is launched: to
   * know what a measurement measured.
   *
   * @param observer called by the thread that launches; null for none
   */
  public void observeLaunches(@Nullable Consumer<String> observer) {
    engine.observe(observer);
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
  public @Nullable Recording record(Runnable operators) {
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
    try {
      closeLibraries();
    } finally {
      engine.close();
    }
  }

  /** After a failed kernel a library may refuse to close; the others and the context are closed. */
  private void closeLibraries() {
    for (Runnable library : libraries) {
      try {
        library.run();
      } catch (CudaException e) {
        // The context has failed, and the library's memory goes with it.
      }
    }
    libraries.clear();
  }
}
