package dev.fathom.nn;

import dev.fathom.bindings.CpuIsa;
import dev.fathom.nn.model.Release;
import org.jspecify.annotations.Nullable;

/**
 * How a model is loaded and run. Start from {@link #defaults} and change what is needed.
 *
 * @param model vits, vitb, vitl or vitg; null to infer it from the checkpoint
 * @param release null to infer it; what tensors cannot tell is taken for V1
 * @param maxDepth metres of the metric release's sigmoid; null for what the checkpoint says, or 20
 * @param inputSize what a picture's shorter side becomes, 518 in the published scripts
 * @param threads 1 to 1024
 * @param isa instruction set of the kernels
 * @param device what it runs on
 * @param kernels whose kernels run on a GPU
 */
public record DepthModelOptions(
    @Nullable String model,
    @Nullable Release release,
    @Nullable Float maxDepth,
    int inputSize,
    int threads,
    CpuIsa isa,
    Device device,
    GpuKernels kernels) {

  /** The published scripts' input size. */
  public static final int INPUT_SIZE = 518;

  public DepthModelOptions {
    if (inputSize < 1) {
      throw new IllegalArgumentException("input size " + inputSize + "; it must be positive");
    }
    if (threads < 1 || threads > 1024) {
      throw new IllegalArgumentException(threads + " threads; 1 to 1024 are possible");
    }
    if (maxDepth != null && !(maxDepth > 0 && maxDepth < Float.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException("max depth " + maxDepth + "; it must be positive");
    }
  }

  /** Everything inferred, input size 518, a GPU if one works, otherwise all processors. */
  public static DepthModelOptions defaults() {
    return new DepthModelOptions(
        null,
        null,
        null,
        INPUT_SIZE,
        Runtime.getRuntime().availableProcessors(),
        CpuIsa.AUTO,
        Device.AUTO,
        GpuKernels.OWN);
  }

  /** With a given size: vits, vitb, vitl or vitg. */
  public DepthModelOptions withModel(String newModel) {
    return new DepthModelOptions(
        newModel, release, maxDepth, inputSize, threads, isa, device, kernels);
  }

  /** With a given release. */
  public DepthModelOptions withRelease(Release newRelease) {
    return new DepthModelOptions(
        model, newRelease, maxDepth, inputSize, threads, isa, device, kernels);
  }

  /** With a given largest depth in metres. */
  public DepthModelOptions withMaxDepth(float metres) {
    return new DepthModelOptions(model, release, metres, inputSize, threads, isa, device, kernels);
  }

  /** With a given input size. */
  public DepthModelOptions withInputSize(int newInputSize) {
    return new DepthModelOptions(
        model, release, maxDepth, newInputSize, threads, isa, device, kernels);
  }

  /** With a given number of threads. */
  public DepthModelOptions withThreads(int newThreads) {
    return new DepthModelOptions(
        model, release, maxDepth, inputSize, newThreads, isa, device, kernels);
  }

  /** With a given instruction set. */
  public DepthModelOptions withIsa(CpuIsa newIsa) {
    return new DepthModelOptions(
        model, release, maxDepth, inputSize, threads, newIsa, device, kernels);
  }

  /** On a given device. */
  public DepthModelOptions withDevice(Device newDevice) {
    return new DepthModelOptions(
        model, release, maxDepth, inputSize, threads, isa, newDevice, kernels);
  }

  /** With given kernels on a GPU. */
  public DepthModelOptions withKernels(GpuKernels newKernels) {
    return new DepthModelOptions(
        model, release, maxDepth, inputSize, threads, isa, device, newKernels);
  }
}
