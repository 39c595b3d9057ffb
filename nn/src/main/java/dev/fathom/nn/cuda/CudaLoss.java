package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_alignment_loss_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_cross_entropy_loss_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_map_loss_args;
import dev.fathom.nn.op.LossOps;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** kernels/cuda/loss_*.cu: the sequences of kernels that args_loss.h gives. */
final class CudaLoss extends CudaFamily implements LossOps {

  private static final String[] LEVELS = {"_high", "_middle", "_low"};
  private static final int COUNT_OFFSET = 8;

  private final List<Kernel> median = levels("fathom_loss_median");
  private final List<Kernel> trimming = levels("fathom_ssi_loss_trim");
  private final Kernel ssiSums = new Kernel("fathom_ssi_loss_sums");
  private final Kernel ssiGradient = new Kernel("fathom_ssi_loss_gradient");
  private final Kernel matchingSums = new Kernel("fathom_gradient_matching_loss_sums");
  private final Kernel matchingGradient = new Kernel("fathom_gradient_matching_loss_gradient");
  private final Kernel siLogSums = new Kernel("fathom_silog_loss_sums");
  private final Kernel siLogGradient = new Kernel("fathom_silog_loss_gradient");
  private final Kernel alignmentSums = new Kernel("fathom_alignment_loss_sums");
  private final Kernel alignmentGradient = new Kernel("fathom_alignment_loss_gradient");
  private final Kernel crossEntropySums = new Kernel("fathom_cross_entropy_loss_sums");
  private final Kernel crossEntropyGradient = new Kernel("fathom_cross_entropy_loss_gradient");

  CudaLoss(Engine engine) {
    super(engine);
  }

  @Override
  public Scalar scaleShiftInvariant(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double trim,
      double factor,
      @Nullable Tensor dPrediction) {
    requireMaps("scaleShiftInvariant", prediction, target, mask, dPrediction);
    if (!(trim >= 0 && trim < 1)) {
      throw new IllegalArgumentException("scaleShiftInvariant: trim is " + trim);
    }
    return normalised(prediction, target, null, mask, null, trim, factor, dPrediction);
  }

  @Override
  public Scalar cutMix(
      Tensor prediction,
      Tensor inside,
      Tensor outside,
      List<Box> boxes,
      double factor,
      @Nullable Tensor dPrediction) {
    requireMaps("cutMix", prediction, inside, outside, dPrediction);
    Boxes.require(
        "cutMix", boxes, prediction.extent(0), prediction.extent(1), prediction.extent(2));
    return normalised(prediction, inside, outside, null, boxes, 0, factor, dPrediction);
  }

  private Scalar normalised(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor outside,
      @Nullable Tensor mask,
      @Nullable List<Box> boxes,
      double trim,
      double factor,
      @Nullable Tensor gradient) {
    long batch = prediction.extent(0);
    long pixels = prediction.extent(1) * prediction.extent(2);
    long regions = boxes == null ? batch : 2 * batch;
    long chunks = ceil(pixels, FathomCuda.FATHOM_CUDA_LOSS_CHUNK());
    long zeros =
        FathomCuda.FATHOM_CUDA_LOSS_HEADER_BYTES()
            + regions * FathomCuda.FATHOM_CUDA_LOSS_TABLE_BYTES();
    long rest =
        regions
            * (FathomCuda.FATHOM_CUDA_LOSS_REGION_BYTES()
                + chunks * FathomCuda.FATHOM_CUDA_LOSS_CHUNK_BYTES());
    synchronized (engine) {
      Engine.Scratch scratch = engine.scratch(zeros + rest, boxes == null ? 0 : 32 * batch);
      engine.zero(scratch.part(0), zeros);
      if (boxes != null) {
        engine.upload(scratch.part(1), Boxes.corners(boxes), 32 * batch);
      }
      Results.Result loss = engine.newResult();
      MemorySegment args =
          mapArguments(prediction, target, outside, mask, gradient, loss, scratch.part(0), factor);
      fathom_cuda_map_loss_args.boxes(args, address(boxes == null ? 0 : scratch.part(1)));
      fathom_cuda_map_loss_args.trim(args, trim);
      onMaps(median, chunks, regions, args);
      if (trim > 0) {
        onMaps(trimming, chunks, regions, args);
      }
      onMaps(ssiSums, chunks, regions, args);
      if (gradient != null) {
        onMaps(ssiGradient, chunks, regions, args);
      }
      return new CudaScalar(loss.copy());
    }
  }

