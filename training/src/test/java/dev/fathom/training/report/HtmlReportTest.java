package dev.fathom.training.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.Colormap;
import dev.fathom.nn.DepthMap;
import dev.fathom.nn.RgbImage;
import dev.fathom.training.evaluation.Bootstrap.Interval;
import dev.fathom.training.report.Report.Best;
import dev.fathom.training.report.Report.Cell;
import dev.fathom.training.report.Report.Column;
import dev.fathom.training.report.Report.Figure;
import dev.fathom.training.report.Report.KeyFigures;
import dev.fathom.training.report.Report.LineChart;
import dev.fathom.training.report.Report.Listing;
import dev.fathom.training.report.Report.Paragraph;
import dev.fathom.training.report.Report.Row;
import dev.fathom.training.report.Report.Section;
import dev.fathom.training.report.Report.Series;
import dev.fathom.training.report.Report.Table;
import dev.fathom.training.report.Report.Wall;
import dev.fathom.training.report.Report.WallRow;
import java.io.ByteArrayInputStream;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class HtmlReportTest {

  private static final String NASTY =
      "<b onload=\"x\">'&amp;\u0000\u001b\uD800 ]]> \u00e9\uD83D\uDE00";
  private static final String SHOWN =
      "<b onload=\"x\">'&amp;\uFFFD\uFFFD\uFFFD ]]> \u00e9\uD83D\uDE00";

  @TempDir private Path folder;

  @Test
  void thePageIsWellFormedAndNeedsNothingElse() throws Exception {
    Path file = folder.resolve("new/report.html");
    HtmlReport.write(file, everything());
    String html = Files.readString(file);
    assertTrue(html.startsWith("<!DOCTYPE html>"), "no quirks mode");
    Document page = parse(html);
    for (String element : List.of("script", "link", "iframe", "object")) {
      assertEquals(0, page.getElementsByTagName(element).getLength(), element);
    }
    assertFalse(html.contains("url("), "no font or picture of the style is fetched");
    for (Element picture : elements(page, "img")) {
      assertTrue(picture.getAttribute("src").startsWith("data:image/png;base64,"));
    }
    assertFalse(html.contains("href"));
  }

  @Test
  void everyTextIsEscaped() throws Exception {
    Document page = parse(HtmlReport.html(everything()));
    assertEquals(0, page.getElementsByTagName("b").getLength());
    assertEquals(SHOWN, elements(page, "h1").getFirst().getTextContent());
    for (String element :
        List.of("h2", "p", "dt", "dd", "figcaption", "pre", "caption", "th", "td", "li", "text")) {
      assertTrue(
          elements(page, element).stream().anyMatch(e -> e.getTextContent().contains(SHOWN)),
          element);
    }
    assertTrue(elements(page, "img").stream().allMatch(e -> e.getAttribute("alt").contains(SHOWN)));
  }

  @Test
  void theBestOfAColumnIsBoldAndTiesAsShownAreToo() throws Exception {
    List<Column> columns =
        List.of(
            new Column("AbsRel", Best.LOWEST, 3),
            new Column("delta1", Best.HIGHEST, 2),
            new Column("pictures", Best.NONE, 0));
    Table table =
        new Table(
            "Validation",
            "network",
            columns,
            List.of(
                new Row(
                    "teacher",
                    List.of(Cell.of(new Interval(0.1234, 0.1, 0.2)), Cell.of(0.901), Cell.of(5))),
                new Row(
                    "student",
                    List.of(Cell.of(new Interval(0.0567, 0.05, 0.06)), Cell.of(0.904), Cell.of(5))),
                new Row("none", Arrays.asList(null, Cell.of(Double.NaN), Cell.of(5)))));
    Document page = parse(HtmlReport.html(of(table)));
    List<String> best = elements(page, "strong").stream().map(Element::getTextContent).toList();
    assertEquals(List.of("0.90", "0.057", "0.90"), best);
    assertTrue(HtmlReport.html(of(table)).contains("0.050 to 0.060"));
    assertThrows(
        IllegalArgumentException.class,
        () -> new Table("", "", columns, List.of(new Row("short", List.of(Cell.of(1))))));
  }

  @Test
  void chartsKeepTheirCurvesInsideTheFrame() throws Exception {
    double[] x = new double[10_000];
    double[] y = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      x[i] = i;
      y[i] = Math.exp(-i / 2000.0) + (i == 5000 ? 3 : 0);
    }
    y[77] = Double.NaN;
    y[78] = Double.POSITIVE_INFINITY;
    for (boolean logarithmic : new boolean[] {false, true}) {
      LineChart chart =
          new LineChart(
              "Loss", "step", "loss", logarithmic, 0.9, List.of(new Series("student", x, y)));
      Document page = parse(HtmlReport.html(of(chart)));
      List<Element> paths =
          elements(page, "path").stream()
              .filter(e -> e.getAttribute("class").contains("series"))
              .toList();
      assertEquals(2, paths.size(), "raw and smoothed");
      double highest = 1000;
      for (Element path : paths) {
        String data = path.getAttribute("d");
        assertFalse(data.contains("NaN") || data.contains("Infinity"));
        assertTrue(data.indexOf('M', 1) > 0, "a gap where the value is not finite");
        String[] points = data.replace("h0", "").substring(1).split("[ML]", -1);
        assertTrue(points.length <= 1000, points.length + " points");
        for (String point : points) {
          String[] at = point.split(" ", -1);
          assertTrue(Double.parseDouble(at[0]) >= 74 && Double.parseDouble(at[0]) <= 704, point);
          assertTrue(Double.parseDouble(at[1]) >= 14 && Double.parseDouble(at[1]) <= 270, point);
          highest = Math.min(highest, Double.parseDouble(at[1]));
        }
      }
      assertTrue(highest < 40, "the single peak is drawn");
      assertTrue(elements(page, "text").size() > 8, "ticks");
    }
  }

  @Test
  void chartsOfNothingOfOnePointAndOfAConstantAreDrawn() throws Exception {
    double[] nothing = {};
    for (boolean logarithmic : new boolean[] {false, true}) {
      for (double[] y :
          List.of(
              nothing,
              new double[] {0},
              new double[] {-3, -3},
              new double[] {1e-30, 1e30},
              new double[] {Double.NaN},
              new double[] {5})) {
        double[] x = new double[y.length];
        Arrays.setAll(x, i -> i);
        LineChart chart =
            new LineChart("t", "x", "y", logarithmic, 0, List.of(new Series("s", x, y)));
        String html = HtmlReport.html(of(chart));
        parse(html);
        assertFalse(html.contains("NaN") || html.contains("Infinity"), Arrays.toString(y));
      }
    }
    assertThrows(
        IllegalArgumentException.class, () -> new LineChart("t", "x", "y", false, 1, List.of()));
    assertThrows(IllegalArgumentException.class, () -> new Series("s", nothing, new double[] {1}));
  }

  @Test
  void smoothingHasNoBiasAtItsStart() {
    double[] smooth = Curve.smoothed(new double[] {4, 4, Double.NaN, 8}, 0.5);
    assertEquals(4, smooth[0], 1e-15);
    assertEquals(4, smooth[1], 1e-15);
    assertTrue(Double.isNaN(smooth[2]));
    // Weights 0.125, 0.25 and 0.5 of 4, 4 and 8.
    assertEquals((0.125 * 4 + 0.25 * 4 + 0.5 * 8) / 0.875, smooth[3], 1e-15);
  }

  @Test
  void ticksAreAtRoundNumbers() {
    assertEquals(List.of(0.0, 20.0, 40.0, 60.0, 80.0, 100.0), Axis.of(0, 100, false, 6).ticks());
    assertEquals(
        List.of("0.01", "0.1", "1", "10"),
        logTicks(0.005, 20).stream().filter(t -> t.startsWith("1") || t.endsWith("1")).toList());
    assertEquals("1500", Axis.text(1500));
    assertEquals("0.02", Axis.text(0.02));
    assertEquals("2e-5", Axis.text(2e-5));
    assertEquals("-1.5e7", Axis.text(-1.5e7));
    assertEquals("0.3", Axis.text(0.1 + 0.2));
  }

  @Test
  void picturesAreReducedAndKeepWhatIsKnown() throws Exception {
    PictureWall wall = new PictureWall(Colormap.GRAY, 4);
    float[] values = new float[8 * 2];
    Arrays.fill(values, 0, 8, 1);
    values[0] = Float.NaN;
    values[1] = Float.NaN;
    values[8] = Float.NaN;
    values[9] = Float.NaN;
    var image =
        ImageIO.read(
            new ByteArrayInputStream(
                wall.map(new DepthMap(8, 2, DepthMap.Kind.DISPARITY, values), blank(8, 2))));
    assertEquals(4, image.getWidth());
    assertEquals(1, image.getHeight());
    // A shift and a scale change nothing.
    DepthMap map = new DepthMap(2, 1, DepthMap.Kind.DISPARITY, new float[] {1, 3});
    DepthMap other = new DepthMap(2, 1, DepthMap.Kind.DISPARITY, new float[] {-7, 50});
    DepthMap metres = new DepthMap(2, 1, DepthMap.Kind.METRES, new float[] {9, 2});
    assertEquals(
        Base64.getEncoder().encodeToString(wall.map(map, blank(2, 1))),
        Base64.getEncoder().encodeToString(wall.map(other, blank(2, 1))));
    assertEquals(
        Base64.getEncoder().encodeToString(wall.map(map, blank(2, 1))),
        Base64.getEncoder().encodeToString(wall.map(metres, blank(2, 1))));
  }

  private static RgbImage blank(int width, int height) {
    return new RgbImage(width, height, new byte[3 * width * height]);
  }

  /** Networks see whole patches: their maps have other sides, and proportions, than pictures. */
  @Test
  void predictionsHaveTheSizeOfTheirPictures() throws Exception {
    PictureWall wall = new PictureWall(Colormap.GRAY, 60);
    float[] ramp = new float[14 * 7];
    for (int i = 0; i < ramp.length; i++) {
      ramp[i] = i % 14;
    }
    DepthMap map = new DepthMap(14, 7, DepthMap.Kind.DISPARITY, ramp);
    for (RgbImage picture : List.of(blank(50, 27), blank(240, 128), blank(5, 3), blank(5, 60))) {
      var shown = ImageIO.read(new ByteArrayInputStream(wall.picture(picture)));
      var predicted = ImageIO.read(new ByteArrayInputStream(wall.map(map, picture)));
      assertEquals(shown.getWidth(), predicted.getWidth());
      assertEquals(shown.getHeight(), predicted.getHeight());
      int last = predicted.getWidth() - 1;
      assertEquals(0, predicted.getRaster().getSample(0, 0, 0), "the left is the farthest");
      assertEquals(255, predicted.getRaster().getSample(last, 0, 0));
      for (int x = 1; x <= last; x++) {
        assertTrue(
            predicted.getRaster().getSample(x, 0, 0)
                >= predicted.getRaster().getSample(x - 1, 0, 0));
      }
    }
  }

  private static List<String> logTicks(double low, double high) {
    return Axis.of(low, high, true, 6).ticks().stream().map(Axis::text).toList();
  }

  private static Report of(Report.Block block) {
    return new Report("Title", "", List.of(Section.of("Section", block)));
  }

  private static Report everything() {
    PictureWall wall = new PictureWall(Colormap.INFERNO, 100);
    byte[] png = wall.picture(new RgbImage(3, 2, new byte[18]));
    return new Report(
        NASTY,
        NASTY,
        List.of(
            Section.of(
                NASTY,
                new Paragraph(NASTY),
                new KeyFigures(List.of(new Figure(NASTY, NASTY, NASTY))),
                new LineChart(
                    NASTY,
                    NASTY,
                    NASTY,
                    false,
                    0.5,
                    List.of(new Series(NASTY, new double[] {1, 2}, new double[] {3, 4}))),
                new Table(
                    NASTY,
                    NASTY,
                    List.of(new Column(NASTY, Best.LOWEST, 3)),
                    List.of(new Row(NASTY, List.of(Cell.of(1))))),
                new Wall(
                    NASTY,
                    List.of(NASTY, "missing"),
                    List.of(new WallRow(NASTY, Arrays.asList(png, null)))),
                new Listing(NASTY, NASTY))));
  }

  private static Document parse(String html) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(html)));
  }

  private static List<Element> elements(Document page, String name) {
    NodeList nodes = page.getElementsByTagName(name);
    List<Element> elements = new ArrayList<>();
    for (int i = 0; i < nodes.getLength(); i++) {
      elements.add((Element) nodes.item(i));
    }
    return elements;
  }
}
