package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_color_step;
import dev.fathom.bindings.generated.cuda.fathom_cuda_distort_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_distortion;
import dev.fathom.bindings.generated.cuda.fathom_cuda_read_map_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_read_picture_args;
import dev.fathom.nn.op.AugmentOps;
import dev.fathom.nn.op.LossOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** kernels/cuda/augment_read.cu, augment_distort.cu and augment_distort_large.cu. */
final class CudaAugment extends CudaFamily implements AugmentOps {

  private static final float WIDEST_SIGMA = 170;

  private final Kernel pictureFilters = new Kernel("fathom_read_picture_filters");
  private final Kernel pictureRows = new Kernel("fathom_read_picture_rows");
  private final Kernel pictureColumns = new Kernel("fathom_read_picture_columns");
  private final Kernel readMap = new Kernel("fathom_read_map");
  private final Kernel distortGrey = new Kernel("fathom_distort_grey");
  private final Kernel distortPoint = new Kernel("fathom_distort_point");
  private final Kernel distortBlur = new Kernel("fathom_distort_blur");
  private final Kernel largeColor = new Kernel("fathom_distort_large_color");
  private final Kernel largeDown = new Kernel("fathom_distort_large_down");
  private final Kernel largeAcross = new Kernel("fathom_distort_large_across");

  CudaAugment(Engine engine) {
    super(engine);
  }

  @Override
  public void readPicture(MemorySegment pixels, int width, int height, Crop crop, Tensor y) {
    if (y.rank() != 4 || y.extent(0) != 1 || y.extent(3) != 3) {
      throw new IllegalArgumentException("readPicture: y is " + y + ", not [1,H,W,3]");
    }
    requireFloats("readPicture", y);
    requireCrop("readPicture", crop, width, height);
    long bytes = 3L * width * height;
    if (pixels.byteSize() < bytes) {
      throw new IllegalArgumentException(
          "readPicture: " + pixels.byteSize() + " bytes for " + width + " x " + height);
    }
    long outHeight = y.extent(1);
    long outWidth = y.extent(2);
    int rowTaps = taps(crop.height(), outHeight);
    int columnTaps = taps(crop.width(), outWidth);
    long sourceRows = Math.min(height, (long) Math.floor(crop.height()) + rowTaps + 2);
    long pitch = (3 * outWidth + 3) / 4 * 4;
    long workspace =
        4
            * (sixtyFours(outHeight + outWidth)
                + sixtyFours(outHeight * rowTaps)
                + sixtyFours(outWidth * columnTaps)
                + sixtyFours(sourceRows * pitch));
    int threads = FathomCuda.FATHOM_CUDA_READ_THREADS();
    synchronized (engine) {
      Engine.Scratch scratch = engine.scratch(bytes, workspace);
      engine.upload(scratch.part(0), pixels, bytes);
      MemorySegment args = Native.arguments(fathom_cuda_read_picture_args.layout());
      fathom_cuda_read_picture_args.pixels(args, address(scratch.part(0)));
      fathom_cuda_read_picture_args.y(args, address(y));
      fathom_cuda_read_picture_args.workspace(args, address(scratch.part(1)));
      fathom_cuda_read_picture_args.height(args, height);
      fathom_cuda_read_picture_args.width(args, width);
      fathom_cuda_read_picture_args.out_height(args, outHeight);
      fathom_cuda_read_picture_args.out_width(args, outWidth);
      fathom_cuda_read_picture_args.crop_top(args, crop.top());
      fathom_cuda_read_picture_args.crop_left(args, crop.left());
      fathom_cuda_read_picture_args.crop_height(args, crop.height());
      fathom_cuda_read_picture_args.crop_width(args, crop.width());
      fathom_cuda_read_picture_args.row_taps(args, rowTaps);
      fathom_cuda_read_picture_args.column_taps(args, columnTaps);
      fathom_cuda_read_picture_args.source_rows(args, Math.toIntExact(sourceRows));
      fathom_cuda_read_picture_args.flip(args, crop.flip() ? 1 : 0);
      launch(
          pictureFilters,
          ceil(outHeight + outWidth, FathomCuda.FATHOM_CUDA_READ_FILTERS()),
          threads,
          args);
      launch(
          pictureRows,
          ceil(sourceRows, FathomCuda.FATHOM_CUDA_READ_ROWS()),
          ceil(outWidth, threads),
          threads,
          0,
          args);
      launch(pictureColumns, outHeight, ceil(pitch, 4L * threads), threads, 0, args);
    }
  }

  private static int taps(double crop, long out) {
    return 2 * (int) Math.ceil(2 * Math.max(crop / out, 1)) + 1;
  }

  private static long sixtyFours(long n) {
    return (n + 63) / 64 * 64;
  }