  private MemorySegment mapArguments(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor outside,
      @Nullable Tensor mask,
      @Nullable Tensor gradient,
      Results.Result loss,
      long workspace,
      double factor) {
    MemorySegment args = Native.arguments(fathom_cuda_map_loss_args.layout());
    fathom_cuda_map_loss_args.prediction(args, address(prediction));
    fathom_cuda_map_loss_args.target(args, address(target));
    fathom_cuda_map_loss_args.outside(args, address(outside));
    fathom_cuda_map_loss_args.mask(args, address(mask));
    fathom_cuda_map_loss_args.gradient(args, address(gradient));
    fathom_cuda_map_loss_args.loss(args, address(loss.address()));
    fathom_cuda_map_loss_args.workspace(args, address(workspace));
    fathom_cuda_map_loss_args.batch(args, prediction.extent(0));
    fathom_cuda_map_loss_args.height(args, prediction.extent(1));
    fathom_cuda_map_loss_args.width(args, prediction.extent(2));
    fathom_cuda_map_loss_args.factor(args, factor);
    return args;
  }

  private List<Kernel> levels(String kernel) {
    return Arrays.stream(LEVELS).map(level -> new Kernel(kernel + level)).toList();
  }

  private void onMaps(List<Kernel> kernels, long gridX, long gridY, MemorySegment args) {
    for (Kernel kernel : kernels) {
      onMaps(kernel, gridX, gridY, args);
    }
  }

  private void onMaps(Kernel kernel, long gridX, long gridY, MemorySegment args) {
    launch(kernel, gridX, gridY, FathomCuda.FATHOM_CUDA_LOSS_THREADS(), 0, args);
  }

  @Override
  public Scalar gradientMatching(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double factor,
      @Nullable Tensor dPrediction) {
    requireMaps("gradientMatching", prediction, target, mask, dPrediction);
    long batch = prediction.extent(0);
    long chunks =
        ceil(prediction.extent(1) * prediction.extent(2), FathomCuda.FATHOM_CUDA_LOSS_CHUNK());
    long tiles =
        ceil(prediction.extent(1), FathomCuda.FATHOM_CUDA_LOSS_TILE_HEIGHT())
            * ceil(prediction.extent(2), FathomCuda.FATHOM_CUDA_LOSS_TILE_WIDTH());
    long zeros =
        FathomCuda.FATHOM_CUDA_LOSS_HEADER_BYTES()
            + batch * FathomCuda.FATHOM_CUDA_LOSS_TABLE_BYTES();
    long rest =
        batch
            * (FathomCuda.FATHOM_CUDA_LOSS_REGION_BYTES()
                + Math.max(
                    chunks * FathomCuda.FATHOM_CUDA_LOSS_CHUNK_BYTES(),
                    tiles * FathomCuda.FATHOM_CUDA_LOSS_TILE_BYTES()));
    synchronized (engine) {
      long workspace = engine.scratch(zeros + rest).part(0);
      engine.zero(workspace, zeros);
      Results.Result loss = engine.newResult();
      MemorySegment args =
          mapArguments(prediction, target, null, mask, dPrediction, loss, workspace, factor);
      onMaps(median, chunks, batch, args);
      onMaps(matchingSums, tiles, batch, args);
      if (dPrediction != null) {
        onMaps(matchingGradient, chunks, batch, args);
      }
      return new CudaScalar(loss.copy());
    }
  }

  @Override
  public Scalar siLog(
      Tensor prediction,
      Tensor target,
      @Nullable Tensor mask,
      double beta,
      double factor,
      @Nullable Tensor dPrediction) {
    requireMaps("siLog", prediction, target, mask, dPrediction);
    long chunks = ceil(prediction.size(), FathomCuda.FATHOM_CUDA_LOSS_CHUNK());
    long header = FathomCuda.FATHOM_CUDA_LOSS_HEADER_BYTES();
    synchronized (engine) {
      long workspace =
          engine.scratch(header + chunks * FathomCuda.FATHOM_CUDA_LOSS_CHUNK_BYTES()).part(0);
      engine.zero(workspace, header);
      Results.Result loss = engine.newResult();
      MemorySegment args =
          mapArguments(prediction, target, null, mask, dPrediction, loss, workspace, factor);
      fathom_cuda_map_loss_args.beta(args, beta);
      onMaps(siLogSums, chunks, 1, args);
      if (dPrediction != null) {
        onMaps(siLogGradient, chunks, 1, args);
      }
      return new CudaScalar(loss.copy());
    }
  }

