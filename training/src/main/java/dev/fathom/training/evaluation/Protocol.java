package dev.fathom.training.evaluation;

/** How a prediction is compared with the truth. */
public enum Protocol {
  /** Zero-shot: each picture's disparity is first aligned with the truth, see {@link Alignment}. */
  RELATIVE,
  /** In metres: the predicted depth as it is, held between the smallest depth and the cap. */
  METRIC
}
