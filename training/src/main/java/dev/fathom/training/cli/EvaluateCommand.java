package dev.fathom.training.cli;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.DepthModel;
import dev.fathom.training.UserException;
import dev.fathom.training.config.RunConfig;
import dev.fathom.training.data.DataSet;
import dev.fathom.training.data.Sample;
import dev.fathom.training.evaluation.Bootstrap;
import dev.fathom.training.evaluation.Crop;
import dev.fathom.training.evaluation.Evaluation;
import dev.fathom.training.evaluation.EvaluationListener;
import dev.fathom.training.evaluation.EvaluationSettings;
import dev.fathom.training.evaluation.Evaluator;
import dev.fathom.training.evaluation.PictureResult;
import dev.fathom.training.evaluation.Protocol;
import dev.fathom.training.evaluation.SkippedPicture;
import dev.fathom.training.report.JsonFiles;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code fathom evaluate}: how far a network's depth is from the truth. */
@CommandLine.Command(
    name = "evaluate",
    description = "Measures a network's depth against known depth.",
    footer = {
      "",
      "Prints the mean of each metric over the pictures with its 95 %% confidence interval.",
      "A picture that cannot be compared is named and left out; the exit code is then 2."
    })
final class EvaluateCommand extends Command {
  private static final String RESULT = "evaluation.json";

  /** How results are printed. */
  enum Format {
    TABLE,
    JSON
  }

  @Mixin private ModelOptions model = new ModelOptions();

  @Mixin private DataOptions data = new DataOptions();

  @Option(
      names = "--protocol",
      paramLabel = "PROTOCOL",
      defaultValue = "relative",
      description =
          "relative: scale and shift are first fitted to the truth of each picture; metric: metres"
              + " as they are. Default: relative.")
  private Protocol protocol = Protocol.RELATIVE;

  @Option(
      names = "--cap",
      paramLabel = "M",
      description =
          "Only depths below so many metres are compared. Default: 10 with --crop nyu-eigen, else"
              + " 80.")
  private @Nullable Double cap;

  @Option(
      names = "--crop",
      paramLabel = "CROP",
      defaultValue = "none",
      description = "Part of the map that is compared: nyu-eigen, kitti-garg or none (default).")
  private String crop = "";

  @Option(
      names = "--kb-crop",
      description = "First cut pictures and maps to the lowest, middle 352x1216, as for KITTI.")
  private boolean kittiBenchmarkCrop;

  @Option(
      names = "--flip",
      description = "Average each prediction with that of the mirrored picture.")
  private boolean flip;

  @Option(
      names = "--resamples",
      paramLabel = "N",
      description = "Bootstrap resamples for the confidence intervals. Default: 2000.")
  private int resamples = Bootstrap.RESAMPLES;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "DIR",
      description = "Writes " + RESULT + " there: settings, means, every picture.")
  private @Nullable Path out;

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      defaultValue = "table",
      description = "What is printed: table or json. Default: table.")
  private Format format = Format.TABLE;

  @Override
  protected int run(Console console) throws Exception {
    RunConfig config = data.config();
    if (config != null) {
      model.usualInputSize(config.input().side());
    }
    EvaluationSettings settings = settings(config);
    ModelOptions.Chosen chosen = model.chosen();
    int inputSize = model.options(chosen).inputSize();
    Evaluation evaluation;
    Map<String, Object> json = new LinkedHashMap<>();
    try (DataSet samples = data.open();
        DepthModel network = model.load(chosen, console)) {
      json.put("fathom", new Fathom.Version().getVersion()[0]);
      json.put("weights", String.valueOf(chosen.file().getFileName()));
      json.put("network", network.config().name() + " " + network.config().release().label());
      evaluation = evaluate(network, samples, settings, console);
    }
    json.putAll(evaluation.toJson(Map.of("input_size", inputSize)));
    if (out != null) {
      JsonFiles.write(out.resolve(RESULT), json);
    }
    if (format == Format.JSON) {
      console.out().println(JsonFiles.text(json));
    } else {
      print(evaluation, console.out());
    }
    return conclude(evaluation, console);
  }

  private EvaluationSettings settings(@Nullable RunConfig config) {
    String option = "--crop";
    try {
      Crop chosen = Crop.named(crop);
      option = "--cap";
      double usualCap = config != null ? config.evaluation().cap() : chosen.usualCap();
      EvaluationSettings settings =
          EvaluationSettings.of(protocol, cap != null ? cap : usualCap)
              .withCrop(chosen)
              .withKittiBenchmarkCrop(kittiBenchmarkCrop)
              .withFlip(flip);
      option = "--resamples";
      return settings.withBootstrap(resamples, config != null ? config.seed() : 0);
    } catch (IllegalArgumentException e) {
      throw new UserException(option, String.valueOf(e.getMessage()), e);
    }
  }

  private Evaluation evaluate(
      DepthModel network, DataSet samples, EvaluationSettings settings, Console console)
      throws InterruptedException {
    if (protocol == Protocol.METRIC && network.kind() != DepthMap.Kind.METRES) {
      throw new UserException(
          "--protocol", "metric needs a network that predicts metres; this one predicts disparity");
    }
    if (protocol == Protocol.METRIC && data.disparity()) {
      throw new UserException("--protocol", "metric needs maps of depth, not of disparity");
    }
    try (Progress progress =
        console.progress("evaluate", samples.size(), Progress.Unit.of("pictures"))) {
      return new Evaluator(network::estimateRaw, settings)
          .run(
              samples,
              new EvaluationListener() {
                @Override
                public void evaluated(PictureResult result, Sample sample, DepthMap prediction) {
                  progress.stepBy(1);
                }

                @Override
                public void skipped(SkippedPicture skipped) {
                  console.error(UserException.of(skipped.problem()));
                  progress.stepBy(1);
                }
              });
    }
  }

  private static void print(Evaluation evaluation, PrintWriter out) {
    if (evaluation.means().isEmpty()) {
      return;
    }
    out.printf(Locale.ROOT, "%-9s %9s   %s%n", "metric", "mean", "95 % interval");
    evaluation
        .means()
        .forEach((metric, interval) ->
            out.printf(
                Locale.ROOT,
                "%-9s %9.4f   %.4f to %.4f%n",
                metric.label(),
                interval.mean(),
                interval.low(),
                interval.high()));
  }

  private int conclude(Evaluation evaluation, Console console) {
    int constant = evaluation.constantPredictions();
    if (constant > 0) {
      console.warn(
          constant
              + " of the predictions "
              + (constant == 1 ? "is" : "are")
              + " the same everywhere");
    }
    int done = evaluation.pictures().size();
    int failed = evaluation.skipped().size();
    if (failed > 0) {
      console.warn(done + " evaluated, " + failed + " left out");
      return ExitCode.USER;
    }
    console.note(
        done
            + (done == 1 ? " picture" : " pictures")
            + " of "
            + evaluation.data()
            + (out == null ? "" : "; " + out.resolve(RESULT)));
    return ExitCode.OK;
  }
}
