package dev.fathom.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A Markdown table that is also readable as it stands: columns are as wide as their widest cell.
 */
public final class Table {

  private final List<List<String>> rows = new ArrayList<>();
  private final boolean[] right;

  /** A table; columns whose header ends with {@code :} are aligned to the right. */
  public Table(String... header) {
    right = new boolean[header.length];
    for (int i = 0; i < header.length; i++) {
      right[i] = header[i].endsWith(":");
    }
    row(Arrays.stream(header).map(cell -> cell.replaceAll(":$", "")).toArray(String[]::new));
  }

  /**
   * Adds a row.
   *
   * @throws IllegalArgumentException if it has more or fewer cells than the header
   */
  public void row(String... cells) {
    if (cells.length != right.length) {
      throw new IllegalArgumentException(cells.length + " cells for " + right.length + " columns");
    }
    rows.add(Arrays.stream(cells).map(cell -> cell.replace("|", "\\|")).toList());
  }

  /** The table, each line ended. */
  public String markdown() {
    int[] widths =
        IntStream.range(0, right.length)
            .map(i -> rows.stream().mapToInt(row -> row.get(i).length()).max().orElse(0))
            .map(width -> Math.max(width, 2))
            .toArray();
    StringBuilder text = new StringBuilder();
    for (int r = 0; r < rows.size(); r++) {
      text.append(line(rows.get(r), widths));
      if (r == 0) {
        text.append(
            IntStream.range(0, widths.length)
                .mapToObj(i -> "-".repeat(widths[i] + 1) + (right[i] ? ":" : "-"))
                .collect(Collectors.joining("|", "|", "|\n")));
      }
    }
    return text.toString();
  }

  private String line(List<String> cells, int[] widths) {
    return IntStream.range(0, widths.length)
        .mapToObj(i -> {
          String padding = " ".repeat(widths[i] - cells.get(i).length());
          return right[i] ? padding + cells.get(i) : cells.get(i) + padding;
        })
        .collect(Collectors.joining(" | ", "| ", " |\n"));
  }

  /** Three significant digits, without an exponent. */
  public static String number(double value) {
    if (value == 0 || !Double.isFinite(value)) {
      return String.format(Locale.ROOT, "%.0f", value);
    }
    int digits = 2 - (int) Math.floor(Math.log10(Math.abs(value)));
    return String.format(Locale.ROOT, "%." + Math.clamp(digits, 0, 9) + "f", value);
  }
}
