package dev.fathom.training.report;

import dev.fathom.training.evaluation.Bootstrap.Interval;
import dev.fathom.training.picture.AtomicFile;
import dev.fathom.training.picture.PictureException;
import dev.fathom.training.report.Report.Best;
import dev.fathom.training.report.Report.Block;
import dev.fathom.training.report.Report.Cell;
import dev.fathom.training.report.Report.Column;
import dev.fathom.training.report.Report.Figure;
import dev.fathom.training.report.Report.KeyFigures;
import dev.fathom.training.report.Report.LineChart;
import dev.fathom.training.report.Report.Listing;
import dev.fathom.training.report.Report.Paragraph;
import dev.fathom.training.report.Report.Row;
import dev.fathom.training.report.Report.Section;
import dev.fathom.training.report.Report.Table;
import dev.fathom.training.report.Report.Wall;
import dev.fathom.training.report.Report.WallRow;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A {@link Report} as one HTML file that needs nothing else: no script, no network, its style,
 * charts and pictures inside. It follows the reader's light or dark scheme and is well-formed XML.
 */
public final class HtmlReport {

  private final Markup out = new Markup();

  private HtmlReport() {}

  /** The page. */
  public static String html(Report report) {
    HtmlReport page = new HtmlReport();
    page.page(report);
    return page.out.toString();
  }

  /**
   * Writes the page whole or not at all, in place of one that is there. Folders above it are made.
   *
   * @throws PictureException if it cannot be written; the message names the file
   */
  public static void write(Path file, Report report) throws PictureException {
    byte[] bytes = html(report).getBytes(StandardCharsets.UTF_8);
    AtomicFile.write(file, stream -> stream.write(bytes));
  }

  private void page(Report report) {
    out.raw("<!DOCTYPE html>\n");
    out.begin("html", "lang", "en", "xmlns", "http://www.w3.org/1999/xhtml").begin("head");
    out.empty("meta", "charset", "utf-8");
    out.empty("meta", "name", "viewport", "content", "width=device-width, initial-scale=1");
    out.empty("meta", "name", "color-scheme", "content", "light dark");
    out.element("title", report.title());
    out.begin("style").raw(style()).end().endLine();
    out.begin("body").begin("header");
    out.element("h1", report.title());
    if (!report.subtitle().isEmpty()) {
      out.element("p", report.subtitle(), "class", "subtitle");
    }
    out.endLine();
    out.begin("main");
    for (Section section : report.sections()) {
      out.begin("section").element("h2", section.heading()).raw("\n");
      section.blocks().forEach(this::block);
      out.endLine();
    }
    out.end().end().endLine();
  }

  private void block(Block block) {
    switch (block) {
      case Paragraph paragraph -> out.element("p", paragraph.text()).raw("\n");
      case Listing listing -> {
        out.begin("figure").element("figcaption", listing.caption());
        out.element("pre", listing.text()).endLine();
      }
      case KeyFigures figures -> keyFigures(figures);
      case LineChart chart -> SvgChart.write(chart, out);
      case Table table -> table(table);
      case Wall wall -> wall(wall);
    }
  }

  private void keyFigures(KeyFigures figures) {
    out.begin("dl", "class", "figures");
    for (Figure figure : figures.figures()) {
      out.begin("div").element("dt", figure.label());
      out.element("dd", figure.value(), "class", "value");
      if (!figure.note().isEmpty()) {
        out.element("dd", figure.note(), "class", "note");
      }
      out.end();
    }
    out.endLine();
  }

  private void table(Table table) {
    out.begin("div", "class", "wide").begin("table");
    out.element("caption", table.caption());
    out.begin("thead").begin("tr").element("th", table.corner(), "scope", "col");
    for (Column column : table.columns()) {
      String arrow =
          switch (column.best()) {
            case LOWEST -> " \u2193";
            case HIGHEST -> " \u2191";
            case NONE -> "";
          };
      out.element("th", column.label() + arrow, "scope", "col", "class", "number");
    }
    out.end().end().begin("tbody");
    for (Row row : table.rows()) {
      out.begin("tr").element("th", row.label(), "scope", "row");
      for (int c = 0; c < table.columns().size(); c++) {
        cell(row.cells().get(c), table.columns().get(c), best(table, c));
      }
      out.endLine();
    }
    out.end().end().endLine();
  }

  private void cell(@Nullable Cell cell, Column column, String best) {
    out.begin("td", "class", "number");
    if (cell == null || Double.isNaN(cell.value())) {
      out.text("\u2013");
    } else {
      String value = decimal(cell.value(), column);
      out.element(value.equals(best) ? "strong" : "span", value);
      Interval interval = cell.interval();
      if (interval != null) {
        out.element(
            "span",
            decimal(interval.low(), column) + " to " + decimal(interval.high(), column),
            "class",
            "interval");
      }
    }
    out.end();
  }

  /** The best number of a column as it is shown; what looks the same is as good. */
  private static String best(Table table, int column) {
    Column what = table.columns().get(column);
    if (what.best() == Best.NONE || table.rows().size() < 2) {
      return "";
    }
    double best = Double.NaN;
    for (Row row : table.rows()) {
      Cell cell = row.cells().get(column);
      if (cell != null && !Double.isNaN(cell.value())) {
        boolean better = what.best() == Best.LOWEST ? cell.value() < best : cell.value() > best;
        best = better || Double.isNaN(best) ? cell.value() : best;
      }
    }
    return Double.isNaN(best) ? "" : decimal(best, what);
  }

  private static String decimal(double value, Column column) {
    return String.format(Locale.ROOT, "%." + column.decimals() + "f", value);
  }

  private void wall(Wall wall) {
    out.begin("div", "class", "wide").begin("table", "class", "wall");
    out.element("caption", wall.caption());
    out.begin("thead").begin("tr");
    for (String column : wall.columns()) {
      out.element("th", column, "scope", "col");
    }
    out.end().end().begin("tbody");
    for (WallRow row : wall.rows()) {
      out.begin("tr");
      for (int c = 0; c < wall.columns().size(); c++) {
        picture(row.pngs().get(c), row.caption() + ", " + wall.columns().get(c));
      }
      out.end().begin("tr", "class", "name");
      out.element("td", row.caption(), "colspan", "" + wall.columns().size());
      out.endLine();
    }
    out.end().end().endLine();
  }

  private void picture(byte @Nullable [] png, String alternative) {
    out.begin("td");
    if (png == null) {
      out.text("\u2013");
    } else {
      Png.Size size = Png.size(png);
      out.empty(
          "img",
          "alt",
          alternative,
          "width",
          "" + size.width(),
          "height",
          "" + size.height(),
          "src",
          "data:image/png;base64," + Base64.getEncoder().encodeToString(png));
    }
    out.end();
  }

  private static String style() {
    try (InputStream in = HtmlReport.class.getResourceAsStream("report.css")) {
      return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