  @Override
  public Alignment alignment(
      Tensor student, Tensor frozen, double margin, double factor, @Nullable Tensor dStudent) {
    requireElements("alignment", student, frozen, dStudent);
    requireSameShape("alignment", student, frozen, dStudent);
    long channels = student.extent(-1);
    long rows = student.size() / channels;
    synchronized (engine) {
      long workspace = rowsWorkspace(rows);
      Results.Result loss = engine.newResult();
      MemorySegment args = Native.arguments(fathom_cuda_alignment_loss_args.layout());
      fathom_cuda_alignment_loss_args.student(args, address(student));
      fathom_cuda_alignment_loss_args.frozen(args, address(frozen));
      fathom_cuda_alignment_loss_args.gradient(args, address(dStudent));
      fathom_cuda_alignment_loss_args.loss(args, address(loss.address()));
      fathom_cuda_alignment_loss_args.kept(args, address(loss.address() + COUNT_OFFSET));
      fathom_cuda_alignment_loss_args.workspace(args, address(workspace));
      fathom_cuda_alignment_loss_args.rows(args, rows);
      fathom_cuda_alignment_loss_args.channels(args, channels);
      fathom_cuda_alignment_loss_args.margin(args, margin);
      fathom_cuda_alignment_loss_args.factor(args, factor);
      long blocks = ceil(rows, FathomCuda.FATHOM_CUDA_LOSS_ROWS());
      onMaps(alignmentSums, blocks, 1, args);
      if (dStudent != null) {
        onMaps(alignmentGradient, blocks, 1, args);
      }
      var _ = loss.copy();
      return new Alignment(
          new CudaScalar(loss),
          () -> (double) loss.read().get(ValueLayout.JAVA_LONG, COUNT_OFFSET));
    }
  }

  @Override
  public Scalar crossEntropy(
      Tensor logits, Tensor target, double factor, @Nullable Tensor dLogits) {
    requireElements("crossEntropy", logits, dLogits);
    requireFloats("crossEntropy", target);
    requireSameShape("crossEntropy", logits, target, dLogits);
    long classes = logits.extent(-1);
    long rows = logits.size() / classes;
    synchronized (engine) {
      long workspace = rowsWorkspace(rows);
      Results.Result loss = engine.newResult();
      MemorySegment args = Native.arguments(fathom_cuda_cross_entropy_loss_args.layout());
      fathom_cuda_cross_entropy_loss_args.logits(args, address(logits));
      fathom_cuda_cross_entropy_loss_args.target(args, address(target));
      fathom_cuda_cross_entropy_loss_args.gradient(args, address(dLogits));
      fathom_cuda_cross_entropy_loss_args.loss(args, address(loss.address()));
      fathom_cuda_cross_entropy_loss_args.workspace(args, address(workspace));
      fathom_cuda_cross_entropy_loss_args.rows(args, rows);
      fathom_cuda_cross_entropy_loss_args.classes(args, classes);
      fathom_cuda_cross_entropy_loss_args.factor(args, factor);
      long blocks = ceil(rows, FathomCuda.FATHOM_CUDA_LOSS_ROWS());
      onMaps(crossEntropySums, blocks, 1, args);
      if (dLogits != null) {
        onMaps(crossEntropyGradient, blocks, 1, args);
      }
      return new CudaScalar(loss.copy());
    }
  }

  /** Scratch memory of the losses on rows, its header zeroed. */
  private long rowsWorkspace(long rows) {
    long header = FathomCuda.FATHOM_CUDA_LOSS_HEADER_BYTES();
    long blocks = ceil(rows, FathomCuda.FATHOM_CUDA_LOSS_ROWS());
    long workspace =
        engine
            .scratch(
                header
                    + ceil(rows, 32) * 32 * FathomCuda.FATHOM_CUDA_LOSS_ROW_BYTES()
                    + blocks * FathomCuda.FATHOM_CUDA_LOSS_ROWS_BYTES())
            .part(0);
    engine.zero(workspace, header);
    return workspace;
  }

  private static void requireMaps(
      String operator,
      Tensor prediction,
      Tensor target,
      @Nullable Tensor other,
      @Nullable Tensor gradient) {
    if (prediction.rank() != 3) {
      throw new IllegalArgumentException(operator + ": " + prediction + " is not [B,H,W]");
    }
    requireFloats(operator, prediction, target, other, gradient);
    requireSameShape(operator, prediction, target, other, gradient);
  }

  private static void requireSameShape(String operator, Tensor first, @Nullable Tensor... others) {
    for (Tensor other : others) {
      if (other != null && !other.hasShape(first.shape())) {
        throw new IllegalArgumentException(operator + ": shapes " + first + " and " + other);
      }
    }
  }
}
