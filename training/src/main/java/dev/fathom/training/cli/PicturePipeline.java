package dev.fathom.training.cli;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Pictures through three stations that overlap: decoding runs a few pictures ahead, the network
 * works on one, and the results of the ones before are encoded and written. The number of pictures
 * between the stations is bounded, and so is the memory.
 *
 * <p>A picture that fails at any station is reported and counted; the others go on.
 *
 * @param <I> what is known of a picture before it is decoded
 * @param <D> a decoded picture
 */
final class PicturePipeline<I, D> implements AutoCloseable {
  private static final int AHEAD = 2;
  private static final int BEHIND = 2;

  /** The first station. */
  @FunctionalInterface
  interface Station<I, D> {
    D apply(I item) throws Exception;
  }

  /** The middle station. */
  @FunctionalInterface
  interface Network<I, D, R> {
    R apply(I item, D decoded) throws Exception;
  }

  /** The last station: takes the decoded picture and the network's result. */
  @FunctionalInterface
  interface Sink<I, D, R> {
    void accept(I item, D decoded, R result) throws Exception;
  }

  /** How many pictures went through and how many did not. */
  record Result(int done, int failed) {}

  private final Console console;
  private final List<I> items;
  private final Station<I, D> decode;
  private final ExecutorService decoders = executor("fathom-decode");
  private final ExecutorService encoders = executor("fathom-encode");
  private final Deque<Future<D>> decoding = new ArrayDeque<>();
  private final Deque<Future<?>> encoding = new ArrayDeque<>();
  private int submitted;
  private int done;
  private int failed;

  /** Begins to decode the first pictures at once. */
  PicturePipeline(Console console, List<I> items, Station<I, D> decode) {
    this.console = console;
    this.items = items;
    this.decode = decode;
    decodeAhead();
  }

  /**
   * Takes all pictures through; call it once.
   *
   * @param network runs on this thread
   * @param encode runs on another
   */
  <R> Result run(Network<I, D, R> network, Sink<I, D, R> encode) throws InterruptedException {
    try (Progress progress = progress()) {
      for (I item : items) {
        Future<D> next = decoding.removeFirst();
        try {
          D decoded = get(next);
          decodeAhead();
          R result = network.apply(item, decoded);
          encoding.addLast(
              encoders.submit(() -> {
                encode.accept(item, decoded, result);
                return null;
              }));
        } catch (InterruptedException e) {
          throw e;
        } catch (Exception | OutOfMemoryError | StackOverflowError e) {
          fail(e, progress);
          decodeAhead();
        }
        drain(BEHIND, progress);
      }
      drain(0, progress);
    }
    return new Result(done, failed);
  }

  private Progress progress() {
    return items.size() == 1
        ? Progress.none()
        : console.progress("predict", items.size(), Progress.Unit.of("pictures"));
  }

  private void decodeAhead() {
    while (decoding.size() < AHEAD && submitted < items.size()) {
      I item = items.get(submitted++);
      Callable<D> task = () -> decode.apply(item);
      decoding.addLast(decoders.submit(task));
    }
  }

  /** Waits for the oldest results until no more than {@code limit} are on their way. */
  private void drain(int limit, Progress progress) throws InterruptedException {
    while (encoding.size() > limit) {
      try {
        get(encoding.removeFirst());
        done++;
        progress.stepBy(1);
      } catch (InterruptedException e) {
        throw e;
      } catch (Exception | OutOfMemoryError | StackOverflowError e) {
        fail(e, progress);
      }
    }
  }

  private void fail(Throwable problem, Progress progress) {
    failed++;
    console.error(problem);
    progress.stepBy(1);
  }

  private static <T> T get(Future<T> future) throws Exception {
    try {
      return future.get();
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case Exception cause -> throw cause;
        case Error cause -> throw cause;
        case null, default -> throw e;
      }
    }
  }

  private static ExecutorService executor(String name) {
    return Executors.newSingleThreadExecutor(
        task -> Thread.ofPlatform().daemon().name(name).unstarted(task));
  }

  /** Drops what is still on its way. */
  @Override
  public void close() {
    decoders.shutdownNow();
    encoders.shutdownNow();
  }
}
