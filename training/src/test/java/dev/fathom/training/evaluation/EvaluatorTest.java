package dev.fathom.training.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import dev.fathom.training.data.GroundTruth;
import dev.fathom.training.data.Sample;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;

class EvaluatorTest {

  private static final EvaluationSettings RELATIVE = EvaluationSettings.of(Protocol.RELATIVE, 10);
  private static final EvaluationSettings METRIC = EvaluationSettings.of(Protocol.METRIC, 10);

  @Test
  void anAffineFunctionOfTheInverseIsAPerfectRelativePrediction() throws Exception {
    Sample sample = sample("a", 8, 6, i -> 1 + i % 7);
    Evaluation evaluation =
        run(RELATIVE, _ -> disparity(8, 6, i -> 5 / (1.0 + i % 7) - 0.3), sample);
    PictureResult result = evaluation.pictures().getFirst();
    assertEquals(48, result.pixels());
    assertEquals(1, result.metrics().delta1());
    assertEquals(0, result.metrics().absRel(), 1e-6);
    Alignment alignment = result.alignment();
    assertNotNull(alignment);
    assertEquals(0.2, alignment.scale(), 1e-6);
    assertEquals(0.06, alignment.shift(), 1e-6);
  }

  @Test
  void alignedDisparitiesBelowTheCapsAreRaisedToIt() {
    Alignment alignment = new Alignment(1, -0.5, false);
    assertEquals(10, alignment.depth(0.1, 10), 1e-12, "behind the camera");
    assertEquals(10, alignment.depth(0.55, 10), 1e-12, "20 m");
    assertEquals(2, alignment.depth(1, 10), 1e-12);
  }

  @Test
  void onlyKnownDepthsBetweenTheSmallestAndTheCapAreValid() throws Exception {
    float[] depths = {1, 2, 5, 9.99f, 10, 11, 0.001f, 0, -1, Float.NaN, Float.POSITIVE_INFINITY, 3};
    Sample sample = sample("a", 12, 1, i -> depths[i]);
    Evaluation evaluation = run(METRIC, _ -> metres(12, 1, i -> i == 0 ? 1.5 : depths[i]), sample);
    // NaN and infinity in the prediction would be refused, so predict the truth only where it is.
    assertEquals(1, evaluation.skipped().size());
    evaluation =
        run(
            METRIC,
            _ -> metres(12, 1, i -> i == 0 ? 1.5 : Float.isFinite(depths[i]) ? depths[i] : 4),
            sample);
    PictureResult result = evaluation.pictures().getFirst();
    assertEquals(5, result.pixels());
    assertEquals(0.1, result.metrics().absRel(), 1e-6);
    assertEquals(0.8, result.metrics().delta1(), 1e-12);
  }

  @Test
  void metricPredictionsAreHeldToTheRange() throws Exception {
    Sample sample = sample("a", 2, 1, i -> i == 0 ? 8 : 0.002);
    PictureResult result =
        run(METRIC, _ -> metres(2, 1, i -> i == 0 ? 1000 : -7), sample).pictures().getFirst();
    assertEquals((2 / 8.0 + 0.001 / 0.002) / 2, result.metrics().absRel(), 1e-6);
  }

