package dev.fathom.bench;

import dev.fathom.bench.Trial.Operand;
import dev.fathom.nn.op.ResampleOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.openjdk.jmh.annotations.Param;

/**
 * Resizing: between the head's fusion blocks, of the position table, of the picture, of the depth.
 */
public class ResampleBenchmark extends OperatorBenchmark {

  private static final int PICTURE_WIDTH = 1280;
  private static final int PICTURE_HEIGHT = 960;

  /** DINOv2 adds this to the number of patches before it divides. */
  private static final double OFFSET = 0.1;

  /** Which resize. */
  @Param({"fusion1", "fusion3", "position_table", "preprocess", "depth"})
  public String layer;

  @Override
  Operator prepare(Trial trial) {
    return switch (layer) {
      case "fusion1" ->
          bilinear(trial, 2 * PATCHES, 2 * PATCHES, 4 * PATCHES, 4 * PATCHES, features());
      case "fusion3" ->
          bilinear(trial, (PATCHES + 1) / 2, (PATCHES + 1) / 2, PATCHES, PATCHES, features());
      case "depth" -> bilinear(trial, SIDE, SIDE, PICTURE_HEIGHT, PICTURE_WIDTH, 1);
      case "position_table" -> positions(trial);
      case "preprocess" -> preprocess(trial);
      default -> throw unknown(layer);
    };
  }

  private int features() {
    return config().features();
  }

  private static Operator bilinear(
      Trial trial, int height, int width, int outHeight, int outWidth, int channels) {
    Operand x = trial.uniform(1, 1, height, width, channels);
    Tensor y = trial.allocate(1, outHeight, outWidth, channels);
    ResampleOps ops = trial.backend().resample();
    Reference.Map enlarged = Reference.enlarged(x, outHeight, outWidth);
    return new Operator(
        "%dx%d to %dx%d, %d channels, bilinear"
            .formatted(width, height, outWidth, outHeight, channels),
        Operator.Unit.BYTE,
        4.0 * (x.tensor().size() + y.size()),
        1e-4,
        () -> ops.resizeBilinear(x.tensor(), true, y),
        y,
        element -> {
          long place = element / channels;
          return enlarged.at(place / outWidth, place % outWidth, element % channels);
        });
  }

  /** The table of 37 x 37 patches for a picture of 4:3. */
  private Operator positions(Trial trial) {
    int columns = 49;
    long channels = config().embedDim();
    Operand x = trial.uniform(1, 1, PATCHES, PATCHES, channels);
    Tensor y = trial.allocate(1, PATCHES, columns, channels);
    double stepY = PATCHES / (PATCHES + OFFSET);
    double stepX = PATCHES / (columns + OFFSET);
    ResampleOps ops = trial.backend().resample();
    Reference.Map source = Reference.map(x);
    return new Operator(
        "%dx%d to %dx%d, %d channels, bicubic"
            .formatted(PATCHES, PATCHES, columns, PATCHES, channels),
        Operator.Unit.BYTE,
        4.0 * (x.tensor().size() + y.size()),
        1e-4,
        () -> ops.resizeBicubic(x.tensor(), stepY, stepX, y),
        y,
        element -> {
          long place = element / channels;
          return Reference.bicubic(
              source,
              PATCHES,
              PATCHES,
              source(place / columns, stepY),
              source(place % columns, stepX),
              element % channels);
        });
  }

  private static Operator preprocess(Trial trial) {
    int bytes = 3 * PICTURE_WIDTH * PICTURE_HEIGHT;
    MemorySegment pixels = trial.allocate(bytes / 4).data();
    for (int i = 0; i < bytes; i++) {
      // Any bytes will do; these have no period that the picture's rows have.
      pixels.set(ValueLayout.JAVA_BYTE, i, (byte) ((i * 2654435761L) >> 13));
    }
    float[] mean = {0.485f, 0.456f, 0.406f};
    float[] std = {0.229f, 0.224f, 0.225f};
    Tensor y = trial.allocate(1, SIDE, SIDE, 3);
    ResampleOps ops = trial.backend().resample();
    Reference.Map picture =
        (row, column, c) ->
            Byte.toUnsignedInt(
                pixels.get(ValueLayout.JAVA_BYTE, (row * PICTURE_WIDTH + column) * 3 + c));
    double stepY = (double) PICTURE_HEIGHT / SIDE;
    double stepX = (double) PICTURE_WIDTH / SIDE;
    return new Operator(
        "%dx%d bytes to %dx%d, 3 channels, bicubic, normalised"
            .formatted(PICTURE_WIDTH, PICTURE_HEIGHT, SIDE, SIDE),
        Operator.Unit.BYTE,
        bytes + 4.0 * y.size(),
        1e-4,
        () -> ops.preprocess(pixels, PICTURE_WIDTH, PICTURE_HEIGHT, mean, std, y),
        y,
        element -> {
          long place = element / 3;
          int c = (int) (element % 3);
          double value =
              Reference.bicubic(
                  picture,
                  PICTURE_HEIGHT,
                  PICTURE_WIDTH,
                  source(place / SIDE, stepY),
                  source(place % SIDE, stepX),
                  c);
          return (value / 255 - mean[c]) / std[c];
        });
  }

  /** Where the centre of an element of the result lies in the source. */
  private static double source(long element, double step) {
    return (element + 0.5) * step - 0.5;
  }
}
