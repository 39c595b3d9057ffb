package dev.fathom.training.synth;

import dev.fathom.nn.RgbImage;
import dev.fathom.training.data.ClassMap;
import dev.fathom.training.data.GroundTruth;
import dev.fathom.training.data.Sample;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Renders scenes: a picture, the depth of each pixel's centre along the camera's axis in metres
 * (positive infinity for sky), and its {@link SceneClass}. The same arguments give the same bits on
 * any thread.
 */
public final class SceneRenderer {
  /** Pixels along a side, at most. */
  public static final int LARGEST_SIDE = 8192;

  /** Contrast to a neighbour from which on a pixel is looked at more closely. */
  private static final double ROUGH = 0.2;

  /** Places of the further rays of such a pixel, off its centre: around it. */
  private static final double[] OFFSETS = {-0.3, -0.25, 0.37, -0.15, -0.05, 0.38};

  /** Side in pixels of the tiles whose rays are bundled. */
  private static final int TILE = 4;

  /** Light of one ray counts up to here. */
  private static final double BRIGHTEST = 8;

  private final int width;
  private final int height;
  private final Camera.Frame frame;
  private final Tracer tracer;
  private final float[] depth;
  private final byte[] classes;
  private final float[] light;
  private final @Nullable Surface[] seen;

  private SceneRenderer(Scene scene, int width, int height) {
    this.width = width;
    this.height = height;
    frame = scene.camera.frame(width, height);
    tracer = new Tracer(scene);
    int pixels = Math.multiplyExact(width, height);
    depth = new float[pixels];
    classes = new byte[pixels];
    light = new float[Math.multiplyExact(3, pixels)];
    seen = new @Nullable Surface[pixels];
  }

  /**
   * Renders a scene of a domain.
   *
   * @param seed of the whole set
   * @param index the scene within its domain, 0 or more
   * @param width pixels, 1 to {@value #LARGEST_SIDE}; the field of view is that of the longer side
   * @param height pixels, likewise
   * @return the id is {@code domain/index}; depths are metres
   * @throws IllegalArgumentException if the index or a side is out of its range
   */
  public static Sample render(Domain domain, long seed, int index, int width, int height) {
    if (index < 0) {
      throw new IllegalArgumentException("scene " + index);
    }
    checkSize(width, height);
    return render(id(domain, index), Scenes.of(domain, seed, index), width, height);
  }

  /** Refuses sides out of range. */
  static void checkSize(int width, int height) {
    if (width < 1 || height < 1 || width > LARGEST_SIDE || height > LARGEST_SIDE) {
      throw new IllegalArgumentException(
          "a picture of " + width + "x" + height + ": sides of 1 to " + LARGEST_SIDE);
    }
  }

  /** The id of a sample: the domain's label and six digits. */
  static String id(Domain domain, int index) {
    return String.format(Locale.ROOT, "%s/%06d", domain.label(), index);
  }

  static Sample render(String id, Scene scene, int width, int height) {
    SceneRenderer renderer = new SceneRenderer(scene, width, height);
    renderer.forTiles(renderer.new Centres());
    renderer.smoothEdges();
    return new Sample(
        id,
        new RgbImage(width, height, scene.sensor.develop(renderer.light, width, height)),
        new GroundTruth(width, height, GroundTruth.Kind.DEPTH, renderer.depth),
        new ClassMap(width, height, renderer.classes));
  }

  /** Does something with the pixels of each tile, whose rays the tracer has begun. */
  private void forTiles(TileTask task) {
    Beam.Tile tile = new Beam.Tile();
    int[] pixels = new int[TILE * TILE];
    for (int top = 0; top < height; top += TILE) {
      for (int left = 0; left < width; left += TILE) {
        int right = Math.min(left + TILE, width);
        int bottom = Math.min(top + TILE, height);
        int count = 0;
        for (int y = top; y < bottom; y++) {
          for (int x = left; x < right; x++) {
            pixels[count] = y * width + x;
            count += task.wants(pixels[count]) ? 1 : 0;
          }
        }
        if (count > 0) {
          tile.set(frame, left, top, right, bottom);
          tracer.begin(tile);
          task.run(pixels, count);
        }
      }
    }
  }

