package dev.fathom.bench;

import dev.fathom.bench.Trial.Operand;
import dev.fathom.nn.op.ConvOps.Conv2dShape;
import java.util.function.LongToDoubleFunction;

/** Formulas in float64 that the benchmarks check elements against. */
final class Reference {

  /** The coefficient of the bicubic kernel, as in OpenCV and torch. */
  private static final double CUBIC = -0.75;

  private Reference() {}

  /** sum_k x[xStart + k] * w[wStart + k * wStep]. */
  static double dot(Operand x, long xStart, Operand w, long wStart, long wStep, long n) {
    double sum = 0;
    for (long k = 0; k < n; k++) {
      sum += x.at(xStart + k) * w.at(wStart + k * wStep);
    }
    return sum;
  }

  /** The sum of n terms. */
  static double sum(long n, LongToDoubleFunction term) {
    double sum = 0;
    for (long i = 0; i < n; i++) {
      sum += term.applyAsDouble(i);
    }
    return sum;
  }

  /** The derivative of the exact GELU. */
  static double geluSlope(double x) {
    double density = Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
    return (1 + erf(x / Math.sqrt(2))) / 2 + x * density;
  }

  /** The exact GELU, x (1 + erf(x / sqrt 2)) / 2. */
  static double gelu(double x) {
    return x * (1 + erf(x / Math.sqrt(2))) / 2;
  }

  /**
   * erf by the series 2/sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!!, whose terms have one sign.
   */
  static double erf(double x) {
    double term = x;
    double sum = x;
    for (int n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  }

  /** A map [H,W,C] read at a place and channel. */
  interface Map {
    double at(long y, long x, long channel);
  }

  /** An operand [1,H,W,C] as a map that is zero outside. */
  static Map map(Operand operand) {
    long height = operand.tensor().extent(1);
    long width = operand.tensor().extent(2);
    long channels = operand.tensor().extent(3);
    return (y, x, c) ->
        y < 0 || y >= height || x < 0 || x >= width
            ? 0
            : operand.at((y * width + x) * channels + c);
  }

  /** An operand [1,H,W,C] enlarged to height x width, bilinear with align_corners; zero outside. */
  static Map enlarged(Operand operand, long height, long width) {
    Map source = map(operand);
    double stepY = (operand.tensor().extent(1) - 1.0) / (height - 1);
    double stepX = (operand.tensor().extent(2) - 1.0) / (width - 1);
    return (y, x, c) ->
        y < 0 || y >= height || x < 0 || x >= width ? 0 : bilinear(source, y * stepY, x * stepX, c);
  }

  /** Bilinear at a place within the map. */
  static double bilinear(Map source, double y, double x, long channel) {
    long top = (long) y;
    long left = (long) x;
    double down = y - top;
    double right = x - left;
    // On the last row or column the weight of what lies outside is zero, and so is its value.
    return (1 - down) * (1 - right) * source.at(top, left, channel)
        + (1 - down) * right * source.at(top, left + 1, channel)
        + down * (1 - right) * source.at(top + 1, left, channel)
        + down * right * source.at(top + 1, left + 1, channel);
  }

  /** Bicubic at a place, edges repeated. */
  static double bicubic(Map source, long height, long width, double y, double x, long channel) {
    long top = (long) Math.floor(y) - 1;
    long left = (long) Math.floor(x) - 1;
    double sum = 0;
    for (int i = 0; i < 4; i++) {
      for (int j = 0; j < 4; j++) {
        long row = Math.clamp(top + i, 0, height - 1);
        long column = Math.clamp(left + j, 0, width - 1);
        sum += cubic(y - (top + i)) * cubic(x - (left + j)) * source.at(row, column, channel);
      }
    }
    return sum;
  }

  /** Keys' kernel. */
  private static double cubic(double distance) {
    double d = Math.abs(distance);
    if (d <= 1) {
      return ((CUBIC + 2) * d - (CUBIC + 3)) * d * d + 1;
    }
    return d < 2 ? ((d - 5) * d + 8) * d * CUBIC - 4 * CUBIC : 0;
  }

  /** sum over a kernel and the input channels; weight [out,in,k,k], zero padding (k - 1) / 2. */
  static double convolution(
      Map x, Operand weight, long in, long kernel, long stride, long row, long column, long out) {
    long padding = (kernel - 1) / 2;
    double sum = 0;
    for (long i = 0; i < kernel; i++) {
      for (long j = 0; j < kernel; j++) {
        for (long c = 0; c < in; c++) {
          sum +=
              x.at(row * stride + i - padding, column * stride + j - padding, c)
                  * weight.at(((out * in + c) * kernel + i) * kernel + j);
        }
      }
    }
    return sum;
  }

  /**
   * The gradient of what a convolution reads at a place, which may lie outside of the map.
   *
   * @param dz gradient of the sums, zero outside
   * @param outSide extent of dz
   */
  static double convolutionBack(
      Map dz, Operand weight, Conv2dShape shape, long outSide, long row, long column, long in) {
    long kernel = shape.kernel();
    long padding = (kernel - 1) / 2;
    long stride = shape.stride();
    double sum = 0;
    for (long i = 0; i < kernel; i++) {
      for (long j = 0; j < kernel; j++) {
        long y = row + padding - i;
        long x = column + padding - j;
        if (y % stride != 0 || x % stride != 0 || y < 0 || x < 0) {
          continue;
        }
        if (y / stride >= outSide || x / stride >= outSide) {
          continue;
        }
        for (long o = 0; o < shape.out(); o++) {
          sum +=
              dz.at(y / stride, x / stride, o)
                  * weight.at(((o * shape.in() + in) * kernel + i) * kernel + j);
        }
      }
    }
    return sum;
  }

  /**
   * The gradient of a map that is enlarged, bilinear with align_corners.
   *
   * @param dLarge gradient of the enlarged map, side x side
   * @param step of the enlarged map's pixels, in those of the smaller
   */
  static double enlargedBack(
      Map dLarge, double step, long side, long row, long column, long channel) {
    double sum = 0;
    for (long y = (long) Math.max(0, (row - 1) / step - 1); y < side; y++) {
      double byRow = 1 - Math.abs(y * step - row);
      if (y * step > row + 1) {
        break;
      }
      for (long x = (long) Math.max(0, (column - 1) / step - 1); x < side && byRow > 0; x++) {
        double byColumn = 1 - Math.abs(x * step - column);
        if (x * step > column + 1) {
          break;
        }
        if (byColumn > 0) {
          sum += byRow * byColumn * dLarge.at(y, x, channel);
        }
      }
    }
    return sum;
  }
}