  @Override
  public void readMap(Tensor x, Crop crop, Tensor y) {
    if (x.rank() != 2 || y.rank() != 2) {
      throw new IllegalArgumentException("readMap: two dimensions wanted, got " + x + ", " + y);
    }
    requireFloats("readMap", x, y);
    requireCrop("readMap", crop, x.extent(1), x.extent(0));
    int threads = FathomCuda.FATHOM_CUDA_READ_THREADS();
    MemorySegment args = Native.arguments(fathom_cuda_read_map_args.layout());
    fathom_cuda_read_map_args.x(args, address(x));
    fathom_cuda_read_map_args.y(args, address(y));
    fathom_cuda_read_map_args.height(args, x.extent(0));
    fathom_cuda_read_map_args.width(args, x.extent(1));
    fathom_cuda_read_map_args.out_height(args, y.extent(0));
    fathom_cuda_read_map_args.out_width(args, y.extent(1));
    fathom_cuda_read_map_args.crop_top(args, crop.top());
    fathom_cuda_read_map_args.crop_left(args, crop.left());
    fathom_cuda_read_map_args.crop_height(args, crop.height());
    fathom_cuda_read_map_args.crop_width(args, crop.width());
    fathom_cuda_read_map_args.flip(args, crop.flip() ? 1 : 0);
    launch(readMap, y.extent(0), ceil(y.extent(1), threads), threads, 0, args);
  }

  private static void requireCrop(String operator, Crop crop, long width, long height) {
    // Written so that NaN is refused, too.
    boolean within =
        crop.top() >= 0
            && crop.left() >= 0
            && crop.height() > 0
            && crop.width() > 0
            && crop.top() + crop.height() <= height + 1e-6
            && crop.left() + crop.width() <= width + 1e-6;
    if (!within) {
      throw new IllegalArgumentException(
          operator + ": " + crop + " of a picture of " + width + " x " + height);
    }
  }