  /** What is done with the pixels of a tile. */
  private interface TileTask {
    /** Whether a pixel is of interest. */
    boolean wants(int pixel);

    /** Does it with those that are. */
    void run(int[] pixels, int count);
  }

  private final class Centres implements TileTask {
    @Override
    public boolean wants(int pixel) {
      return true;
    }

    @Override
    public void run(int[] pixels, int count) {
      for (int k = 0; k < count; k++) {
        look(pixels[k], 0, 0);
      }
      for (int k = 0; k < count; k++) {
        int i = pixels[k];
        Surface surface = tracer.surface(k);
        seen[i] = surface;
        if (surface == null) {
          depth[i] = Float.POSITIVE_INFINITY;
          classes[i] = (byte) SceneClass.SKY.code();
        } else {
          // The axis component of a camera ray's direction is 1, so the parameter is the depth.
          depth[i] = (float) tracer.hit(k).t;
          classes[i] = (byte) surface.kindAt(tracer.hit(k)).code();
        }
        tracer.shade(k, frame.pixel);
        light[3 * i] = (float) tracer.r;
        light[3 * i + 1] = (float) tracer.g;
        light[3 * i + 2] = (float) tracer.b;
      }
    }
  }

  private void look(int pixel, double offX, double offY) {
    int column = pixel % width;
    int row = pixel / width;
    var _ = tracer.look(frame, column + 0.5 + offX, row + 0.5 + offY);
  }

  /** Averages further rays where a pixel shows another surface or another light than the next. */
  private void smoothEdges() {
    boolean[] rough = new boolean[seen.length];
    for (int y = 0, i = 0; y < height; y++) {
      for (int x = 0; x < width; x++, i++) {
        if (x + 1 < width && differs(i, i + 1)) {
          rough[i] = true;
          rough[i + 1] = true;
        }
        if (y + 1 < height && differs(i, i + width)) {
          rough[i] = true;
          rough[i + width] = true;
        }
      }
    }
    forTiles(new Rough(rough));
  }

  @SuppressWarnings("ReferenceEquality") // The same body is meant, not an equal one.
  private boolean differs(int i, int j) {
    if (seen[i] != seen[j]) {
      return true;
    }
    double one = light[3 * i] + light[3 * i + 1] + light[3 * i + 2];
    double two = light[3 * j] + light[3 * j + 1] + light[3 * j + 2];
    return Math.abs(one - two) > ROUGH * (one + two);
  }

  private final class Rough implements TileTask {
    private final boolean[] rough;

    Rough(boolean[] rough) {
      this.rough = rough;
    }

    @Override
    public boolean wants(int pixel) {
      return rough[pixel];
    }

    @Override
    public void run(int[] pixels, int count) {
      for (int k = 0; k < count; k++) {
        for (int o = 0; o < OFFSETS.length; o += 2) {
          look(pixels[k], OFFSETS[o], OFFSETS[o + 1]);
        }
      }
      for (int k = 0; k < count; k++) {
        smooth(pixels[k], k * OFFSETS.length / 2);
      }
    }
  }

  /** Averages a pixel's light with that of the rays from {@code first} on. */
  private void smooth(int i, int first) {
    // A lamp's filament should not outshine the other rays.
    double r = Math.min(light[3 * i], BRIGHTEST);
    double g = Math.min(light[3 * i + 1], BRIGHTEST);
    double b = Math.min(light[3 * i + 2], BRIGHTEST);
    for (int k = 0; k < OFFSETS.length / 2; k++) {
      tracer.shade(first + k, frame.pixel);
      r += Math.min(tracer.r, BRIGHTEST);
      g += Math.min(tracer.g, BRIGHTEST);
      b += Math.min(tracer.b, BRIGHTEST);
    }
    double rays = 1 + 0.5 * OFFSETS.length;
    light[3 * i] = (float) (r / rays);
    light[3 * i + 1] = (float) (g / rays);
    light[3 * i + 2] = (float) (b / rays);
  }
}
