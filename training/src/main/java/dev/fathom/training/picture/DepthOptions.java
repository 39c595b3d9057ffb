package dev.fathom.training.picture;

import dev.fathom.nn.Colormap;
import dev.fathom.nn.DepthMap;
import org.jspecify.annotations.Nullable;

/**
 * How a depth map is drawn and turned into points.
 *
 * @param colormap the colours for the coloured formats; null for Spectral with red near, as
 *     published: {@link Colormap#SPECTRAL_R} for disparity, {@link Colormap#SPECTRAL} for metres
 * @param camera the camera for the point cloud
 */
public record DepthOptions(@Nullable Colormap colormap, Camera camera) {

  /** Which way the point cloud's axes go; both are right-handed. */
  public enum Axes {
    /** x right, y up, z towards the viewer: upright in most viewers; OpenGL's. */
    Y_UP,
    /** x right, y down, z away from the viewer: the camera's own; OpenCV's. */
    Y_DOWN
  }

  /**
   * A pinhole camera that looks through the middle of the picture, and the range of its points.
   *
   * @param fieldOfView horizontal angle of view in degrees, above 0 and below 180; used where no
   *     focal length is given
   * @param focalLength focal length in pixels of the depth map; 0 to take it from the field of view
   * @param near for disparity, which has no scale: the depth given to the largest value
   * @param far for disparity: the depth that the smallest value stands for; points there, the sky
   *     as a rule, are left out. For metres: points farther than this are left out
   * @param axes which way the axes go
   */
  public record Camera(double fieldOfView, double focalLength, double near, double far, Axes axes) {

    /** A field of view of 60 degrees, depths of 1 to 100, y up. */
    public static final Camera DEFAULT = new Camera(60, 0, 1, 100, Axes.Y_UP);

    /**
     * Checks the ranges.
     *
     * @throws IllegalArgumentException if a number is out of its range
     */
    public Camera {
      if (!(fieldOfView > 0 && fieldOfView < 180)) {
        throw new IllegalArgumentException(
            "a field of view of " + fieldOfView + " degrees: must be above 0 and below 180");
      }
      if (!(focalLength >= 0 && focalLength < Double.POSITIVE_INFINITY)) {
        throw new IllegalArgumentException(
            "a focal length of " + focalLength + " pixels: must be positive");
      }
      if (!(near > 0 && near < far)) {
        throw new IllegalArgumentException(
            "depths from " + near + " to " + far + ": must be positive and ascend");
      }
    }

    /** The focal length in pixels for a map of a width: as given, or from the field of view. */
    public double focalLengthFor(int width) {
      return focalLength > 0
          ? focalLength
          : width / (2 * Math.tan(Math.toRadians(fieldOfView) / 2));
    }

    /** This camera with a focal length in pixels. */
    public Camera withFocalLength(double pixels) {
      return new Camera(fieldOfView, pixels, near, far, axes);
    }

    /** This camera with a horizontal field of view in degrees, in place of a focal length. */
    public Camera withFieldOfView(double degrees) {
      return new Camera(degrees, 0, near, far, axes);
    }

    /** This camera with a range of depths. */
    public Camera withRange(double nearest, double farthest) {
      return new Camera(fieldOfView, focalLength, nearest, farthest, axes);
    }

    /** This camera with the axes of a convention. */
    public Camera withAxes(Axes convention) {
      return new Camera(fieldOfView, focalLength, near, far, convention);
    }
  }

  /** Published colours, {@link Camera#DEFAULT}. */
  public static final DepthOptions DEFAULT = new DepthOptions(null, Camera.DEFAULT);

  /** These options with other colours. */
  public DepthOptions withColormap(@Nullable Colormap map) {
    return new DepthOptions(map, camera);
  }

  /** These options with another camera. */
  public DepthOptions withCamera(Camera other) {
    return new DepthOptions(colormap, other);
  }

  /** The colours for a kind of depth map. */
  public Colormap colormapFor(DepthMap.Kind kind) {
    return colormap != null ? colormap : Colormap.named("spectral", kind);
  }
}
