package dev.fathom.training.synth;

import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.Sample;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * Scenes that are rendered once and kept in memory: 8 bytes per pixel. For training, which reads
 * each many times.
 */
public final class RenderedScenes implements DataSet {

  private final SynthDataSet set;
  private final AtomicReferenceArray<Sample> samples;

  /** The scenes of a set, none of them rendered yet. */
  public RenderedScenes(SynthDataSet set) {
    this.set = set;
    samples = new AtomicReferenceArray<>(set.size());
  }

  /**
   * Renders those that are not there yet.
   *
   * @param threads to render with
   * @param done is told how many are, from this thread
   */
  public void render(int threads, IntConsumer done) {
    try (ExecutorService renderers = Executors.newFixedThreadPool(threads)) {
      var futures =
          IntStream.range(0, set.size())
              .mapToObj(i -> renderers.submit((Callable<Sample>) () -> read(i)))
              .toList();
      int count = 0;
      try {
        for (Future<Sample> future : futures) {
          var _ = future.get();
          done.accept(++count);
        }
      } catch (InterruptedException e) {
        renderers.shutdownNow();
        Thread.currentThread().interrupt();
        throw new CancellationException("interrupted while rendering");
      } catch (ExecutionException e) {
        renderers.shutdownNow();
        throw new IllegalStateException("a scene could not be rendered", e.getCause());
      }
    }
  }

  @Override
  public String name() {
    return set.name();
  }

  @Override
  public int size() {
    return set.size();
  }

  @Override
  public String id(int index) {
    return set.id(index);
  }

  @Override
  public Sample read(int index) {
    Sample sample = samples.get(index);
    if (sample == null) {
      sample = set.read(index);
      samples.set(index, sample);
    }
    return sample;
  }
}
