package dev.fathom.training.stage;

import dev.fathom.nn.Colormap;
import dev.fathom.nn.DepthMap;
import dev.fathom.nn.DepthModel;
import dev.fathom.training.UserException;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.GroundTruth;
import dev.fathom.training.data.Sample;
import dev.fathom.training.data.SubsetDataSet;
import dev.fathom.training.evaluation.Evaluation;
import dev.fathom.training.evaluation.EvaluationListener;
import dev.fathom.training.evaluation.EvaluationSettings;
import dev.fathom.training.evaluation.Evaluator;
import dev.fathom.training.evaluation.PictureResult;
import dev.fathom.training.evaluation.Protocol;
import dev.fathom.training.report.PictureWall;
import dev.fathom.training.report.Report;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/** Networks side by side on the test sets: metrics of each, and pictures of the first samples. */
public final class Comparison {

  private static final int LONGEST_SIDE = 224;

  /**
   * The result on one test set.
   *
   * @param name of the test set
   * @param seen whether its domain is among the labelled sets; null if the configuration does not
   *     say
   * @param byNetwork in the order in which the networks were given
   */
  public record TestSet(
      String name, @Nullable Boolean seen, SequencedMap<String, Evaluation> byNetwork) {}

  private final RunConfig config;
  private final Sources sources;
  private final StageListener listener;
  private final List<TestSet> results = new ArrayList<>();
  private final List<Report.WallRow> wall = new ArrayList<>();

  private Comparison(RunConfig config, Sources sources, StageListener listener) {
    this.sources = sources;
    this.config = config;
    this.listener = listener;
  }

  /**
   * Evaluates networks, in the relative protocol up to {@code evaluation.cap}, without a crop.
   *
   * @param networks weights by name
   * @throws dev.fathom.training.UserException if a test set cannot be opened or has no depth
   */
  public static Comparison of(
      RunConfig config,
      SequencedMap<String, Path> networks,
      Sources sources,
      StageListener listener)
      throws IOException {
    Comparison comparison = new Comparison(config, sources, listener);
    comparison.run(networks);
    return comparison;
  }

  /** One result for each test set. */
  public List<TestSet> results() {
    return List.copyOf(results);
  }

  /** Rows of input, truth, and each network's map. */
  public List<Report.WallRow> wall() {
    return List.copyOf(wall);
  }

  private void run(SequencedMap<String, Path> networks) throws IOException {
    SequencedMap<String, DepthModel> models = new LinkedHashMap<>();
    try {
      for (Map.Entry<String, Path> network : networks.entrySet()) {
        models.put(
            network.getKey(), DepthModel.load(network.getValue(), ModelSetup.inference(config)));
      }
      List<RunConfig.Source> tests = config.data().test();
      for (int i = 0; i < tests.size(); i++) {
        String key = "data.test[" + i + "]";
        try (DataSet whole = sources.open(key, tests.get(i))) {
          Sources.requireTruth(key, whole);
          String given = tests.get(i).name();
          String name = given == null ? whole.name() : given;
          DataSet set = limited(whole, config);
          results.add(new TestSet(name, tests.get(i).seen(), evaluate(name, set, models)));
        }
      }
    } finally {
      models.values().forEach(DepthModel::close);
    }
  }

  /** The part of a test set that a configuration's {@code evaluation.limit} leaves. */
  public static DataSet limited(DataSet whole, RunConfig config) {
    int limit = config.evaluation().limit();
    return limit > 0 && limit < whole.size() ? SubsetDataSet.range(whole, 0, limit) : whole;
  }

  private SequencedMap<String, Evaluation> evaluate(
      String name, DataSet set, SequencedMap<String, DepthModel> models) {
    PictureWall pictures =
        new PictureWall(Colormap.named("inferno", DepthMap.Kind.DISPARITY), LONGEST_SIDE);
    List<String> captions = new ArrayList<>();
    List<List<byte @Nullable []>> rows = new ArrayList<>();
    SequencedMap<String, Evaluation> byNetwork = new LinkedHashMap<>();
    EvaluationSettings settings =
        EvaluationSettings.of(Protocol.RELATIVE, config.evaluation().cap())
            .withBootstrap(2000, config.seed());
    for (Map.Entry<String, DepthModel> model : models.entrySet()) {
      String task = model.getKey() + " on " + name;
      listener.begin(task, 0, set.size(), "pictures", 0);
      boolean first = rows.isEmpty();
      try {
        int[] seen = new int[1];
        EvaluationListener watching =
            new EvaluationListener() {
              @Override
              public void evaluated(PictureResult result, Sample sample, DepthMap prediction) {
                int at = seen[0]++;
                listener.step(seen[0], new LinkedHashMap<>());
                if (at >= config.evaluation().pictures()) {
                  return;
                }
                if (first) {
                  captions.add(name + " " + sample.id());
                  GroundTruth truth = sample.truth();
                  List<byte @Nullable []> row = new ArrayList<>();
                  row.add(pictures.picture(sample.picture()));
                  row.add(truth == null ? null : pictures.map(truth));
                  rows.add(row);
                }
                if (at < rows.size()) {
                  rows.get(at).add(pictures.map(prediction, sample.picture()));
                }
              }
            };
        byNetwork.put(
            model.getKey(),
            new Evaluator(model.getValue()::estimateRaw, settings).run(set, watching));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new CancellationException("interrupted while evaluating");
      } catch (IllegalArgumentException e) {
        throw new UserException(name, String.valueOf(e.getMessage()), e);
      } finally {
        listener.end();
      }
    }
    for (int i = 0; i < rows.size(); i++) {
      // A picture that one network could not take has no map of it.
      while (rows.get(i).size() < 2 + models.size()) {
        rows.get(i).add(null);
      }
      wall.add(new Report.WallRow(captions.get(i), rows.get(i)));
    }
    return byNetwork;
  }
}
