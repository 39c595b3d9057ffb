package dev.fathom.training.cli;

import dev.fathom.nn.Colormap;
import dev.fathom.nn.DepthMap;
import dev.fathom.nn.DepthModel;
import dev.fathom.nn.RgbImage;
import dev.fathom.nn.model.Release;
import dev.fathom.training.TemporaryFile;
import dev.fathom.training.UserException;
import dev.fathom.training.picture.DepthFormat;
import dev.fathom.training.picture.DepthOptions;
import dev.fathom.training.picture.DepthWriter;
import dev.fathom.training.picture.PictureFiles;
import dev.fathom.training.picture.PictureFiles.Picture;
import dev.fathom.training.picture.PictureReader;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code fathom predict}: pictures in, depth out. */
@CommandLine.Command(
    name = "predict",
    description = "Estimates the depth of pictures.",
    footer = {
      "",
      "Writes <picture>_depth.png and so on into the output folder; pictures found in a folder",
      "keep their place below it. A broken picture is reported and the others go on; the exit",
      "code is then 2."
    })
final class PredictCommand extends Command {
  @Parameters(
      arity = "1..*",
      paramLabel = "INPUT",
      description =
          "Pictures (JPEG, PNG, WebP, TIFF, BMP, GIF), folders, quoted globs ('photos/**.jpg'), or"
              + " .txt lists of them.")
  private List<String> inputs = new ArrayList<>();

  @Mixin private ModelOptions model = new ModelOptions();

  @Option(
      names = {"-o", "--out"},
      required = true,
      paramLabel = "DIR",
      description = "Where to write; made if need be.")
  private Path out = Path.of("");

  @Option(
      names = "--format",
      split = ",",
      paramLabel = "FORMAT",
      description =
          "png (coloured), png16 (16-bit, scale in its text chunks), pfm, npy, exr (the network's"
              + " own numbers), ply (points). Several, separated by commas. Default: png.")
  private List<String> formats = new ArrayList<>();

  @Option(
      names = "--colormap",
      paramLabel = "NAME",
      description =
          "inferno, spectral, turbo, viridis or gray. Default: inferno for V1, spectral for V2, as"
              + " published.")
  private @Nullable String colormap;

  @Option(
      names = "--side-by-side",
      description = "Also a PNG with the picture beside its coloured depth.")
  private boolean sideBySide;

  @Option(
      names = "--raw-size",
      description = "Depth at the size at which the network works, not resized to the picture.")
  private boolean rawSize;

  @Option(
      names = "--fov",
      paramLabel = "DEGREES",
      description = "Horizontal field of view, for ply. Default: 60.")
  private @Nullable Double fov;

  @Option(
      names = "--focal",
      paramLabel = "PIXELS",
      description = "Focal length in pixels of the picture, for ply; instead of --fov.")
  private @Nullable Double focal;

  @Override
  protected int run(Console console) throws Exception {
    Set<DepthFormat> wanted = wantedFormats();
    DepthOptions.Camera camera = camera();
    requireKnownColormap();
    ModelOptions.Chosen chosen = model.chosen();
    PictureFiles.Found found = PictureFiles.find(inputs);
    found.problems().forEach(problem -> console.error(UserException.of(problem)));
    List<Picture> pictures = withoutResults(found.pictures(), console);
    if (pictures.isEmpty()) {
      return ExitCode.USER;
    }
    prepare(out);
    PicturePipeline.Result result;
    // The first pictures are decoded while the network loads.
    try (PicturePipeline<Picture, RgbImage> pipeline =
            new PicturePipeline<>(
                console, pictures, picture -> PictureReader.read(picture.file()));
        DepthModel network = model.load(chosen, console)) {
      DepthOptions options =
          DepthOptions.DEFAULT
              .withColormap(colours(network.config().release(), network.kind()))
              .withCamera(camera);
      result =
          pipeline.run(
              (picture, image) -> estimate(network, picture, image),
              (picture, image, depth) -> write(picture, image, depth.get(), wanted, options));
    }
    int failed = result.failed() + found.problems().size();
    if (failed > 0) {
      console.warn(result.done() + " done, " + failed + " failed");
      return ExitCode.USER;
    }
    console.note(result.done() + (result.done() == 1 ? " picture" : " pictures") + " in " + out);
    return ExitCode.OK;
  }

