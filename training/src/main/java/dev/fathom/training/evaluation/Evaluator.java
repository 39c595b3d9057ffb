package dev.fathom.training.evaluation;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import dev.fathom.training.data.BadSampleException;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.GroundTruth;
import dev.fathom.training.data.Sample;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/**
 * Compares a network's predictions with the truth of a data set, picture by picture.
 *
 * <p>A prediction is averaged with the mirrored picture's if that is asked for, resized to the
 * truth's size (bilinear, align_corners true), compared as the {@link Protocol} says at the valid
 * pixels: those inside the crop with a known depth above the smallest and below the cap. Sky, being
 * infinitely far, is never valid. A truth that is a disparity, so known up to a factor, is inverted
 * and serves the relative protocol only.
 *
 * <p>A picture without a valid pixel, with a prediction that is not finite everywhere, that cannot
 * be read or that the network refuses is left out and named. A constant prediction is not: it has
 * defined metrics, see {@link Alignment#constant}. So no mean has a NaN in it.
 */
public final class Evaluator {

  private static final int READ_AHEAD = 2;

  private final Predictor predictor;
  private final EvaluationSettings settings;

  /** An evaluator of one network. */
  public Evaluator(Predictor predictor, EvaluationSettings settings) {
    this.predictor = predictor;
    this.settings = settings;
  }

  /**
   * Evaluates every picture of a data set. Pictures are read ahead on another thread; the network
   * runs on this one.
   *
   * @throws IllegalArgumentException if the network or the truth is of a kind that the protocol
   *     cannot use
   */
  public Evaluation run(DataSet data, EvaluationListener listener) throws InterruptedException {
    List<PictureResult> results = new ArrayList<>();
    List<SkippedPicture> skipped = new ArrayList<>();
    Deque<Future<Sample>> reading = new ArrayDeque<>();
    ExecutorService readers =
        Executors.newSingleThreadExecutor(
            task -> Thread.ofPlatform().daemon().name("fathom-read").unstarted(task));
    try {
      int submitted = 0;
      for (int i = 0; i < data.size(); i++) {
        for (; submitted < data.size() && reading.size() < READ_AHEAD; submitted++) {
          int index = submitted;
          reading.addLast(readers.submit(() -> data.read(index)));
        }
        try {
          results.add(evaluate(get(reading.removeFirst()), listener));
        } catch (BadSampleException e) {
          SkippedPicture picture = new SkippedPicture(data.id(i), String.valueOf(e.getMessage()));
          skipped.add(picture);
          listener.skipped(picture);
        }
      }
    } finally {
      readers.shutdownNow();
    }
    return Evaluation.of(data.name(), settings, results, skipped);
  }

  private PictureResult evaluate(Sample sample, EvaluationListener listener)
      throws BadSampleException {
    GroundTruth truth = sample.truth();
    if (truth == null) {
      throw bad(sample, "has no depth to compare with");
    }
    requireUsable(truth);
    Sample compared = sample;
    DepthMap prediction;
    Crop.Window window;
    try {
      if (settings.kittiBenchmarkCrop()) {
        compared = Maps.kittiBenchmarkCrop(sample, truth);
        truth = Objects.requireNonNull(compared.truth());
      }
      window = settings.crop().window(truth.width(), truth.height());
      prediction = predict(compared.picture());
    } catch (IllegalArgumentException e) {
      throw new BadSampleException(sample.id() + ": " + e.getMessage(), e);
    }
    requireUsable(prediction);
    int wrong = notFinite(prediction.values());
    if (wrong > 0) {
      throw bad(
          sample,
          "the prediction has "
              + wrong
              + " of "
              + prediction.values().length
              + " values that are not finite");
    }
    PictureResult result = compare(sample, truth, prediction, window);
    listener.evaluated(result, compared, prediction);
    return result;
  }

  private DepthMap predict(RgbImage picture) {
    DepthMap prediction = predictor.predict(picture);
    return settings.flip()
        ? Maps.meanWithMirrored(prediction, predictor.predict(Maps.mirrored(picture)))
        : prediction;
  }