  @Override
  public void distort(
      Tensor x,
      List<Distortion> distortions,
      @Nullable List<Integer> partners,
      @Nullable List<LossOps.Box> boxes,
      float[] mean,
      float[] std,
      Tensor y) {
    if (x.rank() != 4 || x.extent(3) != 3 || !y.hasShape(x.shape())) {
      throw new IllegalArgumentException("distort: x is " + x + ", y " + y + ", not [B,H,W,3]");
    }
    requireFloats("distort", x, y);
    long batch = x.extent(0);
    if (distortions.size() != batch
        || (partners != null && partners.size() != batch)
        || (boxes != null && boxes.size() != batch)) {
      throw new IllegalArgumentException(
          "distort: one distortion, partner and box are wanted for each of " + batch);
    }
    if (mean.length != 3 || std.length != 3) {
      throw new IllegalArgumentException("distort: mean and std are three numbers each");
    }
    DistortionTable table = DistortionTable.of(x, distortions, partners, boxes);
    long height = x.extent(1);
    long width = x.extent(2);
    long chunks = ceil(height * width, FathomCuda.FATHOM_CUDA_DISTORT_CHUNK());
    boolean large = table.widestRadius() > FathomCuda.FATHOM_CUDA_DISTORT_TILE_RADIUS();
    long counters = round256(4 * batch);
    long workspace =
        counters
            + round256(8 * batch * chunks)
            + round256(4L * table.stepCount())
            + (large ? 2 * round256(4 * x.size()) : 0);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pictures = table.pictures(arena);
      MemorySegment steps = table.steps(arena);
      synchronized (engine) {
        Engine.Scratch scratch = engine.scratch(workspace, pictures.byteSize(), steps.byteSize());
        engine.zero(scratch.part(0), counters);
        engine.upload(scratch.part(1), pictures, pictures.byteSize());
        engine.upload(scratch.part(2), steps, steps.byteSize());
        MemorySegment args = Native.arguments(fathom_cuda_distort_args.layout());
        fathom_cuda_distort_args.x(args, address(x));
        fathom_cuda_distort_args.y(args, address(y));
        fathom_cuda_distort_args.distortions(args, address(scratch.part(1)));
        fathom_cuda_distort_args.steps(args, address(scratch.part(2)));
        fathom_cuda_distort_args.workspace(args, address(scratch.part(0)));
        fathom_cuda_distort_args.batch(args, batch);
        fathom_cuda_distort_args.height(args, height);
        fathom_cuda_distort_args.width(args, width);
        fathom_cuda_distort_args.step_count(args, table.stepCount());
        for (int c = 0; c < 3; c++) {
          fathom_cuda_distort_args.scale(args, c, 1 / std[c]);
          fathom_cuda_distort_args.shift(args, c, -mean[c] / std[c]);
        }
        launchAll(table, batch, height, width, chunks, large, args);
      }
    }
  }

  private void launchAll(
      DistortionTable table,
      long batch,
      long height,
      long width,
      long chunks,
      boolean large,
      MemorySegment args) {
    int threads = FathomCuda.FATHOM_CUDA_DISTORT_THREADS();
    for (int round = 0; round < table.contrastRounds(); round++) {
      fathom_cuda_distort_args.round(args, round);
      launch(distortGrey, chunks, batch, threads, 0, args);
    }
    launch(distortPoint, chunks, batch, threads, 0, args);
    if (table.hasSmallRadius()) {
      int tile = FathomCuda.FATHOM_CUDA_DISTORT_TILE();
      launch(distortBlur, ceil(height, tile) * ceil(width, tile), batch, threads, 0, args);
    }
    if (large) {
      launch(largeColor, chunks, batch, threads, 0, args);
      long across = ceil(3 * width, threads);
      long down = ceil(height, FathomCuda.FATHOM_CUDA_DISTORT_LARGE_ROWS());
      launch(largeDown, across, down, batch, threads, 0, args);
      launch(largeAcross, across, down, batch, threads, 0, args);
    }
  }

  private static long round256(long bytes) {
    return (bytes + 255) / 256 * 256;
  }

  /** What is done to each picture, as the kernels read it. */
  private record DistortionTable(
      List<Distortion> distortions,
      @Nullable List<Integer> partners,
      @Nullable List<LossOps.Box> boxes) {

    static DistortionTable of(
        Tensor x,
        List<Distortion> distortions,
        @Nullable List<Integer> partners,
        @Nullable List<LossOps.Box> boxes) {
      for (Distortion distortion : distortions) {
        if (!(distortion.blurSigma() >= 0 && distortion.blurSigma() <= WIDEST_SIGMA)) {
          throw new IllegalArgumentException("distort: sigma is " + distortion.blurSigma());
        }
        for (ColorStep step : distortion.jitter()) {
          float most = step.op() == ColorOp.HUE ? 0.5f : Float.MAX_VALUE;
          float least = step.op() == ColorOp.HUE ? -0.5f : 0;
          if (!(step.factor() >= least && step.factor() <= most)) {
            throw new IllegalArgumentException("distort: " + step);
          }
        }
      }
      if (partners != null) {
        for (int partner : partners) {
          if (partner < 0 || partner >= x.extent(0)) {
            throw new IllegalArgumentException("distort: there is no picture " + partner);
          }
        }
      }
      if (boxes != null) {
        Boxes.require("distort", boxes, x.extent(0), x.extent(1), x.extent(2));
      }
      return new DistortionTable(distortions, partners, boxes);
    }

    int stepCount() {
      return distortions.stream().mapToInt(distortion -> distortion.jitter().size()).sum();
    }

    /** Contrast steps of the picture that has the most. */
    int contrastRounds() {
      return distortions.stream()
          .mapToInt(distortion ->
              (int)
                  distortion.jitter().stream()
                      .filter(step -> step.op() == ColorOp.CONTRAST)
                      .count())
          .max()
          .orElse(0);
    }

    private static int radius(Distortion distortion) {
      return (int) Math.ceil(3 * distortion.blurSigma());
    }

    int widestRadius() {
      return distortions.stream().mapToInt(DistortionTable::radius).max().orElse(0);
    }

    boolean hasSmallRadius() {
      return distortions.stream()
          .mapToInt(DistortionTable::radius)
          .anyMatch(radius -> radius > 0 && radius <= FathomCuda.FATHOM_CUDA_DISTORT_TILE_RADIUS());
    }

    MemorySegment pictures(Arena arena) {
      MemorySegment table = fathom_cuda_distortion.allocateArray(distortions.size(), arena);
      int step = 0;
      for (int b = 0; b < distortions.size(); b++) {
        Distortion distortion = distortions.get(b);
        MemorySegment entry = fathom_cuda_distortion.asSlice(table, b);
        fathom_cuda_distortion.first_step(entry, step);
        step += distortion.jitter().size();
        fathom_cuda_distortion.end_step(entry, step);
        fathom_cuda_distortion.grey(entry, distortion.grey() ? 1 : 0);
        fathom_cuda_distortion.blur_sigma(entry, distortion.blurSigma());
        fathom_cuda_distortion.blur_radius(entry, radius(distortion));
        fathom_cuda_distortion.partner(entry, partners == null ? b : partners.get(b));
        if (boxes != null && partners != null) {
          LossOps.Box box = boxes.get(b);
          fathom_cuda_distortion.top(entry, box.top());
          fathom_cuda_distortion.left(entry, box.left());
          fathom_cuda_distortion.bottom(entry, box.bottom());
          fathom_cuda_distortion.right(entry, box.right());
        }
      }
      return table;
    }

    MemorySegment steps(Arena arena) {
      MemorySegment table = fathom_cuda_color_step.allocateArray(Math.max(stepCount(), 1), arena);
      int at = 0;
      for (Distortion distortion : distortions) {
        for (ColorStep step : distortion.jitter()) {
          MemorySegment entry = fathom_cuda_color_step.asSlice(table, at++);
          fathom_cuda_color_step.operation(entry, code(step.op()));
          fathom_cuda_color_step.factor(entry, step.factor());
        }
      }
      return table;
    }

    /** The header's number, FATHOM_COLOR_*. */
    private static int code(ColorOp op) {
      return switch (op) {
        case BRIGHTNESS -> FathomNative.FATHOM_COLOR_BRIGHTNESS();
        case CONTRAST -> FathomNative.FATHOM_COLOR_CONTRAST();
        case SATURATION -> FathomNative.FATHOM_COLOR_SATURATION();
        case HUE -> FathomNative.FATHOM_COLOR_HUE();
      };
    }
  }
}
