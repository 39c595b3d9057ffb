package dev.fathom.training.cli;

import dev.fathom.training.UserException;
import dev.fathom.training.picture.DepthFormat;
import dev.fathom.training.synth.Domain;
import dev.fathom.training.synth.SceneRenderer;
import dev.fathom.training.synth.SynthDataSet;
import dev.fathom.training.synth.SynthFolder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** {@code fathom synth}: rendered pictures with exact depth as a folder. */
@CommandLine.Command(
    name = "synth",
    description = "Renders pictures with exact depth: something to train on, nothing downloaded.",
    footer = {
      "",
      "Writes <domain>/<index>.png with its depth, sky mask and classes, index.tsv, README.txt and",
      "contact-sheet.png. The same options give the same bytes on any number of threads. With",
      "--shards the samples are in shard-000000.tar and so on, which training reads as they are."
    })
final class SynthCommand extends Command {
  private static final Pattern SIZE = Pattern.compile("(\\d{1,6})[xX](\\d{1,6})");
  private static final int MOST_THREADS = 1024;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "DIR",
      description = "Where to write; made if need be.")
  private @Nullable Path out;

  @Option(
      names = "--domains",
      split = ",",
      paramLabel = "NAME",
      description = "Kinds of scene, separated by commas. Default: all; --list shows them.")
  private List<String> domains = new ArrayList<>();

  @Option(
      names = "--count",
      paramLabel = "N",
      defaultValue = "100",
      description = "Pictures of each domain. Default: ${DEFAULT-VALUE}.")
  private int count;

  @Option(
      names = "--first",
      paramLabel = "N",
      defaultValue = "0",
      description =
          "Number of the first scene; sets whose numbers do not overlap share no scene. Default:"
              + " ${DEFAULT-VALUE}.")
  private int first;

  @Option(
      names = "--size",
      paramLabel = "WxH",
      defaultValue = "140x140",
      description = "Pixels. Default: ${DEFAULT-VALUE}.")
  private String size = "";

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Another seed, other scenes. Default: ${DEFAULT-VALUE}.")
  private long seed;

  @Option(names = "--threads", paramLabel = "N", description = "Default: one for each processor.")
  private @Nullable Integer threads;

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      defaultValue = "npy",
      description =
          "Of the depth: npy, pfm or exr (float metres, infinite for sky), or png16 (millimetres to"
              + " 65.535 m, 0 beyond and for sky). Default: ${DEFAULT-VALUE}.")
  private String format = "";

  @Option(
      names = "--shards",
      paramLabel = "N",
      description =
          "Write the samples into N tar files, named as WebDataset names members, instead of a file"
              + " for each picture and map.")
  private @Nullable Integer shards;

  @Option(names = "--list", description = "Show the domains and write nothing.")
  private boolean list;

  @Override
  protected int run(Console console) throws Exception {
    if (list) {
      for (Domain domain : Domain.values()) {
        console
            .out()
            .println(String.format(Locale.ROOT, "%-12s  %s", domain.label(), domain.description()));
      }
      return ExitCode.OK;
    }
    if (out == null) {
      throw new UserException("--out", "is missing: the folder to write to");
    }
    DepthFormat depth = format();
    SynthDataSet set = set();
    int workers = threads == null ? Runtime.getRuntime().availableProcessors() : threads;
    if (workers < 1 || workers > MOST_THREADS) {
      throw new UserException("--threads", workers + " is not in 1.." + MOST_THREADS);
    }
    int tars = shards == null ? 0 : shards;
    if (shards != null && (tars < 1 || tars > set.size())) {
      throw new UserException("--shards", tars + " is not in 1.." + set.size() + ", the pictures");
    }
    PredictCommand.prepare(out);
    try (Progress progress = console.progress("synth", set.size(), Progress.Unit.of("pictures"))) {
      new SynthFolder(out, set, depth, tars).write(workers, () -> progress.stepBy(1));
    }
    console.note(set.size() + (set.size() == 1 ? " picture" : " pictures") + " in " + out);
    return ExitCode.OK;
  }

  private DepthFormat format() {
    try {
      DepthFormat depth = DepthFormat.named(format);
      if (SynthFolder.FORMATS.contains(depth)) {
        return depth;
      }
    } catch (IllegalArgumentException e) {
      throw new UserException("--format", "'" + format + "' is none of npy, pfm, exr, png16", e);
    }
    throw new UserException("--format", "'" + format + "' is none of npy, pfm, exr, png16");
  }

  private SynthDataSet set() {
    List<Domain> chosen = new ArrayList<>();
    try {
      for (String name : domains) {
        Domain domain = Domain.named(name);
        if (!chosen.contains(domain)) {
          chosen.add(domain);
        }
      }
    } catch (IllegalArgumentException e) {
      throw new UserException("--domains", String.valueOf(e.getMessage()), e);
    }
    if (chosen.isEmpty()) {
      chosen.addAll(List.of(Domain.values()));
    }
    Matcher sides = SIZE.matcher(size);
    if (!sides.matches()) {
      throw new UserException("--size", "'" + size + "' is not like 140x140");
    }
    if (count < 1) {
      throw new UserException("--count", count + " is not at least 1");
    }
    if (first < 0) {
      throw new UserException("--first", first + " is below 0");
    }
    int width = Integer.parseInt(sides.group(1));
    int height = Integer.parseInt(sides.group(2));
    int most = SceneRenderer.LARGEST_SIDE;
    if (width < 1 || height < 1 || width > most || height > most) {
      throw new UserException("--size", size + ": sides of 1 to " + most + " pixels");
    }
    try {
      return new SynthDataSet(chosen, seed, first, count, width, height);
    } catch (IllegalArgumentException e) {
      throw new UserException("--count", String.valueOf(e.getMessage()), e);
    }
  }
}
