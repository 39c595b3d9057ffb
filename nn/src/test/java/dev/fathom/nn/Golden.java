package dev.fathom.nn;

import dev.fathom.nn.layer.Weights;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * The reference vectors under src/test/resources/golden, and the weights and inputs that they were
 * computed from: pure functions of a name and an index.
 */
public final class Golden {

  private static final Pattern SHAPE = Pattern.compile("'shape': \\(([^)]*)\\)");

  private Golden() {}

  /** A stored array. */
  public static final class Array {
    private final long[] shape;
    private final float[] values;

    Array(long[] shape, float[] values) {
      this.shape = shape;
      this.values = values;
    }

    public long[] shape() {
      return shape.clone();
    }

    public float[] values() {
      return values;
    }

    /** [B,C,H,W] as [B,H,W,C]. */
    public float[] channelsLast() {
      return Golden.channelsLast(values, shape);
    }
  }

  /** n floats in [-1,1): FNV-1a of the name, then SplitMix64. */
  public static float[] hashed(String name, int n) {
    float[] result = new float[n];
    fill(name, result, 0);
    return result;
  }

  private static void fill(String name, float[] target, int start) {
    long h = 0xcbf29ce484222325L;
    for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
      h = (h ^ (b & 0xff)) * 0x100000001b3L;
    }
    for (int k = 0; k < target.length; k++) {
      long z = h + (start + k + 1L) * 0x9E3779B97F4A7C15L;
      z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
      z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
      z ^= z >>> 31;
      target[k] = 2f * ((z >>> 40) * 0x1p-24f) - 1f;
    }
  }

  /** The reference weight of a published parameter name. */
  public static float[] weight(String name, long... shape) {
    int n = Math.toIntExact(Tensor.sizeOf(shape));
    String leaf = name.substring(name.lastIndexOf('.') + 1);
    float offset = 0;
    float scale;
    boolean absolute = false;
    if (name.endsWith("norm.weight")
        || name.endsWith("norm1.weight")
        || name.endsWith("norm2.weight")) {
      offset = 1;
      scale = 0.1f;
    } else if (leaf.equals("gamma")) {
      offset = 0.5f;
      scale = 0.1f;
    } else if (leaf.equals("cls_token") || leaf.equals("pos_embed") || leaf.equals("mask_token")) {
      scale = 0.2f;
    } else if (name.endsWith("output_conv2.2.weight")) {
      scale = 0.25f;
      absolute = true;
    } else if (leaf.equals("bias")) {
      scale = 0.05f;
    } else {
      scale = (float) Math.sqrt(3.0 / Math.max(1, n / shape[0]));
    }
    float[] values = new float[n];
    int chunk = 1 << 20;
    float finalOffset = offset;
    boolean finalAbsolute = absolute;
    IntStream.range(0, (n + chunk - 1) / chunk)
        .parallel()
        .forEach(c -> {
          float[] part = new float[Math.min(chunk, n - c * chunk)];
          fill(name, part, c * chunk);
          for (int i = 0; i < part.length; i++) {
            float v = finalAbsolute ? Math.abs(part[i]) : part[i];
            values[c * chunk + i] = finalOffset + scale * v;
          }
        });
    return values;
  }

  /** The reference weights as a network reads them. */
  public static Weights weights() {
    return new Weights() {
      @Override
      public <R> R read(String name, long[] shape, Function<Tensor, R> use) {
        try (NativeMemory memory = new NativeMemory()) {
          return use.apply(memory.allocate(shape).set(weight(name, shape)));
        }
      }
    };
  }

  /** hashed(name) * 2 of shape [B,3,H,W], as [B,H,W,3]. */
  public static float[] input(String name, long batch, long height, long width) {
    long[] shape = {batch, 3, height, width};
    float[] values = hashed(name, (int) Tensor.sizeOf(shape));
    for (int i = 0; i < values.length; i++) {
      values[i] *= 2;
    }
    return channelsLast(values, shape);
  }

  static float[] channelsLast(float[] values, long... shape) {
    int batch = (int) shape[0];
    int channels = (int) shape[1];
    int pixels = (int) (shape[2] * shape[3]);
    float[] result = new float[values.length];
    for (int b = 0; b < batch; b++) {
      for (int c = 0; c < channels; c++) {
        for (int p = 0; p < pixels; p++) {
          result[(b * pixels + p) * channels + c] = values[(b * channels + c) * pixels + p];
        }
      }
    }
    return result;
  }

  /** A stored float32 array, by its name without {@code .npy}. */
  public static Array load(String name) {
    try (InputStream in = Golden.class.getResourceAsStream("/golden/" + name + ".npy")) {
      if (in == null) {
        throw new IllegalArgumentException("no reference vector " + name);
      }
      ByteBuffer bytes = ByteBuffer.wrap(in.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN);
      int headerLength = bytes.getShort(8) & 0xffff;
      String header = new String(bytes.array(), 10, headerLength, StandardCharsets.US_ASCII);
      Matcher matcher = SHAPE.matcher(header);
      if (!header.contains("'<f4'") || !matcher.find()) {
        throw new IllegalArgumentException("unexpected header " + header);
      }
      long[] shape =
          Arrays.stream(matcher.group(1).split(","))
              .map(String::strip)
              .filter(part -> !part.isEmpty())
              .mapToLong(Long::parseLong)
              .toArray();
      float[] values = new float[(int) Tensor.sizeOf(shape)];
      bytes
          .position(10 + headerLength)
          .slice()
          .order(ByteOrder.LITTLE_ENDIAN)
          .asFloatBuffer()
          .get(values);
      return new Array(shape, values);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** || actual - expected || / || expected ||; NaN anywhere gives NaN. */
  public static double relativeError(float[] actual, float[] expected) {
    if (actual.length != expected.length) {
      throw new AssertionError(actual.length + " values instead of " + expected.length);
    }
    double error = 0;
    double norm = 0;
    for (int i = 0; i < actual.length; i++) {
      double difference = (double) actual[i] - expected[i];
      error += difference * difference;
      norm += (double) expected[i] * expected[i];
    }
    return Math.sqrt(error / norm);
  }
}
