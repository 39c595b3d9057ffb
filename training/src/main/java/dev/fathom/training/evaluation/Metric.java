package dev.fathom.training.evaluation;

/** The numbers of {@link DepthMetrics}, one by one, for tables and files. */
public enum Metric {
  /** {@link DepthMetrics#absRel}. */
  ABS_REL("AbsRel", "abs_rel", false),
  /** {@link DepthMetrics#sqRel}. */
  SQ_REL("SqRel", "sq_rel", false),
  /** {@link DepthMetrics#rmse}. */
  RMSE("RMSE", "rmse", false),
  /** {@link DepthMetrics#rmseLog}. */
  RMSE_LOG("RMSE log", "rmse_log", false),
  /** {@link DepthMetrics#log10}. */
  LOG10("log10", "log10", false),
  /** {@link DepthMetrics#siLog}. */
  SI_LOG("SILog", "silog", false),
  /** {@link DepthMetrics#delta1}. */
  DELTA1("delta1", "delta1", true),
  /** {@link DepthMetrics#delta2}. */
  DELTA2("delta2", "delta2", true),
  /** {@link DepthMetrics#delta3}. */
  DELTA3("delta3", "delta3", true);

  private final String label;
  private final String key;
  private final boolean higherIsBetter;

  Metric(String label, String key, boolean higherIsBetter) {
    this.label = label;
    this.key = key;
    this.higherIsBetter = higherIsBetter;
  }

  /** As papers print it. */
  public String label() {
    return label;
  }

  /** Its name in files. */
  public String key() {
    return key;
  }

  /** Whether a larger number is a better one. */
  public boolean higherIsBetter() {
    return higherIsBetter;
  }

  /** The number. */
  public double of(DepthMetrics metrics) {
    return switch (this) {
      case ABS_REL -> metrics.absRel();
      case SQ_REL -> metrics.sqRel();
      case RMSE -> metrics.rmse();
      case RMSE_LOG -> metrics.rmseLog();
      case LOG10 -> metrics.log10();
      case SI_LOG -> metrics.siLog();
      case DELTA1 -> metrics.delta1();
      case DELTA2 -> metrics.delta2();
      case DELTA3 -> metrics.delta3();
    };
  }
}
