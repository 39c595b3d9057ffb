package dev.fathom.training.synth;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import dev.fathom.training.data.ClassMap;
import dev.fathom.training.data.GroundTruth;
import dev.fathom.training.data.Sample;
import dev.fathom.training.picture.AtomicFile;
import dev.fathom.training.picture.AtomicFile.Content;
import dev.fathom.training.picture.DepthFormat;
import dev.fathom.training.picture.DepthOptions;
import dev.fathom.training.picture.DepthWriter;
import dev.fathom.training.picture.PictureException;
import dev.fathom.training.picture.PngWriter;
import dev.fathom.training.picture.PngWriter.Samples;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/**
 * Writes rendered pictures as a folder: {@code <domain>/<index>.png}, {@code .depth.<ext>}, {@code
 * .sky.png}, {@code .classes.png}, then {@code contact-sheet.png}, {@code README.txt} and {@code
 * index.tsv}. With shards, these files are members of {@code shard-000000.tar} and so on, named as
 * WebDataset names them, in the order of the set, which mixes the domains; {@code index.tsv} then
 * lists the shards. The same set gives the same bytes on any number of threads. {@code index.tsv}
 * is written last: a folder without it is not complete.
 */
public final class SynthFolder {
  /** The formats that depth can have here. */
  public static final Set<DepthFormat> FORMATS =
      Set.copyOf(EnumSet.of(DepthFormat.PNG16, DepthFormat.NPY, DepthFormat.PFM, DepthFormat.EXR));

  /** Name of the list of samples. */
  public static final String INDEX = "index.tsv";

  private static final int MILLIMETRES = 1000;
  private static final int LARGEST_SAMPLE = 65535;
  private static final int AHEAD = 4;

  private final Path folder;
  private final SynthDataSet set;
  private final DepthFormat format;
  private final int shards;

  /**
   * A folder to be written.
   *
   * @throws IllegalArgumentException if depth cannot have that format here
   */
  public SynthFolder(Path folder, SynthDataSet set, DepthFormat format) {
    this(folder, set, format, 0);
  }

  /**
   * A folder to be written.
   *
   * @param shards number of tar files that the samples go into instead of files of their own; 0 for
   *     none
   * @throws IllegalArgumentException if depth cannot have that format here, or there would be
   *     shards without samples
   */
  public SynthFolder(Path folder, SynthDataSet set, DepthFormat format, int shards) {
    if (shards < 0 || shards > set.size()) {
      throw new IllegalArgumentException(shards + " shards of " + set.size() + " samples");
    }
    this.shards = shards;
    if (!FORMATS.contains(format)) {
      throw new IllegalArgumentException("depth as " + format.label());
    }
    this.folder = folder;
    this.set = set;
    this.format = format;
  }

  /**
   * Renders and writes everything. An {@code index.tsv} that is there is deleted first.
   *
   * @param threads how many render and write
   * @param step is run after each sample, by the calling thread
   * @throws IOException if a file cannot be written; nothing half-written is left, and nothing more
   *     is written
   */
  public void write(int threads, Runnable step) throws IOException, InterruptedException {
    if (shards > 0) {
      SceneShards.requireNoOthers(folder, shards);
    }
    Files.deleteIfExists(folder.resolve(INDEX));
    String index;
    try (SceneShards tars = shards > 0 ? new SceneShards(folder, set.size(), shards) : null) {
      write(threads, step, tars);
      index = tars == null ? index() : tars.index();
    }
    AtomicFile.write(folder.resolve("contact-sheet.png"), rgb(ContactSheet.of(set)));
    writeText("README.txt", SynthReadme.of(set, format, shards));
    writeText(INDEX, index);
  }

  private void write(int threads, Runnable step, @Nullable SceneShards tars)
      throws IOException, InterruptedException {
    ExecutorService workers =
        Executors.newFixedThreadPool(
            threads, task -> Thread.ofPlatform().daemon().name("fathom-synth").unstarted(task));
    try {
      Deque<Future<Map<String, byte[]>>> underWay = new ArrayDeque<>();
      for (int i = 0; i < set.size(); i++) {
        int index = i;
        underWay.add(
            workers.submit(() -> {
              Map<String, Content> files = files(set.read(index));
              return tars == null ? writeAll(files) : bytesOf(files);
            }));
        if (underWay.size() > AHEAD * threads) {
          finish(underWay.remove(), tars, step);
        }
      }
      while (!underWay.isEmpty()) {
        finish(underWay.remove(), tars, step);
      }
    } finally {
      // Waits for what is under way: after this method nothing more appears in the folder.
      workers.shutdownNow();
      workers.close();
    }
  }

