package dev.fathom.training.data;

import dev.fathom.training.UserException;
import dev.fathom.training.random.Philox;
import dev.fathom.training.random.Purpose;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Reads a set's samples ahead of their use, on several threads, and hands them out one by one.
 *
 * <p>The samples are a sequence over positions 0, 1, 2, ... ({@link LoaderSettings.Order}), each a
 * pure function of the set, the seed and its position: any number of threads gives the same ones,
 * and so does a loader that starts in the middle, which reads nothing of what comes before.
 *
 * <p>Memory: a thread takes up the next position only if the samples that wait, and one as large as
 * the largest so far for each thread at work, stay within the bound; the position that the consumer
 * needs next is always taken up. So the bound holds but for samples that turn out larger than all
 * before them, and for one that is larger than the bound by itself. The first sample is read alone.
 *
 * <p>A bad sample is counted once, listed if the settings say where, and passed over as the order
 * has it. Counting follows the sequence, not the threads: the run ends with a {@link UserException}
 * at the same position each time, when the number of bad samples met up to there is over the limit.
 *
 * <pre>{@code
 * try (Prefetcher loader = Prefetcher.start(set, seed, step * batch, LoaderSettings.shuffled(4))) {
 *   Prefetcher.Item item = loader.next();
 * }
 * }</pre>
 *
 * <p>For one consumer; any thread may close it.
 */
public final class Prefetcher implements AutoCloseable {

  /**
   * A sample and where it stands.
   *
   * @param position in the whole sequence
   * @param epoch pass over the set
   * @param index of the sample in the set
   * @param sample the sample
   */
  public record Item(long position, int epoch, int index, Sample sample) {}

  /**
   * What a loader has done so far.
   *
   * @param samples handed out
   * @param seconds since it was started
   * @param waitedSeconds for which the consumer had to wait for a sample
   * @param bad samples found bad up to here, those of earlier runs included
   */
  public record Statistics(long samples, double seconds, double waitedSeconds, int bad) {
    /** Samples handed out per second. */
    public double samplesPerSecond() {
      return seconds > 0 ? samples / seconds : 0;
    }
  }

  /** What became of a position: a sample, none, or a failure; and the bad ones on the way. */
  private record Result(
      @Nullable Item item, List<Integer> passedOver, long bytes, @Nullable Throwable failure) {}

  private static final int ORDERS_KEPT = 2;
  private static final long OBJECT_BYTES = 1024;

  private final DataSet set;
  private final long seed;
  private final LoaderSettings settings;
  private final long end;
  private final BadSamples bad;
  private final Map<Integer, BadSamples.Entry> knownBad;
  private final List<Thread> workers = new ArrayList<>();
  private final long started = System.nanoTime();
  private final Map<Integer, int[]> orders = new LinkedHashMap<>();

  private final ReentrantLock lock = new ReentrantLock();

  /** A sample was taken, or the loader closed. */
  private final Condition room = lock.newCondition();

  /** The sample that is needed next is there, or the loader closed. */
  private final Condition ready = lock.newCondition();

  // Under the lock.
  private final Map<Long, Result> waiting = new HashMap<>();
  private long nextToRead;
  private long nextToTake;
  private long waitingBytes;
  private long largest;
  private int reading;
  private long taken;
  private long waitedNanos;
  private @Nullable Throwable failure;
  private volatile boolean closed;

  private Prefetcher(DataSet set, long seed, long position, LoaderSettings settings) {
    if (position < 0) {
      throw new IllegalArgumentException("position " + position);
    }
    if (set.size() == 0) {
      throw new UserException(set.name(), "the data set is empty");
    }
    this.set = set;
    this.seed = seed;
    this.settings = settings;
    end =
        settings.order() == LoaderSettings.Order.IN_ORDER
            ? Math.min(settings.end(), set.size())
            : settings.end();
    bad = new BadSamples(set, settings.badShare(), settings.badList());
    bad.check();
    knownBad = new ConcurrentHashMap<>(bad.known());
    nextToRead = position;
    nextToTake = position;
  }

  /**
   * Starts to read.
   *
   * @param seed the run's seed: {@link Purpose#SHUFFLE} gives the order of each epoch
   * @param position the first to hand out
   * @throws UserException if the set is empty, the list of bad samples is not one, or it has too
   *     many already
   */
  public static Prefetcher start(DataSet set, long seed, long position, LoaderSettings settings) {
    Prefetcher loader = new Prefetcher(set, seed, position, settings);
    for (int i = 0; i < settings.workers(); i++) {
      Thread worker = Thread.ofPlatform().daemon().name("fathom-load-" + i).unstarted(loader::work);
      loader.workers.add(worker);
    }
    loader.workers.forEach(Thread::start);
    return loader;
  }

  /**
   * The next sample; waits for it. After an interrupt the same sample is still the next.
   *
   * @return null after the last
   * @throws UserException if too many samples are bad; any further call throws it again
   * @throws IllegalStateException if the loader is closed
   */
  public @Nullable Item next() throws InterruptedException {
    while (true) {
      Result result = take();
      if (result == null) {
        bad.write();
        return null;
      }
      try {
        for (int index : result.passedOver()) {
          BadSamples.Entry entry = knownBad.get(index);
          if (entry != null) {
            bad.add(index, entry);
          }
        }
      } catch (UserException e) {
        fail(e);
        throw e;
      }
      if (result.failure() != null) {
        fail(result.failure());
        throw rethrown(result.failure());
      }
      if (result.item() != null) {
        return result.item();
      }
    }
  }

