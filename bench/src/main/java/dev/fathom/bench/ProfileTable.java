package dev.fathom.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/** What {@link OperatorProfile} found, as a table. */
final class ProfileTable {

  private ProfileTable() {}

  /** The table and the figures behind it. */
  static Report.Section section(JsonNode profile) {
    double whole = profile.get("milliseconds").asDouble();
    double peak = profile.get("peakGflops").asDouble();
    Table table =
        new Table("operator", "calls:", "ms:", "of step:", "GFLOP:", "of peak:", "over limit ms:");
    List<Map<String, Object>> figures = new ArrayList<>();
    double known = 0;
    double work = 0;
    for (JsonNode row : profile.get("profile")) {
      double time = row.get("milliseconds").asDouble();
      double gflop = row.get("gflop").asDouble();
      double limit = 1e3 * gflop / peak;
      known += time;
      work += gflop;
      table.row(
          row.get("operator").asString(),
          String.format(Locale.ROOT, "%.0f", row.get("calls").asDouble()),
          Table.number(time),
          percent(time / whole),
          gflop == 0 ? "" : Table.number(gflop),
          gflop == 0 ? "" : percent(limit / time),
          Table.number(Math.max(0, time - limit)));
      Map<String, Object> figure = new LinkedHashMap<>();
      for (String name : List.of("calls", "milliseconds", "gflop")) {
        figure.put(name, row.get(name).asDouble());
      }
      figure.put("operator", row.get("operator").asString());
      figures.add(figure);
    }
    String text =
        String.format(
            Locale.ROOT,
            "A step of %.0f ms, %.1f GFLOP by direct arithmetic; at the peak of %.0f GFLOP/s measured"
                + " beside it that is %.0f ms. Between operators: %.1f ms.%n%n",
            whole,
            work,
            peak,
            1e3 * work / peak,
            whole - known);
    return new Report.Section(
        "Operators of a training step",
        text + table.markdown(),
        Map.of("milliseconds", whole, "peakGflops", peak, "operators", figures));
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f %%", 100 * share);
  }
}