  /** Takes what a task has made, in the order of the samples. */
  private static void finish(
      Future<Map<String, byte[]>> task, @Nullable SceneShards tars, Runnable step)
      throws IOException, InterruptedException {
    try {
      Map<String, byte[]> members = task.get();
      if (tars != null) {
        tars.add(members);
      }
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case IOException cause -> throw cause;
        case RuntimeException cause -> throw cause;
        case Error cause -> throw cause;
        case null, default -> throw new IllegalStateException(e);
      }
    }
    step.run();
  }

  /** Writes files into the folder. */
  private Map<String, byte[]> writeAll(Map<String, Content> files) throws PictureException {
    for (Map.Entry<String, Content> file : files.entrySet()) {
      AtomicFile.write(folder.resolve(file.getKey()), file.getValue());
    }
    return Map.of();
  }

  private static Map<String, byte[]> bytesOf(Map<String, Content> files) throws IOException {
    Map<String, byte[]> members = new LinkedHashMap<>();
    for (Map.Entry<String, Content> file : files.entrySet()) {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      file.getValue().writeTo(bytes);
      members.put(file.getKey(), bytes.toByteArray());
    }
    return members;
  }

  /** The files of a sample, by their names in the folder or in a shard. */
  private Map<String, Content> files(Sample sample) {
    RgbImage picture = sample.picture();
    int width = picture.width();
    int height = picture.height();
    GroundTruth truth = sample.truth();
    ClassMap classes = sample.classes();
    if (truth == null || classes == null) {
      throw new IllegalStateException(sample.id() + " has no depth or no classes");
    }
    Map<String, Content> files = new LinkedHashMap<>();
    files.put(pictureOf(sample.id()), rgb(picture));
    files.put(
        depthOf(sample.id()),
        format == DepthFormat.PNG16
            ? millimetres(truth)
            : DepthWriter.content(
                format,
                new DepthMap(width, height, DepthMap.Kind.METRES, truth.values()),
                null,
                DepthOptions.DEFAULT));
    int sky = SceneClass.SKY.code();
    files.put(
        skyOf(sample.id()),
        grey(
            width,
            height,
            (y, row) -> {
              for (int x = 0; x < width; x++) {
                row[x] = (byte) (classes.at(x, y) == sky ? 255 : 0);
              }
            }));
    files.put(
        classesOf(sample.id()),
        grey(
            width,
            height,
            (y, row) -> {
              for (int x = 0; x < width; x++) {
                row[x] = (byte) classes.at(x, y);
              }
            }));
    return files;
  }

  private static String pictureOf(String id) {
    return id + ".png";
  }

  private String depthOf(String id) {
    return id + ".depth." + (format == DepthFormat.PNG16 ? "png" : format.label());
  }

  private static String skyOf(String id) {
    return id + ".sky.png";
  }

  private static String classesOf(String id) {
    return id + ".classes.png";
  }

  /** 16-bit millimetres; 0 for sky and for what is farther than 65.535 m. */
  private static Content millimetres(GroundTruth truth) {
    int width = truth.width();
    float[] values = truth.values();
    return out ->
        PngWriter.write(
            out,
            width,
            truth.height(),
            Samples.GREY16,
            Map.of(),
            (y, row) -> {
              for (int x = 0; x < width; x++) {
                double millimetres = Math.rint((double) values[y * width + x] * MILLIMETRES);
                int sample = millimetres <= LARGEST_SAMPLE ? (int) millimetres : 0;
                row[2 * x] = (byte) (sample >> 8);
                row[2 * x + 1] = (byte) sample;
              }
            });
  }

  private static Content grey(int width, int height, PngWriter.Rows rows) {
    return out -> PngWriter.write(out, width, height, Samples.GREY8, Map.of(), rows);
  }

  private static Content rgb(RgbImage picture) {
    int rowBytes = 3 * picture.width();
    return out ->
        PngWriter.write(
            out,
            picture.width(),
            picture.height(),
            Samples.RGB8,
            Map.of(),
            (y, row) -> System.arraycopy(picture.rgb(), y * rowBytes, row, 0, rowBytes));
  }

  private void writeText(String name, String text) throws PictureException {
    AtomicFile.write(folder.resolve(name), out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
  }

  /** One line a sample, by domain, then by number. */
  private String index() {
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < set.size(); i++) {
      ids.add(set.id(i));
    }
    ids.sort(null);
    StringBuilder text = new StringBuilder("id\tpicture\tdepth\tsky\tclasses\n");
    for (String id : ids) {
      text.append(String.join("\t", id, pictureOf(id), depthOf(id), skyOf(id), classesOf(id)))
          .append('\n');
    }
    return text.toString();
  }
}
