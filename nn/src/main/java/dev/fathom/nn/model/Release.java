package dev.fathom.nn.model;

/** Which published network a set of weights belongs to. */
public enum Release {
  /** Depth Anything: taps the last four blocks; disparity. */
  V1,
  /** Depth Anything V2: taps spread over the encoder; disparity. */
  V2,
  /** Depth Anything V2 metric: as V2, ending in sigmoid times the largest depth; metres. */
  V2_METRIC;

  /**
   * The name used on the command line and in metadata: {@code v1}, {@code v2}, {@code v2-metric}.
   */
  public String label() {
    return switch (this) {
      case V1 -> "v1";
      case V2 -> "v2";
      case V2_METRIC -> "v2-metric";
    };
  }

  /**
   * The release called {@code label}.
   *
   * @throws IllegalArgumentException if there is none
   */
  public static Release of(String label) {
    for (Release release : values()) {
      if (release.label().equals(label)) {
        return release;
      }
    }
    throw new IllegalArgumentException(
        "unknown release '" + label + "'; known are v1, v2 and v2-metric");
  }
}
