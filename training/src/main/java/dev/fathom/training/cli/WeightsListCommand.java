package dev.fathom.training.cli;

import dev.fathom.training.weights.Catalogue;
import dev.fathom.training.weights.Checkpoint;
import dev.fathom.training.weights.WeightsCache;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** {@code fathom weights list}. */
@CommandLine.Command(
    name = "list",
    description = "Shows the published checkpoints and which of them are here.")
final class WeightsListCommand extends Command {
  @Option(names = "--json", description = "As JSON, for programs; with addresses and aliases.")
  private boolean json;

  @Option(
      names = "--cache",
      paramLabel = "DIR",
      description = "The folder of downloaded checkpoints.")
  private @Nullable Path folder;

  /** One line of the list, and the JSON that programs get. */
  private record Row(
      String name,
      List<String> aliases,
      String release,
      String size,
      double maxDepthMetres,
      String format,
      double megabytes,
      String license,
      boolean commercialUse,
      String address,
      @Nullable String file) {

    static Row of(Checkpoint checkpoint, WeightsCache cache) {
      Path file = cache.pathOf(checkpoint);
      return new Row(
          checkpoint.name(),
          checkpoint.aliases(),
          checkpoint.release().label(),
          checkpoint.size(),
          checkpoint.maxDepth(),
          checkpoint.format().extension(),
          checkpoint.megabytes(),
          checkpoint.license().spdx(),
          checkpoint.license().commercial(),
          checkpoint.address().toString(),
          Files.isRegularFile(file) ? file.toAbsolutePath().toString() : null);
    }

    List<String> cells() {
      return List.of(
          name,
          release,
          maxDepthMetres > 0 ? String.format(Locale.ROOT, "to %.0f m", maxDepthMetres) : "relative",
          format,
          String.format(Locale.ROOT, megabytes < 100 ? "%.1f" : "%.0f", megabytes),
          license,
          file == null ? "" : "yes");
    }
  }

  private static final List<String> HEADER =
      List.of("NAME", "RELEASE", "DEPTH", "FORMAT", "MB", "LICENCE", "HERE");

  /** The column that is a number. */
  private static final int RIGHT_ALIGNED = 4;

  @Override
  protected int run(Console console) {
    WeightsCache cache = folder == null ? WeightsCache.ofUser() : new WeightsCache(folder);
    List<Row> rows = Catalogue.checkpoints().stream().map(known -> Row.of(known, cache)).toList();
    if (json) {
      console.out().println(Json.pretty(rows));
      return ExitCode.OK;
    }
    List<List<String>> table = new ArrayList<>();
    table.add(HEADER);
    rows.forEach(row -> table.add(row.cells()));
    print(table, console.out());
    console.note("the cache is " + cache.folder() + "; get one with: fathom weights download NAME");
    return ExitCode.OK;
  }

  private static void print(List<List<String>> table, PrintWriter out) {
    int[] widths = new int[HEADER.size()];
    for (List<String> row : table) {
      for (int i = 0; i < widths.length; i++) {
        widths[i] = Math.max(widths[i], row.get(i).length());
      }
    }
    for (List<String> row : table) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < widths.length; i++) {
        String gap = " ".repeat(widths[i] - row.get(i).length());
        line.append(i == RIGHT_ALIGNED ? gap + row.get(i) : row.get(i) + gap).append("  ");
      }
      out.println(line.toString().stripTrailing());
    }
  }
}
