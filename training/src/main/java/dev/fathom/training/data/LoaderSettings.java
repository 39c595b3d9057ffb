package dev.fathom.training.data;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How a {@link Prefetcher} reads a set.
 *
 * @param order which sample is at which position
 * @param workers threads that read and decode
 * @param memoryBytes most bytes of samples that wait to be taken, see {@link Prefetcher}
 * @param end the position behind the last; {@link #ENDLESS} for no end ({@link Order#IN_ORDER} ends
 *     with the set at the latest)
 * @param badShare most of the set that may be bad, from 0 to 1; 10 samples, or half of a set of
 *     fewer than 20, always may
 * @param badList file that lists the bad samples, {@code bad-samples.tsv} by custom; null for none
 */
public record LoaderSettings(
    Order order, int workers, long memoryBytes, long end, double badShare, @Nullable Path badList) {

  /** Which sample is at which position. */
  public enum Order {
    /**
     * Epoch after epoch, each in a random order of its own: with n samples, position p is place p
     * mod n of epoch p / n. In the place of a bad sample comes the next good one of the same
     * epoch's order, from its first place again after its last: every epoch has n samples.
     */
    SHUFFLED,
    /** The set from its first to its last sample, once; bad ones are left out. */
    IN_ORDER
  }

  /** No end. */
  public static final long ENDLESS = Long.MAX_VALUE;

  private static final long DEFAULT_MEMORY = 1L << 30;
  private static final double DEFAULT_BAD_SHARE = 0.01;

  /** Checks the ranges. */
  public LoaderSettings {
    if (workers < 1 || memoryBytes < 1 || end < 0 || !(badShare >= 0 && badShare <= 1)) {
      throw new IllegalArgumentException(
          "%d workers, %d bytes, end %d, share of bad samples %s"
              .formatted(workers, memoryBytes, end, badShare));
    }
  }

  /** Shuffled, endless, 1 GiB, at most 1 % bad, not listed. */
  public static LoaderSettings shuffled(int workers) {
    return new LoaderSettings(
        Order.SHUFFLED, workers, DEFAULT_MEMORY, ENDLESS, DEFAULT_BAD_SHARE, null);
  }

  /** Once in order, 1 GiB, at most 1 % bad, not listed. */
  public static LoaderSettings inOrder(int workers) {
    return new LoaderSettings(
        Order.IN_ORDER, workers, DEFAULT_MEMORY, ENDLESS, DEFAULT_BAD_SHARE, null);
  }

  /** With another bound of memory. */
  public LoaderSettings withMemory(long bytes) {
    return new LoaderSettings(order, workers, bytes, end, badShare, badList);
  }

  /** With an end. */
  public LoaderSettings withEnd(long position) {
    return new LoaderSettings(order, workers, memoryBytes, position, badShare, badList);
  }

  /** With another share of bad samples, and where to list them. */
  public LoaderSettings withBad(double share, @Nullable Path list) {
    return new LoaderSettings(order, workers, memoryBytes, end, share, list);
  }
}