  private void requireUsable(GroundTruth truth) {
    if (settings.protocol() == Protocol.METRIC && truth.kind() != GroundTruth.Kind.DEPTH) {
      throw new IllegalArgumentException(
          "the metric protocol needs depths, and this data set has disparities");
    }
  }

  private void requireUsable(DepthMap prediction) {
    if (settings.protocol() == Protocol.METRIC && prediction.kind() != DepthMap.Kind.METRES) {
      throw new IllegalArgumentException(
          "the metric protocol needs a network that predicts metres, and this one predicts"
              + " disparity");
    }
  }

  private PictureResult compare(
      Sample sample, GroundTruth truth, DepthMap prediction, Crop.Window window)
      throws BadSampleException {
    int[] valid = validPixels(truth, window);
    if (valid.length == 0) {
      throw bad(
          sample,
          "no valid pixel: none with a depth between "
              + settings.minDepth()
              + " and "
              + settings.cap()
              + (settings.crop() == Crop.NONE ? "" : " in the crop " + settings.crop().label()));
    }
    double[] resized = Maps.resized(prediction, truth.width(), truth.height());
    double[] trueDepths = new double[valid.length];
    double[] predicted = new double[valid.length];
    for (int i = 0; i < valid.length; i++) {
      trueDepths[i] = depth(truth, valid[i]);
      predicted[i] = resized[valid[i]];
    }
    Alignment alignment = null;
    if (settings.protocol() == Protocol.METRIC) {
      for (int i = 0; i < predicted.length; i++) {
        predicted[i] = Math.clamp(predicted[i], settings.minDepth(), settings.cap());
      }
    } else {
      alignment = align(prediction.kind(), predicted, trueDepths);
    }
    return new PictureResult(
        sample.id(), valid.length, DepthMetrics.of(trueDepths, predicted), alignment);
  }

  /** Replaces predictions by aligned depths. */
  private Alignment align(DepthMap.Kind kind, double[] predicted, double[] trueDepths) {
    if (kind == DepthMap.Kind.METRES) {
      for (int i = 0; i < predicted.length; i++) {
        predicted[i] = 1 / Math.max(predicted[i], settings.minDepth());
      }
    }
    Alignment alignment = Alignment.fit(predicted, trueDepths);
    for (int i = 0; i < predicted.length; i++) {
      predicted[i] = alignment.depth(predicted[i], settings.cap());
    }
    return alignment;
  }

  private int[] validPixels(GroundTruth truth, Crop.Window window) {
    int[] valid = new int[truth.values().length];
    int count = 0;
    // Depths are float32, and so are the bounds that they are compared with: 0.001 is not above
    // 0.001.
    float low = (float) settings.minDepth();
    float high = (float) settings.cap();
    for (int y = window.top(); y < window.bottom(); y++) {
      for (int x = window.left(); x < window.right(); x++) {
        int pixel = y * truth.width() + x;
        double depth = depth(truth, pixel);
        if (depth > low && depth < high) {
          valid[count++] = pixel;
        }
      }
    }
    return Arrays.copyOf(valid, count);
  }

  private static double depth(GroundTruth truth, int pixel) {
    double value = truth.values()[pixel];
    return truth.kind() == GroundTruth.Kind.DEPTH ? value : 1 / value;
  }

  private static int notFinite(float[] values) {
    int count = 0;
    for (float value : values) {
      if (!Float.isFinite(value)) {
        count++;
      }
    }
    return count;
  }

  private static BadSampleException bad(Sample sample, String problem) {
    return new BadSampleException(sample.id() + ": " + problem);
  }

  private static Sample get(Future<Sample> future) throws BadSampleException, InterruptedException {
    try {
      return future.get();
    } catch (ExecutionException e) {
      @Nullable Throwable cause = e.getCause();
      switch (cause) {
        case BadSampleException bad -> throw bad;
        case RuntimeException fault -> throw fault;
        case Error fault -> throw fault;
        case null, default -> throw new IllegalStateException(e);
      }
    }
  }
}
