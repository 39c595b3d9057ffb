package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.bindings.generated.fathom_distort_args;
import dev.fathom.bindings.generated.fathom_read_map_args;
import dev.fathom.bindings.generated.fathom_read_picture_args;
import dev.fathom.nn.op.AugmentOps;
import dev.fathom.nn.op.LossOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** kernels/cpu/augment_read.c, augment_distort.c. */
final class CpuAugment extends CpuFamily implements AugmentOps {

  CpuAugment(CpuContext context) {
    super(context);
  }

  @Override
  public void readPicture(MemorySegment pixels, int width, int height, Crop crop, Tensor y) {
    if (y.rank() != 4 || y.extent(0) != 1 || y.extent(3) != 3) {
      throw new IllegalArgumentException("readPicture: y is " + y + ", not [1,H,W,3]");
    }
    if (pixels.byteSize() < 3L * width * height) {
      throw new IllegalArgumentException(
          "readPicture: " + pixels.byteSize() + " bytes for " + width + " x " + height);
    }
    MemorySegment args = Native.arguments(fathom_read_picture_args.layout());
    fathom_read_picture_args.height(args, height);
    fathom_read_picture_args.width(args, width);
    fathom_read_picture_args.out_height(args, y.extent(1));
    fathom_read_picture_args.out_width(args, y.extent(2));
    fathom_read_picture_args.pixels(args, pixels);
    fathom_read_picture_args.crop_top(args, crop.top());
    fathom_read_picture_args.crop_left(args, crop.left());
    fathom_read_picture_args.crop_height(args, crop.height());
    fathom_read_picture_args.crop_width(args, crop.width());
    fathom_read_picture_args.flip(args, crop.flip() ? 1 : 0);
    fathom_read_picture_args.y(args, y.data());
    Native.check(FathomNative.fathom_read_picture(context.handle(), args));
  }

  @Override
  public void readMap(Tensor x, Crop crop, Tensor y) {
    if (x.rank() != 2 || y.rank() != 2) {
      throw new IllegalArgumentException("readMap: two dimensions wanted, got " + x + ", " + y);
    }
    MemorySegment args = Native.arguments(fathom_read_map_args.layout());
    fathom_read_map_args.height(args, x.extent(0));
    fathom_read_map_args.width(args, x.extent(1));
    fathom_read_map_args.out_height(args, y.extent(0));
    fathom_read_map_args.out_width(args, y.extent(1));
    fathom_read_map_args.x(args, x.data());
    fathom_read_map_args.crop_top(args, crop.top());
    fathom_read_map_args.crop_left(args, crop.left());
    fathom_read_map_args.crop_height(args, crop.height());
    fathom_read_map_args.crop_width(args, crop.width());
    fathom_read_map_args.flip(args, crop.flip() ? 1 : 0);
    fathom_read_map_args.y(args, y.data());
    Native.check(FathomNative.fathom_read_map(context.handle(), args));
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
    long batch = x.extent(0);
    if (x.rank() != 4 || x.extent(3) != 3 || !y.hasShape(x.shape())) {
      throw new IllegalArgumentException("distort: x is " + x + ", y " + y + ", not [B,H,W,3]");
    }
    if (distortions.size() != batch
        || (partners != null && partners.size() != batch)
        || (boxes != null && boxes.size() != batch)) {
      throw new IllegalArgumentException(
          "distort: one distortion, partner and box are wanted for each of " + batch);
    }
    if (mean.length != 3 || std.length != 3) {
      throw new IllegalArgumentException("distort: mean and std are three numbers each");
    }
    try (Arena arena = Arena.ofConfined()) {
      int count = distortions.stream().mapToInt(d -> d.jitter().size()).sum();
      MemorySegment starts = arena.allocate(ValueLayout.JAVA_LONG, batch + 1);
      MemorySegment steps = arena.allocate(ValueLayout.JAVA_LONG, count);
      MemorySegment factors = arena.allocate(ValueLayout.JAVA_FLOAT, count);
      MemorySegment grey = arena.allocate(ValueLayout.JAVA_LONG, batch);
      MemorySegment sigmas = arena.allocate(ValueLayout.JAVA_FLOAT, batch);
      int step = 0;
      for (int b = 0; b < batch; b++) {
        Distortion distortion = distortions.get(b);
        for (ColorStep color : distortion.jitter()) {
          steps.setAtIndex(ValueLayout.JAVA_LONG, step, code(color.op()));
          factors.setAtIndex(ValueLayout.JAVA_FLOAT, step++, color.factor());
        }
        starts.setAtIndex(ValueLayout.JAVA_LONG, b + 1L, step);
        grey.setAtIndex(ValueLayout.JAVA_LONG, b, distortion.grey() ? 1 : 0);
        sigmas.setAtIndex(ValueLayout.JAVA_FLOAT, b, distortion.blurSigma());
      }
      MemorySegment args = Native.arguments(fathom_distort_args.layout());
      fathom_distort_args.batch(args, batch);
      fathom_distort_args.height(args, x.extent(1));
      fathom_distort_args.width(args, x.extent(2));
      fathom_distort_args.x(args, x.data());
      fathom_distort_args.step_starts(args, starts);
      fathom_distort_args.steps(args, steps);
      fathom_distort_args.step_factors(args, factors);
      fathom_distort_args.grey(args, grey);
      fathom_distort_args.blur_sigmas(args, sigmas);
      if (partners != null) {
        fathom_distort_args.partners(
            args,
            arena.allocateFrom(
                ValueLayout.JAVA_LONG, partners.stream().mapToLong(Integer::longValue).toArray()));
      }
      if (boxes != null) {
        fathom_distort_args.boxes(args, CpuLoss.native64(boxes, arena));
      }
      for (int c = 0; c < 3; c++) {
        fathom_distort_args.mean(args, c, mean[c]);
        fathom_distort_args.std(args, c, std[c]);
      }
      fathom_distort_args.y(args, y.data());
      Native.check(FathomNative.fathom_distort(context.handle(), args));
    }
  }

  /** The header's number, FATHOM_COLOR_*. */
  private static long code(ColorOp op) {
    return switch (op) {
      case BRIGHTNESS -> FathomNative.FATHOM_COLOR_BRIGHTNESS();
      case CONTRAST -> FathomNative.FATHOM_COLOR_CONTRAST();
      case SATURATION -> FathomNative.FATHOM_COLOR_SATURATION();
      case HUE -> FathomNative.FATHOM_COLOR_HUE();
    };
  }
}
