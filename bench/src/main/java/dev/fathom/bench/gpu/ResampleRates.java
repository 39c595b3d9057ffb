package dev.fathom.bench.gpu;

import dev.fathom.nn.op.ResampleOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Resizing of maps, of the position table and of pictures. Bytes: each operand once. */
final class ResampleRates {

  static final String SECTION = "Resizing";

  static final float[] MEAN = {0.485f, 0.456f, 0.406f};
  static final float[] STD = {0.229f, 0.224f, 0.225f};

  private final Rig rig;

  ResampleRates(Rig rig) {
    this.rig = rig;
  }

  void run(NetworkShape at) {
    maps(at);
    depth(at);
    positions(at);
    picture(at);
  }

  private void maps(NetworkShape at) {
    long grid = 4L * at.grid();
    int channels = at.model().features();
    double small = rig.elementBytes((double) at.batch() * grid * grid * channels);
    String shape =
        "%d x %d to twice that, batch %d, %d channels".formatted(grid, grid, at.batch(), channels);
    rig.group(
        "resizing of maps",
        operands -> {
          ResampleOps ops = rig.backend().resample();
          Tensor x = operands.elements(at.batch(), grid, grid, channels);
          Tensor y = operands.elements(at.batch(), 2 * grid, 2 * grid, channels);
          rig.bytes(SECTION, "bilinear " + shape, 5 * small, () -> ops.resizeBilinear(x, true, y));
          rig.bytes(
              SECTION,
              "bilinear backward " + shape,
              5 * small,
              () -> ops.resizeBilinearBackward(y, true, x, false));
        });
  }

  /** A depth map to the picture's size, one float a pixel; and eight, as vectors are read. */
  private void depth(NetworkShape at) {
    int height = rig.small() ? 30 : 1080;
    int width = rig.small() ? 40 : 1920;
    rig.group(
        "resizing of depth",
        operands -> {
          ResampleOps ops = rig.backend().resample();
          for (int channels : new int[] {1, 8}) {
            Tensor x = operands.floats(at.batch(), at.side(), at.side(), channels);
            Tensor y = operands.floats(at.batch(), height, width, channels);
            double bytes = 4.0 * (x.size() + y.size());
            String shape =
                "%d x %d to %d x %d, batch %d, %d float32"
                    .formatted(at.side(), at.side(), width, height, at.batch(), channels);
            rig.bytes(SECTION, "bilinear " + shape, bytes, () -> ops.resizeBilinear(x, false, y));
            rig.bytes(
                SECTION,
                "bilinear backward " + shape,
                bytes,
                () -> ops.resizeBilinearBackward(y, false, x, false));
          }
        });
  }

  /** To one and a half times as many patches along each side. */
  private void positions(NetworkShape at) {
    int from = at.model().tableSize();
    int to = from * 3 / 2;
    rig.group(
        "resizing of positions",
        operands -> {
          ResampleOps ops = rig.backend().resample();
          double step = (double) from / to;
          for (int channels : new int[] {at.model().embedDim(), 3}) {
            Tensor x = operands.floats(1, from, from, channels);
            Tensor y = operands.floats(1, to, to, channels);
            double bytes = 4.0 * (x.size() + y.size());
            String shape =
                "%d x %d to %d x %d, %d channels".formatted(from, from, to, to, channels);
            rig.bytes(
                SECTION, "bicubic " + shape, bytes, () -> ops.resizeBicubic(x, step, step, y));
            rig.bytes(
                SECTION,
                "bicubic backward " + shape,
                bytes,
                () -> ops.resizeBicubicBackward(y, step, step, x));
          }
        });
  }

  private void picture(NetworkShape at) {
    int height = rig.small() ? 30 : 1080;
    int width = rig.small() ? 40 : 1920;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pixels = arena.allocate(3L * width * height);
      rig.group(
          "preprocessing",
          operands -> {
            Tensor y = operands.floats(1, at.side(), at.side(), 3);
            rig.bytes(
                SECTION,
                "picture of %d x %d from the host, normalised".formatted(width, height),
                3.0 * width * height + 4.0 * y.size(),
                () -> rig.backend().resample().preprocess(pixels, width, height, MEAN, STD, y));
          });
    }
  }
}
