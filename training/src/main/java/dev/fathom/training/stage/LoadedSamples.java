package dev.fathom.training.stage;

import dev.fathom.training.config.RunConfig;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.LoaderSettings;
import dev.fathom.training.data.Prefetcher;
import dev.fathom.training.data.Sample;
import java.nio.file.Path;
import java.util.concurrent.CancellationException;

/** A shuffled data set, read ahead. */
final class LoadedSamples implements SampleStream {

  private final Prefetcher loader;

  /**
   * A stream.
   *
   * @param position of the first sample
   * @param badList where samples that cannot be read are listed
   */
  LoadedSamples(DataSet set, RunConfig config, long position, Path badList) {
    RunConfig.Loader settings = config.loader();
    loader =
        Prefetcher.start(
            set,
            config.seed(),
            position,
            LoaderSettings.shuffled(settings.workers())
                .withMemory((long) settings.memoryMb() << 20)
                .withBad(settings.badShare(), badList));
  }

  @Override
  public Sample next() {
    try {
      Prefetcher.Item item = loader.next();
      if (item == null) {
        throw new IllegalStateException("an endless stream ended");
      }
      return item.sample();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted while waiting for a sample");
    }
  }

  @Override
  public void close() {
    loader.close();
  }
}
