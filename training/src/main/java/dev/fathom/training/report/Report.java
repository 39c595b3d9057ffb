package dev.fathom.training.report;

import dev.fathom.training.evaluation.Bootstrap.Interval;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a report says, for {@link HtmlReport} to show.
 *
 * @param title of the whole page
 * @param subtitle one line below it: when, what, with which program
 * @param sections in order
 */
public record Report(String title, String subtitle, List<Section> sections) {

  /** Copies the list. */
  public Report {
    sections = List.copyOf(sections);
  }

  /**
   * A part of the page under one heading.
   *
   * @param heading of the section
   * @param blocks in order
   */
  public record Section(String heading, List<Block> blocks) {

    /** Copies the list. */
    public Section {
      blocks = List.copyOf(blocks);
    }

    /** A section of these blocks. */
    public static Section of(String heading, Block... blocks) {
      return new Section(heading, List.of(blocks));
    }
  }

  /** What a section is made of. */
  public sealed interface Block {}

  /** A paragraph of plain text. */
  public record Paragraph(String text) implements Block {}

  /**
   * Text that keeps its lines, such as a configuration.
   *
   * @param caption above it
   * @param text in a fixed-width font
   */
  public record Listing(String caption, String text) implements Block {}

  /** The few numbers that a reader wants first. */
  public record KeyFigures(List<Figure> figures) implements Block {

    /** Copies the list. */
    public KeyFigures {
      figures = List.copyOf(figures);
    }
  }

  /**
   * One of them.
   *
   * @param label what it is
   * @param value as it is to be shown, with its unit
   * @param note in small print below; may be empty
   */
  public record Figure(String label, String value, String note) {}

  /**
   * Curves over one axis.
   *
   * @param title above the chart
   * @param xLabel what is across, such as step
   * @param yLabel what is upwards
   * @param logarithmic whether the upward axis is; values that are not positive are left out then
   * @param smoothing weight of the past in the bold curve, 0 (none) to below 1: an exponential
   *     moving average without the bias of its start. The values themselves are drawn pale
   * @param series at most eight have colours of their own
   */
  public record LineChart(
      String title,
      String xLabel,
      String yLabel,
      boolean logarithmic,
      double smoothing,
      List<Series> series)
      implements Block {

    /** Copies the list and checks the smoothing. */
    public LineChart {
      if (!(smoothing >= 0 && smoothing < 1)) {
        throw new IllegalArgumentException("smoothing " + smoothing + "; it is 0 to below 1");
      }
      series = List.copyOf(series);
    }
  }

  /** A curve. Its arrays are not copied. */
  public static final class Series {
    private final String name;
    private final double[] x;
    private final double[] y;

    /**
     * A curve.
     *
     * @param name in the legend
     * @param x ascending
     * @param y as many; the curve has a gap where one is not finite
     */
    public Series(String name, double[] x, double[] y) {
      if (x.length != y.length) {
        throw new IllegalArgumentException(
            name + ": " + x.length + " places for " + y.length + " values");
      }
      this.name = name;
      this.x = x;
      this.y = y;
    }

    /** The curve of one number in a log of metrics, where the log has it. */
    public static Series of(String name, List<MetricsLog.Entry> log, String key) {
      List<MetricsLog.Entry> with =
          log.stream().filter(entry -> entry.values().containsKey(key)).toList();
      return new Series(
          name,
          with.stream().mapToDouble(MetricsLog.Entry::step).toArray(),
          with.stream()
              .mapToDouble(entry -> entry.values().getOrDefault(key, Double.NaN))
              .toArray());
    }

    String name() {
      return name;
    }

    double[] x() {
      return x;
    }

    double[] y() {
      return y;
    }
  }

  /** Which value of a column is the best, and is shown in bold. */
  public enum Best {
    /** The smallest. */
    LOWEST,
    /** The largest. */
    HIGHEST,
    /** None is. */
    NONE
  }

  /**
   * A column of numbers.
   *
   * @param label above it
   * @param best which of its numbers is the best
   * @param decimals shown
   */
  public record Column(String label, Best best, int decimals) {}

  /**
   * A number of a table.
   *
   * @param value itself
   * @param interval around it, shown as low to high; null if there is none
   */
  public record Cell(double value, @Nullable Interval interval) {

    /** A number alone. */
    public static Cell of(double value) {
      return new Cell(value, null);
    }

    /** A mean with its interval. */
    public static Cell of(Interval interval) {
      return new Cell(interval.mean(), interval);
    }
  }

  /**
   * A row of a table.
   *
   * @param label before it
   * @param cells one for each column; null where there is no number
   */
  public record Row(String label, List<@Nullable Cell> cells) {

    /** Copies the list. */
    public Row {
      cells = Collections.unmodifiableList(new ArrayList<>(cells));
    }
  }

  /**
   * Numbers in rows and columns.
   *
   * @param caption above it
   * @param corner above the rows' labels, such as network
   * @param columns from left to right
   * @param rows from top to bottom, each with a cell for each column
   */
  public record Table(String caption, String corner, List<Column> columns, List<Row> rows)
      implements Block {

    /** Copies the lists and checks the rows. */
    public Table {
      columns = List.copyOf(columns);
      rows = List.copyOf(rows);
      for (Row row : rows) {
        if (row.cells().size() != columns.size()) {
          throw new IllegalArgumentException(
              row.label()
                  + ": "
                  + row.cells().size()
                  + " cells for "
                  + columns.size()
                  + " columns");
        }
      }
    }
  }

  /**
   * Pictures side by side, such as input, truth, teacher and student.
   *
   * @param caption above them
   * @param columns what is in each column
   * @param rows from top to bottom
   */
  public record Wall(String caption, List<String> columns, List<WallRow> rows) implements Block {

    /** Copies the lists and checks the rows. */
    public Wall {
      columns = List.copyOf(columns);
      rows = List.copyOf(rows);
      for (WallRow row : rows) {
        if (row.pngs().size() != columns.size()) {
          throw new IllegalArgumentException(
              row.caption()
                  + ": "
                  + row.pngs().size()
                  + " pictures for "
                  + columns.size()
                  + " columns");
        }
      }
    }
  }

  /**
   * A row of pictures.
   *
   * @param caption which picture it is
   * @param pngs PNG files, one for each column; null where there is none
   */
  public record WallRow(String caption, List<byte @Nullable []> pngs) {

    /** Copies the list. */
    public WallRow {
      pngs = Collections.unmodifiableList(new ArrayList<>(pngs));
    }
  }
}
