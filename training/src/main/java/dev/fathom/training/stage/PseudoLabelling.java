package dev.fathom.training.stage;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.DepthModel;
import dev.fathom.nn.checkpoint.AtomicFile;
import dev.fathom.training.UserException;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.LoaderSettings;
import dev.fathom.training.data.Prefetcher;
import dev.fathom.training.data.Sample;
import dev.fathom.training.data.ShardWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.concurrent.CancellationException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The second stage: the teacher's disparity of each clean, undistorted picture, at the size at
 * which the network sees it. A run that was stopped goes on behind the last finished shard.
 */
final class PseudoLabelling {

  /** The file that says that every picture has been looked at. */
  static final String DONE = "complete";

  private final RunConfig config;
  private final StageListener listener;
  private final Path badSamples;

  PseudoLabelling(RunConfig config, StageListener listener, Path badSamples) {
    this.config = config;
    this.listener = listener;
    this.badSamples = badSamples;
  }

  void run(DataSet pictures, Path teacher, Path folder) throws IOException {
    try (ShardWriter shards = ShardWriter.open(folder, config.pseudoLabel().perShard());
        DepthModel model = DepthModel.load(teacher, ModelSetup.inference(config))) {
      long start = start(pictures, shards, folder);
      listener.begin("pseudo-labels", start, pictures.size(), "pictures", 0);
      try (Prefetcher loader =
          Prefetcher.start(
              pictures,
              config.seed(),
              start,
              LoaderSettings.inOrder(config.loader().workers())
                  .withMemory((long) config.loader().memoryMb() << 20)
                  .withBad(config.loader().badShare(), badSamples))) {
        Begun before = null;
        Prefetcher.Item item = next(loader);
        while (item != null || before != null) {
          // A GPU has the next picture before the last one's map is fetched and written.
          Begun begun = item == null ? null : Begun.of(model, item);
          if (before != null) {
            annotate(shards, before);
            listener.step(before.position + 1, new LinkedHashMap<>());
          }
          before = begun;
          item = item == null ? null : next(loader);
        }
        shards.finish();
      } finally {
        listener.end();
      }
      String summary = shards.written() + " disparities of " + pictures.name() + "\n";
      AtomicFile.write(
          folder.resolve(DONE), out -> out.write(ByteBuffer.wrap(summary.getBytes(UTF_8))));
    }
  }

  /** The position behind the last picture in a finished shard. */
  private static long start(DataSet pictures, ShardWriter shards, Path folder) {
    String last = shards.lastId();
    if (last == null) {
      return 0;
    }
    for (int i = 0; i < pictures.size(); i++) {
      if (pictures.id(i).equals(last)) {
        return i + 1L;
      }
    }
    throw new UserException(
        folder,
        "the pseudo-labels there end with '"
            + last
            + "', which is not in "
            + pictures.name()
            + ": they are of another set");
  }

  /** A picture whose map is being made. */
  private record Begun(String id, long position, Supplier<DepthMap> map) {

    static Begun of(DepthModel model, Prefetcher.Item item) {
      Sample sample = item.sample();
      return new Begun(sample.id(), item.position(), model.estimateRawLater(sample.picture()));
    }
  }

  private static void annotate(ShardWriter shards, Begun begun) throws IOException {
    DepthMap map = begun.map.get();
    float[] disparity = map.values();
    for (int i = 0; i < disparity.length; i++) {
      disparity[i] = Float.isFinite(disparity[i]) ? Math.max(disparity[i], 0) : 0;
    }
    shards.append(begun.id, disparity, map.width(), map.height());
  }

  private static Prefetcher.@Nullable Item next(Prefetcher loader) {
    try {
      return loader.next();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted while waiting for a picture");
    }
  }
}
