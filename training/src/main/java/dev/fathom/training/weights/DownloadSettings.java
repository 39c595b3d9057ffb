package dev.fathom.training.weights;

import java.time.Duration;

/**
 * How patient a download is.
 *
 * @param connectTimeout for a connection to come about
 * @param stallTimeout for the answer, and then for each next piece of the body
 * @param attempts tries in a row that bring nothing before giving up
 * @param backoff pause before the second try; doubled for each further one
 */
public record DownloadSettings(
    Duration connectTimeout, Duration stallTimeout, int attempts, Duration backoff) {
  /** What the command line uses. */
  public static final DownloadSettings DEFAULT =
      new DownloadSettings(
          Duration.ofSeconds(20), Duration.ofSeconds(30), 5, Duration.ofSeconds(1));

  /** No pause is longer, whatever the server asks for. */
  static final Duration LONGEST_PAUSE = Duration.ofSeconds(60);

  /** The pause after that many failures in a row (1, 2, ...). */
  Duration pause(int failures) {
    Duration pause = backoff.multipliedBy(1L << Math.min(failures - 1, 10));
    return pause.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : pause;
  }
}
