package dev.fathom.training.cli;

import dev.fathom.nn.GpuKernels;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Whose kernels a GPU runs, to compare. */
final class GpuOptions {

  @Option(
      names = "--gemm",
      paramLabel = "WHOSE",
      description =
          "Matrix products on a GPU: fathom, cublas (12) or cublaslt (13 or 12), where they are"
              + " installed. Default: fathom.")
  private @Nullable String gemm;

  @Option(
      names = "--conv",
      paramLabel = "WHOSE",
      description =
          "3x3 convolutions on a GPU: fathom or cudnn (9), where it is installed. Default: fathom.")
  private @Nullable String conv;

  /**
   * What was chosen.
   *
   * @throws IllegalArgumentException for a name that is none
   */
  GpuKernels kernels() {
    return new GpuKernels(
        gemm == null ? GpuKernels.Gemm.FATHOM : GpuKernels.Gemm.of(gemm),
        conv == null ? GpuKernels.Conv.FATHOM : GpuKernels.Conv.of(conv));
  }

  /** What was chosen, as settings of a run's configuration. */
  void addTo(List<String> settings) {
    if (gemm != null) {
      settings.add("gemm=" + gemm);
    }
    if (conv != null) {
      settings.add("conv=" + conv);
    }
  }
}