  /** The result at the next position, once it is there; null behind the last. */
  private @Nullable Result take() throws InterruptedException {
    lock.lockInterruptibly();
    try {
      checkUsable();
      if (nextToTake >= end) {
        return null;
      }
      long since = System.nanoTime();
      while (!waiting.containsKey(nextToTake)) {
        ready.await();
        checkUsable();
      }
      waitedNanos += System.nanoTime() - since;
      Result result = waiting.remove(nextToTake);
      nextToTake++;
      room.signalAll();
      if (result != null) {
        waitingBytes -= result.bytes();
        taken += result.item() == null ? 0 : 1;
      }
      return result;
    } finally {
      lock.unlock();
    }
  }

  private void checkUsable() {
    if (failure != null) {
      throw rethrown(failure);
    }
    if (closed) {
      throw new IllegalStateException("the loader of " + set.name() + " is closed");
    }
  }

  private void fail(Throwable cause) {
    lock.lock();
    try {
      failure = cause;
    } finally {
      lock.unlock();
    }
  }

  private static RuntimeException rethrown(Throwable failure) {
    switch (failure) {
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      default -> throw new IllegalStateException(failure);
    }
  }

  private void work() {
    while (true) {
      long position;
      lock.lock();
      try {
        while (!closed && nextToRead < end && !hasRoom()) {
          room.awaitUninterruptibly();
        }
        if (closed || nextToRead >= end) {
          return;
        }
        position = nextToRead++;
        reading++;
      } finally {
        lock.unlock();
      }
      Result result = result(position);
      lock.lock();
      try {
        reading--;
        if (!closed) {
          waiting.put(position, result);
          waitingBytes += result.bytes();
          largest = Math.max(largest, result.bytes());
          room.signalAll();
          if (position == nextToTake) {
            ready.signalAll();
          }
        }
      } finally {
        lock.unlock();
      }
    }
  }

  /** Whether the next position may be taken up; see the class comment. */
  private boolean hasRoom() {
    if (nextToRead == nextToTake) {
      return true;
    }
    long free = settings.memoryBytes() - waitingBytes;
    return largest > 0 && largest <= free / (reading + 1);
  }

  private Result result(long position) {
    try {
      return settings.order() == LoaderSettings.Order.SHUFFLED
          ? shuffled(position)
          : inOrder(position);
    } catch (Throwable e) { // Whatever it is, the consumer gets it in its turn.
      return new Result(null, List.of(), 0, e);
    }
  }

  private Result inOrder(long position) {
    int index = Math.toIntExact(position);
    Sample sample = read(index);
    return sample == null
        ? new Result(null, List.of(index), 0, null)
        : found(new Item(position, 0, index, sample), List.of());
  }

  private Result shuffled(long position) {
    int n = set.size();
    int epoch = Math.toIntExact(position / n);
    int place = (int) (position % n);
    int[] order = order(epoch);
    List<Integer> passedOver = new ArrayList<>();
    // Once more are passed over than may be bad, the run ends here.
    for (int i = 0; i < n && passedOver.size() <= bad.allowed() && !closed; i++) {
      int index = order[(int) (((long) place + i) % n)];
      Sample sample = read(index);
      if (sample != null) {
        return found(new Item(position, epoch, index, sample), passedOver);
      }
      passedOver.add(index);
    }
    return new Result(null, passedOver, 0, null);
  }

  private static Result found(Item item, List<Integer> passedOver) {
    return new Result(item, passedOver, bytes(item.sample()), null);
  }

  /** A sample; null if it is bad. */
  private @Nullable Sample read(int index) {
    if (knownBad.containsKey(index)) {
      return null;
    }
    try {
      return set.read(index);
    } catch (BadSampleException e) {
      knownBad.putIfAbsent(index, BadSamples.Entry.of(set.id(index), e));
      return null;
    }
  }

  /** The order of an epoch: {@code order[place]} is an index. */
  private synchronized int[] order(int epoch) {
    int[] order = orders.get(epoch);
    if (order == null) {
      order = new Philox(seed, Purpose.SHUFFLE, epoch, 0).permutation(set.size());
      if (orders.size() == ORDERS_KEPT) {
        orders.remove(orders.keySet().iterator().next());
      }
      orders.put(epoch, order);
    }
    return order;
  }

  /** Bytes that a sample holds in memory. */
  static long bytes(Sample sample) {
    GroundTruth truth = sample.truth();
    ClassMap classes = sample.classes();
    return OBJECT_BYTES
        + sample.picture().rgb().length
        + (truth == null ? 0 : 4L * truth.values().length)
        + (classes == null ? 0 : (long) classes.width() * classes.height());
  }

  /** The position that {@link #next} hands out next, or looks for a good sample from. */
  public long position() {
    lock.lock();
    try {
      return nextToTake;
    } finally {
      lock.unlock();
    }
  }

  /** Bytes of the samples that wait to be taken. */
  public long waitingBytes() {
    lock.lock();
    try {
      return waitingBytes;
    } finally {
      lock.unlock();
    }
  }

  /** What was done so far. */
  public Statistics statistics() {
    lock.lock();
    try {
      double seconds = (System.nanoTime() - started) * 1e-9;
      return new Statistics(taken, seconds, waitedNanos * 1e-9, bad.count());
    } finally {
      lock.unlock();
    }
  }

  /**
   * Stops the threads and waits for those that are reading a sample to finish it, unless this
   * thread is interrupted; brings the list of bad samples up to date. The set is not closed.
   */
  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      waiting.clear();
      waitingBytes = 0;
      room.signalAll();
      ready.signalAll();
    } finally {
      lock.unlock();
    }
    boolean interrupted = false;
    try {
      for (Thread worker : workers) {
        worker.join();
      }
    } catch (InterruptedException e) {
      interrupted = true;
    }
    try {
      // Before the interrupt is put back: it would close the file.
      bad.write();
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
