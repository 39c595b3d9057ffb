package dev.fathom.training.picture;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Writes depth maps in the formats of {@link DepthFormat}, each file whole or not at all. */
public final class DepthWriter {

  private DepthWriter() {}

  /**
   * Writes one file, in place of one that is there. Folders above it are made.
   *
   * @param file where to; its name is taken as it is (see {@link PictureFiles.Picture#output} and
   *     {@link DepthFormat#suffix})
   * @param picture the picture of the depth map's size; null will do unless {@link
   *     DepthFormat#needsPicture}
   * @throws PictureException if the file cannot be written; nothing of it is left then
   * @throws IllegalArgumentException if the picture is missing or of another size
   */
  public static void write(
      Path file,
      DepthFormat format,
      DepthMap depth,
      @Nullable RgbImage picture,
      DepthOptions options)
      throws PictureException {
    AtomicFile.write(file, content(format, depth, picture, options));
  }

  /**
   * What {@link #write} writes to a file.
   *
   * @throws IllegalArgumentException as there
   */
  public static AtomicFile.Content content(
      DepthFormat format, DepthMap depth, @Nullable RgbImage picture, DepthOptions options) {
    return switch (format) {
      case PNG -> out -> PngDepth.writeColour(out, depth, options.colormapFor(depth.kind()));
      case PNG16 -> out -> PngDepth.writeGrey16(out, depth);
      case PFM -> out -> PfmDepth.write(out, depth.width(), depth.height(), depth.values());
      case NPY -> out -> NpyDepth.write(out, depth.width(), depth.height(), depth.values());
      case EXR -> out -> ExrWriter.write(out, depth);
      case PLY -> {
        RgbImage colours = fitting(format, depth, picture);
        yield out -> PointCloud.write(out, depth, colours, options.camera());
      }
      case SIDE_BY_SIDE -> {
        RgbImage left = fitting(format, depth, picture);
        yield out -> PngDepth.writeSideBySide(out, depth, left, options.colormapFor(depth.kind()));
      }
    };
  }

  /**
   * The bytes of a 16-bit grey PNG of disparities from 0 to 1: {@code value = sample / 65535},
   * rounded to the nearest. Its text chunks say so too, so that {@link DepthReader} gives the
   * values back as they were, and 0 as the disparity 0, not as a gap.
   *
   * @param values [height, width], each from 0 to 1
   * @throws IllegalArgumentException if a value is outside, or their number is not width x height
   */
  public static byte[] disparityPng(int width, int height, float[] values) {
    return PngDepth.unitDisparity(width, height, values);
  }

  private static RgbImage fitting(DepthFormat format, DepthMap depth, @Nullable RgbImage picture) {
    if (picture == null) {
      throw new IllegalArgumentException(format.label() + " needs the picture");
    }
    if (picture.width() != depth.width() || picture.height() != depth.height()) {
      throw new IllegalArgumentException(
          String.format(
              "%s needs a picture and a depth map of one size, not %d x %d and %d x %d",
              format.label(), picture.width(), picture.height(), depth.width(), depth.height()));
    }
    return picture;
  }
}
