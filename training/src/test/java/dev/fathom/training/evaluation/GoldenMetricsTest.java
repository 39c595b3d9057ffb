package dev.fathom.training.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import dev.fathom.training.data.GroundTruth;
import dev.fathom.training.data.Sample;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The metrics of the published code; {@code about} in metrics.json says of what. Its inputs were
 * float32, rounded in an order that is not said: hence the tolerance.
 */
class GoldenMetricsTest {

  private static final int HEIGHT = 60;
  private static final int WIDTH = 80;
  private static final int N = HEIGHT * WIDTH;
  private static final double CAP = 10;

  private static final Map<Metric, String> NAMES =
      Map.of(
          Metric.DELTA1, "a1",
          Metric.DELTA2, "a2",
          Metric.DELTA3, "a3",
          Metric.ABS_REL, "abs_rel",
          Metric.SQ_REL, "sq_rel",
          Metric.RMSE, "rmse",
          Metric.RMSE_LOG, "rmse_log",
          Metric.LOG10, "log_10",
          Metric.SI_LOG, "silog");

  private final double[] truth = truth();

  @Test
  void metric() throws IOException {
    float[] noise = Hashed.values("metric.noise", N);
    double[] prediction = new double[N];
    for (int i = 0; i < N; i++) {
      prediction[i] =
          Math.clamp((float) truth[i] * (1 + 0.3f * noise[i]) + 0.1f, 1e-3f, (float) CAP);
    }
    JsonNode golden = golden();
    double[] validTruth = valid(truth);
    assertEquals(golden.get("valid").intValue(), validTruth.length);
    requireMetrics(golden.get("metric"), DepthMetrics.of(validTruth, valid(prediction)), 1e-7);
  }

  @Test
  void relative() throws IOException {
    double[] disparity = disparity();
    JsonNode golden = golden().get("relative");
    double[] t = valid(truth);
    double[] d = valid(disparity);
    Alignment alignment = Alignment.fit(d, t);
    assertEquals(golden.get("scale").doubleValue(), alignment.scale(), 1e-8);
    assertEquals(golden.get("shift").doubleValue(), alignment.shift(), 1e-8);
    assertFalse(alignment.constant());
    for (int i = 0; i < d.length; i++) {
      d[i] = alignment.depth(d[i], CAP);
    }
    requireMetrics(golden, DepthMetrics.of(t, d), 1e-6);
  }

  /** The same through the evaluator, whose pictures and maps are float32. */
  @Test
  void relativeThroughTheEvaluator() throws Exception {
    float[] depths = new float[N];
    float[] disparities = new float[N];
    double[] disparity = disparity();
    for (int i = 0; i < N; i++) {
      depths[i] = (float) truth[i];
      disparities[i] = (float) disparity[i];
    }
    Sample sample =
        new Sample(
            "golden",
            new RgbImage(WIDTH, HEIGHT, new byte[3 * N]),
            new GroundTruth(WIDTH, HEIGHT, GroundTruth.Kind.DEPTH, depths),
            null);
    Evaluation evaluation =
        new Evaluator(
                _ -> new DepthMap(WIDTH, HEIGHT, DepthMap.Kind.DISPARITY, disparities),
                EvaluationSettings.of(Protocol.RELATIVE, CAP))
            .run(new ListDataSet(sample), EvaluationListener.NONE);
    PictureResult result = evaluation.pictures().getFirst();
    JsonNode golden = golden();
    assertEquals(golden.get("valid").intValue(), result.pixels());
    requireMetrics(golden.get("relative"), result.metrics(), 1e-5);
  }

  private static void requireMetrics(JsonNode golden, DepthMetrics metrics, double tolerance) {
    for (Metric metric : Metric.values()) {
      double expected = golden.get(NAMES.get(metric)).doubleValue();
      assertEquals(expected, metric.of(metrics), tolerance * Math.abs(expected), metric.label());
    }
  }

  private static double[] truth() {
    float[] depth = Hashed.values("metric.gt", N);
    float[] hole = Hashed.values("metric.hole", N);
    double[] truth = new double[N];
    for (int i = 0; i < N; i++) {
      truth[i] = hole[i] > 0.8f ? 0 : 12f * Math.abs(depth[i]);
    }
    return truth;
  }

  private double[] disparity() {
    float[] noise = Hashed.values("metric.disp", N);
    double[] disparity = new double[N];
    for (int i = 0; i < N; i++) {
      disparity[i] = 3.7f / Math.max((float) truth[i], 1e-3f) - 0.02f + 0.01f * noise[i];
    }
    return disparity;
  }

  private double[] valid(double[] values) {
    double[] kept = new double[N];
    int n = 0;
    for (int i = 0; i < N; i++) {
      if (truth[i] > 1e-3 && truth[i] < CAP) {
        kept[n++] = values[i];
      }
    }
    return Arrays.copyOf(kept, n);
  }

  private static JsonNode golden() throws IOException {
    try (InputStream in = GoldenMetricsTest.class.getResourceAsStream("/golden/metrics.json")) {
      return new JsonMapper().readTree(Objects.requireNonNull(in));
    }
  }
}
