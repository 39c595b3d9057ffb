package dev.fathom.training.report;

import dev.fathom.training.report.Report.LineChart;
import dev.fathom.training.report.Report.Series;
import java.util.List;
import java.util.Locale;

/**
 * A {@link LineChart} as inline SVG with axes, ticks and grid, and its legend as a list below. The
 * colours are the page's classes, so that they follow its light and dark schemes.
 */
final class SvgChart {

  private static final int WIDTH = 720;
  private static final int HEIGHT = 320;
  private static final int LEFT = 74;
  private static final int RIGHT = 16;
  private static final int TOP = 14;
  private static final int BOTTOM = 50;
  private static final int X_TICKS = 8;
  private static final int Y_TICKS = 6;
  private static final int COLOURS = 8;
  private static final double ROOM = 0.05;

  private final LineChart chart;
  private final Markup out;

  private SvgChart(LineChart chart, Markup out) {
    this.chart = chart;
    this.out = out;
  }

  static void write(LineChart chart, Markup out) {
    new SvgChart(chart, out).write();
  }

  private void write() {
    out.begin("figure", "class", "chart");
    out.element("figcaption", chart.title());
    double[] xRange = {Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY};
    double[] yRange = {Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY};
    for (Series series : chart.series()) {
      for (int i = 0; i < series.x().length; i++) {
        if (isShown(series.x()[i], series.y()[i])) {
          extend(xRange, series.x()[i]);
          extend(yRange, series.y()[i]);
        }
      }
    }
    if (xRange[0] > xRange[1]) {
      out.element("p", "No values yet.", "class", "note").endLine();
      return;
    }
    if (!chart.logarithmic()) {
      double room = ROOM * (yRange[1] - yRange[0]);
      // Room above and below, but an axis of positive numbers does not go below 0 for it.
      yRange[0] = yRange[0] >= 0 ? Math.max(0, yRange[0] - room) : yRange[0] - room;
      yRange[1] += room;
    }
    Axis x = Axis.of(xRange[0], xRange[1], false, X_TICKS);
    Axis y = Axis.of(yRange[0], yRange[1], chart.logarithmic(), Y_TICKS);
    out.begin(
        "svg",
        "viewBox",
        "0 0 " + WIDTH + " " + HEIGHT,
        "role",
        "img",
        "aria-label",
        chart.title() + ": " + chart.yLabel() + " over " + chart.xLabel(),
        "xmlns",
        "http://www.w3.org/2000/svg");
    axes(x, y);
    boolean smooth = chart.smoothing() > 0;
    if (smooth) {
      curves(x, y, "raw", 0);
    }
    curves(x, y, "line", chart.smoothing());
    out.end();
    legend(chart.series());
    out.endLine();
  }

  private static void extend(double[] range, double value) {
    range[0] = Math.min(range[0], value);
    range[1] = Math.max(range[1], value);
  }

  private boolean isShown(double x, double y) {
    return Double.isFinite(x) && Double.isFinite(y) && (!chart.logarithmic() || y > 0);
  }

  private void axes(Axis x, Axis y) {
    int bottom = HEIGHT - BOTTOM;
    for (double tick : y.ticks()) {
      String at = number(placeY(y, tick));
      out.empty(
          "line", "class", "grid", "x1", "" + LEFT, "x2", "" + (WIDTH - RIGHT), "y1", at, "y2", at);
      out.element(
          "text",
          Axis.text(tick),
          "class",
          "tick",
          "text-anchor",
          "end",
          "dominant-baseline",
          "middle",
          "x",
          "" + (LEFT - 8),
          "y",
          at);
    }
    for (double tick : x.ticks()) {
      String at = number(placeX(x, tick));
      out.empty(
          "line", "class", "axis", "x1", at, "x2", at, "y1", "" + bottom, "y2", "" + (bottom + 5));
      out.element(
          "text",
          Axis.text(tick),
          "class",
          "tick",
          "text-anchor",
          "middle",
          "x",
          at,
          "y",
          "" + (bottom + 19));
    }
    String corner = "M" + LEFT + " " + TOP + "V" + bottom + "H" + (WIDTH - RIGHT);
    out.empty("path", "class", "axis", "fill", "none", "d", corner);
    out.element(
        "text",
        chart.xLabel(),
        "class",
        "label",
        "text-anchor",
        "middle",
        "x",
        "" + (LEFT + WIDTH - RIGHT) / 2,
        "y",
        "" + (HEIGHT - 8));
    int middle = (TOP + bottom) / 2;
    out.element(
        "text",
        chart.yLabel(),
        "class",
        "label",
        "text-anchor",
        "middle",
        "x",
        "14",
        "y",
        "" + middle,
        "transform",
        "rotate(-90 14 " + middle + ")");
  }

  private void curves(Axis x, Axis y, String kind, double smoothing) {
    for (int s = 0; s < chart.series().size(); s++) {
      Series series = chart.series().get(s);
      double[] values = series.y();
      if (smoothing > 0) {
        values = Curve.smoothed(values, smoothing);
      }
      StringBuilder path = new StringBuilder();
      boolean drawing = false;
      for (int i : Curve.drawn(values)) {
        boolean shown = isShown(series.x()[i], values[i]);
        if (shown) {
          path.append(drawing ? 'L' : 'M')
              .append(number(placeX(x, series.x()[i])))
              .append(' ')
              .append(number(placeY(y, values[i])));
          if (!drawing) {
            // A point with gaps on both sides is a dot: the line's end is round.
            path.append("h0");
          }
        }
        drawing = shown;
      }
      out.begin(
          "path", "class", kind + " series" + s % COLOURS, "fill", "none", "d", path.toString());
      out.element("title", series.name()).end();
    }
  }

  private void legend(List<Series> all) {
    out.begin("ul", "class", "legend");
    for (int s = 0; s < all.size(); s++) {
      out.begin("li");
      out.begin("span", "class", "swatch series" + s % COLOURS).end();
      out.text(all.get(s).name());
      double last = last(all.get(s).y());
      if (!Double.isNaN(last)) {
        out.element("span", Axis.text(last), "class", "last");
      }
      out.end();
    }
    out.end();
  }

  /** The last finite value, smoothed as it is drawn. */
  private double last(double[] values) {
    double[] drawn = Curve.smoothed(values, chart.smoothing());
    for (int i = drawn.length - 1; i >= 0; i--) {
      if (!Double.isNaN(drawn[i])) {
        return drawn[i];
      }
    }
    return Double.NaN;
  }

  private static double placeX(Axis axis, double value) {
    return LEFT + axis.at(value) * (WIDTH - LEFT - RIGHT);
  }

  private static double placeY(Axis axis, double value) {
    return HEIGHT - BOTTOM - axis.at(value) * (HEIGHT - TOP - BOTTOM);
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, "%.1f", value);
  }
}