  private Set<DepthFormat> wantedFormats() {
    Set<DepthFormat> wanted = EnumSet.noneOf(DepthFormat.class);
    try {
      for (String name : formats.isEmpty() ? List.of("png") : formats) {
        wanted.add(DepthFormat.named(name));
      }
    } catch (IllegalArgumentException e) {
      throw new UserException("--format", String.valueOf(e.getMessage()), e);
    }
    if (sideBySide) {
      wanted.add(DepthFormat.SIDE_BY_SIDE);
    }
    return wanted;
  }

  private DepthOptions.Camera camera() {
    if (fov != null && focal != null) {
      throw new UserException("--focal", "give either --fov or --focal");
    }
    DepthOptions.Camera camera = DepthOptions.Camera.DEFAULT;
    try {
      if (fov != null) {
        camera = camera.withFieldOfView(fov);
      }
      if (focal != null) {
        camera = camera.withFocalLength(focal);
      }
    } catch (IllegalArgumentException e) {
      throw new UserException(fov != null ? "--fov" : "--focal", String.valueOf(e.getMessage()), e);
    }
    return camera;
  }

  /** A wrong name is told before the network is loaded. */
  private void requireKnownColormap() {
    if (colormap != null) {
      colours(Release.V1, DepthMap.Kind.DISPARITY);
    }
  }

  private Colormap colours(Release release, DepthMap.Kind kind) {
    String name = colormap != null ? colormap : release == Release.V1 ? "inferno" : "spectral";
    try {
      return Colormap.named(name, kind);
    } catch (IllegalArgumentException e) {
      throw new UserException("--colormap", String.valueOf(e.getMessage()), e);
    }
  }

  /** Makes the output folder and tries to write in it, before anything is computed. */
  static void prepare(Path folder) throws IOException {
    try {
      Files.createDirectories(folder);
      try (TemporaryFile probe = TemporaryFile.beside(folder.resolve("probe"))) {
        Files.size(probe.path());
      }
    } catch (FileAlreadyExistsException e) {
      throw new UserException(folder.toString(), "is not a folder", e);
    } catch (FileSystemException e) {
      throw new UserException(folder.toString(), "cannot write there: " + Errors.reason(e), e);
    }
  }

  /**
   * The pictures that are not what an earlier run made of others of them, where the output folder
   * is among the inputs.
   */
  private List<Picture> withoutResults(List<Picture> pictures, Console console) {
    Set<Path> results = new HashSet<>();
    for (Picture picture : pictures) {
      for (DepthFormat format : DepthFormat.values()) {
        results.add(identity(picture.output(out, format.suffix())));
      }
    }
    List<Picture> kept =
        pictures.stream().filter(picture -> !results.contains(identity(picture.file()))).toList();
    int left = pictures.size() - kept.size();
    if (left > 0) {
      console.note(left + " of the pictures are results of an earlier run and are left out");
    }
    return kept;
  }

  private static Path identity(Path file) {
    return file.toAbsolutePath().normalize();
  }

  /** The GPU gets the next picture while this one's map is fetched and written. */
  private Supplier<DepthMap> estimate(DepthModel network, Picture picture, RgbImage image) {
    try {
      return rawSize ? network.estimateRawLater(image) : network.estimateLater(image);
    } catch (IllegalArgumentException e) {
      throw new UserException(picture.file().toString(), String.valueOf(e.getMessage()), e);
    }
  }

  private void write(
      Picture picture,
      RgbImage image,
      DepthMap depth,
      Set<DepthFormat> wanted,
      DepthOptions options)
      throws IOException {
    RgbImage beside = image;
    boolean resize = image.width() != depth.width() || image.height() != depth.height();
    if (resize && wanted.stream().anyMatch(DepthFormat::needsPicture)) {
      beside = Pictures.resize(image, depth.width(), depth.height());
    }
    // A focal length is in pixels of the picture, the map may have another size.
    DepthOptions scaled = options;
    double focalLength = options.camera().focalLength();
    if (resize && focalLength > 0) {
      scaled =
          options.withCamera(
              options.camera().withFocalLength(focalLength * depth.width() / image.width()));
    }
    for (DepthFormat format : wanted) {
      DepthWriter.write(picture.output(out, format.suffix()), format, depth, beside, scaled);
    }
  }
}
