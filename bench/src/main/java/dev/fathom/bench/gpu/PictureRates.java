package dev.fathom.bench.gpu;

import dev.fathom.nn.op.AugmentOps;
import dev.fathom.nn.op.AugmentOps.ColorOp;
import dev.fathom.nn.op.AugmentOps.ColorStep;
import dev.fathom.nn.op.AugmentOps.Crop;
import dev.fathom.nn.op.AugmentOps.Distortion;
import dev.fathom.nn.op.LossOps.Box;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Reading and distorting pictures. Bytes: each operand once, read or written. */
final class PictureRates {

  static final String SECTION = "Training pictures";

  private static final List<ColorStep> JITTER =
      List.of(
          new ColorStep(ColorOp.BRIGHTNESS, 1.2f),
          new ColorStep(ColorOp.CONTRAST, 0.8f),
          new ColorStep(ColorOp.SATURATION, 1.1f),
          new ColorStep(ColorOp.HUE, 0.05f));

  private static final float SIGMA = 1.5f;

  /** Too wide for the kernel that keeps rows in shared memory. */
  private static final float WIDE_SIGMA = 20;

  private final Rig rig;

  PictureRates(Rig rig) {
    this.rig = rig;
  }

  void run(NetworkShape at) {
    distortion(at.batch(), at.side());
    reading(at.side());
  }

  private void distortion(int batch, int side) {
    double bytes = 12.0 * batch * side * side;
    String shape = ", batch %d, %d x %d".formatted(batch, side, side);
    Map<String, Distortion> all = new LinkedHashMap<>();
    all.put("colour jitter", new Distortion(JITTER, false, 0));
    all.put("colour jitter and blur", new Distortion(JITTER, false, SIGMA));
    all.put("colour jitter and wide blur", new Distortion(JITTER, false, WIDE_SIGMA));
    all.put("grey", new Distortion(List.of(), true, 0));
    all.put("CutMix alone", Distortion.NONE);
    rig.group(
        "distortion",
        operands -> {
          AugmentOps ops = rig.backend().augment();
          Tensor x = operands.positive(batch, side, side, 3);
          Tensor y = operands.floats(batch, side, side, 3);
          List<Integer> partners =
              IntStream.range(0, batch).mapToObj(i -> (i + 1) % batch).toList();
          List<Box> boxes =
              Collections.nCopies(batch, new Box(side / 4, side / 4, side / 2, side / 2));
          all.forEach((name, one) -> {
            List<Distortion> each = Collections.nCopies(batch, one);
            boolean mixed = one.equals(Distortion.NONE);
            rig.bytes(
                SECTION,
                name + shape,
                2 * bytes,
                () ->
                    ops.distort(
                        x,
                        each,
                        mixed ? partners : null,
                        mixed ? boxes : null,
                        ResampleRates.MEAN,
                        ResampleRates.STD,
                        y));
          });
        });
  }

  private void reading(int side) {
    int height = rig.small() ? 30 : 480;
    int width = rig.small() ? 40 : 640;
    Crop crop = new Crop(height * 0.1, width * 0.1, height * 0.8, width * 0.8, true);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pixels = arena.allocate(3L * width * height);
      rig.group(
          "reading pictures",
          operands -> {
            AugmentOps ops = rig.backend().augment();
            Tensor picture = operands.floats(1, side, side, 3);
            Tensor map = operands.floats(side, side);
            Tensor source = operands.floats(height, width);
            double pixelsRead = 0.64 * width * height;
            String shape = " of %d x %d, cropped, to %d x %d".formatted(width, height, side, side);
            rig.bytes(
                SECTION,
                "picture" + shape + ", from the host",
                3 * pixelsRead + 4.0 * picture.size(),
                () -> ops.readPicture(pixels, width, height, crop, picture));
            rig.bytes(
                SECTION,
                "depth map" + shape,
                4 * Math.min(pixelsRead, (double) map.size()) + 4.0 * map.size(),
                () -> ops.readMap(source, crop, map));
          });
    }
  }
}