  @Test
  void predictionsAreResizedWithCornersInPlace() {
    DepthMap map = new DepthMap(3, 2, DepthMap.Kind.DISPARITY, new float[] {0, 1, 2, 10, 11, 12});
    double[] resized = Maps.resized(map, 5, 3);
    double[] expected = {
      0, 0.5, 1, 1.5, 2, 5, 5.5, 6, 6.5, 7, 10, 10.5, 11, 11.5, 12,
    };
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], resized[i], 1e-12);
    }
    assertEquals(0, Maps.resized(map, 1, 1)[0]);
  }

  @Test
  void flipAveragesWithTheMirroredPicture() throws Exception {
    // The network's answer is the red channel plus an error that grows to the right of its input.
    Predictor lopsided =
        picture -> disparity(4, 1, i -> (picture.at(i, 0) >> 16) / 10.0 + 0.01 * i);
    byte[] rgb = new byte[12];
    float[] depths = new float[4];
    for (int i = 0; i < 4; i++) {
      rgb[3 * i] = (byte) (10 * (i * i + 1));
      depths[i] = 1f / (i * i + 1);
    }
    Sample sample =
        new Sample(
            "a",
            new RgbImage(4, 1, rgb),
            new GroundTruth(4, 1, GroundTruth.Kind.DEPTH, depths),
            null);
    assertTrue(run(RELATIVE, lopsided, sample).pictures().getFirst().metrics().absRel() > 1e-5);
    PictureResult flipped = run(RELATIVE.withFlip(true), lopsided, sample).pictures().getFirst();
    assertEquals(0, flipped.metrics().absRel(), 1e-6);
  }

  @Test
  void aConstantPredictionHasDefinedMetricsAndIsCounted() throws Exception {
    Sample sample = sample("a", 4, 1, i -> i < 2 ? 1 : 2);
    Evaluation evaluation = run(RELATIVE, _ -> disparity(4, 1, _ -> 0.7), sample);
    PictureResult result = evaluation.pictures().getFirst();
    assertTrue(result.constantPrediction());
    assertEquals(1, evaluation.constantPredictions());
    assertEquals(new Alignment(0, 0.75, true), result.alignment());
    assertEquals((1 / 3.0 + 1 / 3.0) / 2, result.metrics().absRel(), 1e-6);
  }

  @Test
  void aSmallSpreadAboutALargeOffsetIsNoConstant() {
    double[] disparity = {1e6, 1e6 + 0.0625, 1e6 + 0.125};
    Alignment alignment = Alignment.fit(disparity, new double[] {1, 1 / 1.0625, 1 / 1.125});
    assertFalse(alignment.constant());
    assertEquals(1, alignment.scale(), 1e-6);
  }

  @Test
  void whatCannotBeComparedIsNamedAndTheMeansAreOfTheRest() throws Exception {
    List<Sample> samples = new ArrayList<>();
    samples.add(sample("good", 4, 2, i -> 1 + i));
    samples.add(sample("bad", 4, 2, i -> 1 + i));
    samples.add(sample("sky", 4, 2, _ -> Double.POSITIVE_INFINITY));
    samples.add(sample("unknown", 4, 2, _ -> Double.NaN));
    samples.add(new Sample("picture-only", new RgbImage(4, 2, new byte[24]), null, null));
    samples.add(sample("narrow", 1, 200, i -> 1 + i));
    samples.add(sample("broken-prediction", 5, 2, i -> 1 + i));
    samples.add(sample("good-too", 4, 2, i -> 2 + i));
    Predictor predictor =
        picture -> {
          if (picture.width() == 1) {
            throw new IllegalArgumentException("too narrow");
          }
          return disparity(
              picture.width(),
              picture.height(),
              i -> i == 3 && picture.width() == 5 ? Double.NaN : 1.0 / (1 + i));
        };
    List<String> told = new ArrayList<>();
    Evaluation evaluation =
        new Evaluator(predictor, RELATIVE)
            .run(
                new ListDataSet(samples),
                new EvaluationListener() {
                  @Override
                  public void evaluated(PictureResult result, Sample sample, DepthMap prediction) {
                    assertEquals(result.id(), sample.id());
                    told.add(result.id());
                  }

                  @Override
                  public void skipped(SkippedPicture picture) {
                    told.add(picture.id());
                  }
                });
    assertEquals(samples.stream().map(Sample::id).toList(), told, "in order");
    assertEquals(
        List.of("good", "good-too"),
        evaluation.pictures().stream().map(PictureResult::id).toList());
    List<String> problems = evaluation.skipped().stream().map(SkippedPicture::problem).toList();
    assertEquals("bad.png: cannot be read", problems.get(0));
    assertEquals("sky: no valid pixel: none with a depth between 0.001 and 10.0", problems.get(1));
    assertEquals(
        "unknown: no valid pixel: none with a depth between 0.001 and 10.0", problems.get(2));
    assertEquals("picture-only: has no depth to compare with", problems.get(3));
    assertEquals("narrow: too narrow", problems.get(4));
    assertEquals(
        "broken-prediction: the prediction has 1 of 10 values that are not finite",
        problems.get(5));
    double mean =
        evaluation.pictures().stream()
            .mapToDouble(p -> p.metrics().absRel())
            .average()
            .orElseThrow();
    assertEquals(mean, evaluation.means().get(Metric.ABS_REL).mean(), 1e-15);
    evaluation
        .means()
        .forEach((metric, interval) -> {
          assertTrue(Double.isFinite(interval.mean()), metric.label());
          assertTrue(interval.low() <= interval.mean() && interval.mean() <= interval.high());
        });
  }

  @Test
  void withoutAnyPictureThereAreNoMeans() throws Exception {
    Evaluation evaluation =
        run(RELATIVE, _ -> disparity(2, 1, i -> i), sample("sky", 2, 1, _ -> Double.NaN));
    assertTrue(evaluation.means().isEmpty());
    assertEquals(1, evaluation.skipped().size());
    assertEquals(0, evaluation.toJson(Map.of()).get("evaluated"));
  }

  @Test
  void theMetricProtocolNeedsMetresOnBothSides() {
    Sample sample = sample("a", 2, 1, i -> 1 + i);
    assertThrows(
        IllegalArgumentException.class, () -> run(METRIC, _ -> disparity(2, 1, i -> i), sample));
    Sample inverse =
        new Sample(
            "a",
            new RgbImage(2, 1, new byte[6]),
            new GroundTruth(2, 1, GroundTruth.Kind.DISPARITY, new float[] {1, 0.5f}),
            null);
    assertThrows(
        IllegalArgumentException.class, () -> run(METRIC, _ -> metres(2, 1, i -> 1 + i), inverse));
  }

  @Test
  void disparitiesAsTruthAndMetresAsPredictionAreInvertedInTheRelativeProtocol() throws Exception {
    Sample sample =
        new Sample(
            "a",
            new RgbImage(4, 1, new byte[12]),
            new GroundTruth(
                4, 1, GroundTruth.Kind.DISPARITY, new float[] {1, 0.5f, 0.25f, 0 /* sky */}),
            null);
    PictureResult result =
        run(RELATIVE, _ -> metres(4, 1, i -> 3 << i), sample).pictures().getFirst();
    assertEquals(3, result.pixels());
    assertEquals(0, result.metrics().rmse(), 1e-6);
  }

  @Test
  void cropsAreThoseOfTheProtocols() throws Exception {
    assertEquals(new Crop.Window(45, 471, 41, 601), Crop.NYU_EIGEN.window(640, 480));
    assertEquals(new Crop.Window(143, 349, 43, 1172), Crop.KITTI_GARG.window(1216, 352));
    assertEquals(new Crop.Window(0, 3, 0, 5), Crop.NONE.window(5, 3));
    assertEquals(Crop.NYU_EIGEN, Crop.named("nyu-eigen"));
    assertThrows(IllegalArgumentException.class, () -> Crop.named("eigen"));
    // Depth 1 inside the crop, 5 outside; the prediction is wrong outside only.
    Crop.Window window = Crop.NYU_EIGEN.window(640, 480);
    Sample sample = sample("a", 640, 480, i -> inside(window, i % 640, i / 640) ? 1 : 5);
    PictureResult result =
        run(METRIC.withCrop(Crop.NYU_EIGEN), _ -> metres(640, 480, _ -> 1), sample)
            .pictures()
            .getFirst();
    assertEquals(426 * 560, result.pixels());
    assertEquals(0, result.metrics().absRel());
    Evaluation other =
        run(
            METRIC.withCrop(Crop.NYU_EIGEN),
            _ -> metres(4, 4, _ -> 1),
            sample("small", 4, 4, _ -> 1));
    assertEquals(
        "small: a map of 4 x 4; the crop nyu-eigen is for 640 x 480",
        other.skipped().getFirst().problem());
  }

  @Test
  void theKittiBenchmarksCropIsTheLowestMiddlePart() throws Exception {
    int width = 1220;
    int height = 360;
    // The picture's red channel and the truth tell the row.
    byte[] rgb = new byte[3 * width * height];
    float[] depths = new float[width * height];
    for (int i = 0; i < depths.length; i++) {
      boolean kept = i / width >= 8 && i % width >= 2 && i % width < 1218;
      depths[i] = kept ? 2 : 5;
      rgb[3 * i] = (byte) (kept ? 2 : 5);
    }
    Sample sample =
        new Sample(
            "a",
            new RgbImage(width, height, rgb),
            new GroundTruth(width, height, GroundTruth.Kind.DEPTH, depths),
            null);
    Predictor red = picture -> metres(picture.width(), picture.height(), i -> picture.rgb()[3 * i]);
    EvaluationSettings settings = METRIC.withKittiBenchmarkCrop(true);
    PictureResult result = run(settings, red, sample).pictures().getFirst();
    assertEquals(1216 * 352, result.pixels());
    assertEquals(0, result.metrics().absRel());
    assertEquals(
        "small: a picture of 4 x 4; the KITTI benchmark's crop is 1216 x 352",
        run(settings, red, sample("small", 4, 4, _ -> 1)).skipped().getFirst().problem());
  }

  @Test
  void settingsThatMeanNothingAreRefused() {
    for (double cap : new double[] {0, -1, 0.001, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertThrows(
          IllegalArgumentException.class, () -> EvaluationSettings.of(Protocol.METRIC, cap));
    }
    assertThrows(IllegalArgumentException.class, () -> METRIC.withBootstrap(0, 0));
  }

  @Test
  void metricsNeedPositiveDepths() {
    double[] one = {1};
    for (double depth : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertThrows(
          IllegalArgumentException.class, () -> DepthMetrics.of(one, new double[] {depth}));
      assertThrows(
          IllegalArgumentException.class, () -> DepthMetrics.of(new double[] {depth}, one));
    }
    assertThrows(
        IllegalArgumentException.class, () -> DepthMetrics.of(new double[0], new double[0]));
    assertThrows(IllegalArgumentException.class, () -> DepthMetrics.of(one, new double[2]));
  }

  @Test
  void metricsOfOnePixelAreTheirDefinitions() {
    DepthMetrics metrics = DepthMetrics.of(new double[] {2, 2}, new double[] {3, 2});
    assertEquals(0.5, metrics.delta1());
    assertEquals(1, metrics.delta2());
    assertEquals(0.25, metrics.absRel());
    assertEquals(0.25, metrics.sqRel());
    assertEquals(Math.sqrt(0.5), metrics.rmse(), 1e-15);
    double g = Math.log(1.5);
    assertEquals(Math.sqrt(g * g / 2), metrics.rmseLog(), 1e-15);
    assertEquals(Math.log10(1.5) / 2, metrics.log10(), 1e-15);
    assertEquals(100 * g / 2, metrics.siLog(), 1e-12);
    // A threshold is not within itself.
    assertEquals(0, DepthMetrics.of(new double[] {1}, new double[] {1.25}).delta1());
  }

  private static boolean inside(Crop.Window window, int x, int y) {
    return y >= window.top() && y < window.bottom() && x >= window.left() && x < window.right();
  }

  private static Evaluation run(EvaluationSettings settings, Predictor predictor, Sample... samples)
      throws InterruptedException {
    return new Evaluator(predictor, settings)
        .run(new ListDataSet(samples), EvaluationListener.NONE);
  }

  private static Sample sample(String id, int width, int height, IntToDoubleFunction depth) {
    return new Sample(
        id,
        new RgbImage(width, height, new byte[3 * width * height]),
        new GroundTruth(width, height, GroundTruth.Kind.DEPTH, floats(width * height, depth)),
        null);
  }

  private static DepthMap disparity(int width, int height, IntToDoubleFunction value) {
    return new DepthMap(width, height, DepthMap.Kind.DISPARITY, floats(width * height, value));
  }

  private static DepthMap metres(int width, int height, IntToDoubleFunction value) {
    return new DepthMap(width, height, DepthMap.Kind.METRES, floats(width * height, value));
  }

  private static float[] floats(int n, IntToDoubleFunction value) {
    float[] values = new float[n];
    Arrays.setAll(new double[n], i -> values[i] = (float) value.applyAsDouble(i));
    return values;
  }
}
