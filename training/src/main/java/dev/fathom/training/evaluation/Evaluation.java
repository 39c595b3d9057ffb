package dev.fathom.training.evaluation;

import dev.fathom.training.evaluation.Bootstrap.Interval;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What an {@link Evaluator} found.
 *
 * @param data the data set's name
 * @param settings what was measured
 * @param pictures in the data set's order
 * @param skipped pictures that are not among them
 * @param means of each metric over the pictures, each picture counting the same, with 95 %
 *     confidence intervals; empty if there is no picture
 */
public record Evaluation(
    String data,
    EvaluationSettings settings,
    List<PictureResult> pictures,
    List<SkippedPicture> skipped,
    Map<Metric, Interval> means) {

  /** Copies the lists and the map. */
  public Evaluation {
    pictures = List.copyOf(pictures);
    skipped = List.copyOf(skipped);
    means = Collections.unmodifiableMap(new LinkedHashMap<>(means));
  }

  /** Of these pictures, with means and intervals computed. */
  static Evaluation of(
      String data,
      EvaluationSettings settings,
      List<PictureResult> pictures,
      List<SkippedPicture> skipped) {
    Map<Metric, Interval> means = new EnumMap<>(Metric.class);
    if (!pictures.isEmpty()) {
      Metric[] metrics = Metric.values();
      double[][] columns = new double[metrics.length][];
      for (int m = 0; m < metrics.length; m++) {
        Metric metric = metrics[m];
        columns[m] = pictures.stream().mapToDouble(p -> metric.of(p.metrics())).toArray();
      }
      Interval[] intervals = Bootstrap.intervals(columns, settings.resamples(), settings.seed());
      for (int m = 0; m < metrics.length; m++) {
        means.put(metrics[m], intervals[m]);
      }
    }
    return new Evaluation(data, settings, pictures, skipped, means);
  }

  /** Number of pictures of which the network said the same of every pixel. */
  public int constantPredictions() {
    return (int) pictures.stream().filter(PictureResult::constantPrediction).count();
  }

  /**
   * Everything as a tree for JSON: settings, means with intervals, every picture, every one that
   * was left out.
   *
   * @param moreSettings of the network, to stand beside those of the evaluation
   */
  public Map<String, Object> toJson(Map<String, ?> moreSettings) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("data", data);
    Map<String, Object> how = new LinkedHashMap<>();
    how.put("protocol", settings.protocol().name().toLowerCase(Locale.ROOT));
    how.put("cap", settings.cap());
    how.put("min_depth", settings.minDepth());
    how.put("crop", settings.crop().label());
    how.put("kitti_benchmark_crop", settings.kittiBenchmarkCrop());
    how.put("flip", settings.flip());
    how.put("resamples", settings.resamples());
    how.put("seed", settings.seed());
    how.putAll(moreSettings);
    json.put("settings", how);
    json.put("evaluated", pictures.size());
    json.put("skipped", skipped.size());
    json.put("constant_predictions", constantPredictions());
    Map<String, Object> mean = new LinkedHashMap<>();
    means.forEach((metric, interval) -> mean.put(metric.key(), interval));
    json.put("mean", mean);
    json.put("pictures", pictures.stream().map(Evaluation::toJson).toList());
    json.put("skipped_pictures", skipped);
    return json;
  }

  private static Map<String, Object> toJson(PictureResult picture) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("id", picture.id());
    json.put("pixels", picture.pixels());
    Alignment alignment = picture.alignment();
    if (alignment != null) {
      json.put("scale", alignment.scale());
      json.put("shift", alignment.shift());
      json.put("constant_prediction", alignment.constant());
    }
    for (Metric metric : Metric.values()) {
      json.put(metric.key(), metric.of(picture.metrics()));
    }
    return json;
  }
}
