package dev.fathom.training.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.DepthMap;
import dev.fathom.training.picture.DepthFormat;
import dev.fathom.training.picture.DepthOptions;
import dev.fathom.training.picture.DepthWriter;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the numbers in the files become. */
class SampleReaderTest {

  private static final float NAN = Float.NaN;
  private static final float INF = Float.POSITIVE_INFINITY;

  @TempDir Path folder;
  private DataSpec spec = DataSpec.of("set");
  private Part mask;
  private Part sky;
  private Part classes;

  private Part part(String name, byte[] bytes) {
    Fixtures.write(folder, name, bytes);
    return Part.file(folder, name);
  }

  private Sample read(byte[] depth) throws BadSampleException {
    return read(4, 2, depth);
  }

  private Sample read(int width, int height, byte[] depth) throws BadSampleException {
    Part picture = part("picture.png", Fixtures.picture(width, height, 3));
    Part map = part("map", depth);
    return new SampleReader(spec).read(new SampleParts("s", picture, map, mask, sky, classes));
  }

  private String problem(int width, int height, byte[] depth) {
    return assertThrows(BadSampleException.class, () -> read(width, height, depth)).getMessage();
  }

  @Test
  void millimetresWithGaps() throws Exception {
    spec = spec.withNumbers(DataSpec.Kind.DEPTH, 0.001);
    GroundTruth truth = read(Fixtures.grey16(4, 2, (x, y) -> 500 * x + 1500 * y)).truth();
    assertEquals(GroundTruth.Kind.DEPTH, truth.kind());
    assertArrayEquals(new float[] {NAN, .5f, 1, 1.5f, 1.5f, 2, 2.5f, 3}, truth.values(), 1e-6f);
  }

  @Test
  void otherInvalidNumbersReplaceZero() throws Exception {
    spec = spec.withInvalid(List.of(7.0)).withNumbers(DataSpec.Kind.DISPARITY, 1);
    float[] values = read(Fixtures.grey8(4, 2, (x, y) -> x == 0 ? 0 : 6 + x)).truth().values();
    assertArrayEquals(new float[] {0, NAN, 8, 9, 0, NAN, 8, 9}, values);
  }

  @Test
  void depthThatIsNoneIsNotValid() throws Exception {
    float[] values =
        read(Fixtures.pfm(4, 2, 0, -1, NAN, INF, 1e-42f, -INF, 2, 3e38f)).truth().values();
    assertArrayEquals(new float[] {NAN, NAN, NAN, NAN, NAN, NAN, 2, 3e38f}, values);
  }

  @Test
  void disparityOfZeroIsFarInFloatFiles() throws Exception {
    spec = spec.withNumbers(DataSpec.Kind.DISPARITY, 2);
    GroundTruth truth = read(Fixtures.pfm(4, 2, 0, -1, NAN, INF, 1, 2, 3, 4)).truth();
    assertEquals(GroundTruth.Kind.DISPARITY, truth.kind());
    assertArrayEquals(new float[] {0, NAN, NAN, NAN, 2, 4, 6, 8}, truth.values());
  }

  @Test
  void limitsAreOfDepthForInverseDepthToo() throws Exception {
    spec = spec.withNumbers(DataSpec.Kind.INVERSE_DEPTH, 1).withLimits(1, 10);
    assertArrayEquals(
        new float[] {NAN, NAN, .1f, .5f, 1, NAN, NAN, .25f},
        read(Fixtures.pfm(4, 2, 0, .05f, .1f, .5f, 1, 1.5f, 2, .25f)).truth().values());
    spec = DataSpec.of("set").withLimits(1, 10);
    assertArrayEquals(
        new float[] {NAN, 1, 2, 10, NAN, NAN, 3, 4},
        read(Fixtures.pfm(4, 2, .5f, 1, 2, 10, 10.5f, 80, 3, 4)).truth().values());
  }

  @Test
  void maskTakesAwayAndSkyIsInfinitelyFar() throws Exception {
    mask = part("mask.png", Fixtures.grey8(4, 2, (x, y) -> x > 1 ? 255 : 0));
    sky = part("sky.png", Fixtures.grey8(4, 2, (x, y) -> y == 0 && x < 3 && x > 0 ? 1 : 0));
    byte[] map = Fixtures.pfm(4, 2, 1, 2, 3, 4, 5, 6, 7, 8);
    assertArrayEquals(new float[] {NAN, INF, INF, 4, NAN, NAN, 7, 8}, read(map).truth().values());
    spec = spec.withNumbers(DataSpec.Kind.DISPARITY, 1);
    GroundTruth truth = read(map).truth();
    assertArrayEquals(new float[] {NAN, 0, 0, 4, NAN, NAN, 7, 8}, truth.values());
    assertEquals(5, truth.valid());
  }

  @Test
  void maskOfTheSizeOfThePictureFitsASmallerMap() throws Exception {
    mask = part("mask.npy", Fixtures.npy("|b1", 4, 2, new byte[] {1, 1, 0, 0, 1, 1, 0, 0}));
    assertArrayEquals(new float[] {5, NAN}, read(Fixtures.pfm(2, 1, 5, 6)).truth().values());
  }

  @Test
  void mapsInAllFormatsOfLabels() throws Exception {
    classes = part("grey.png", Fixtures.grey8(4, 2, (x, y) -> x == 3 ? 255 : 10 * x + y));
    byte[] map = Fixtures.pfm(2, 1, 5, 6);
    ClassMap grey = read(map).classes();
    assertEquals(21, grey.at(2, 1));
    assertEquals(ClassMap.UNKNOWN, grey.at(3, 0));

    byte[] colours = new byte[9];
    BufferedImage palette =
        new BufferedImage(
            2, 1, BufferedImage.TYPE_BYTE_INDEXED, new IndexColorModel(8, 3, colours, 0, false));
    palette.getRaster().setSample(0, 0, 0, 2);
    classes = part("palette.png", Fixtures.encode(palette));
    assertEquals(2, read(map).classes().at(0, 0));

    BufferedImage bits = new BufferedImage(2, 1, BufferedImage.TYPE_BYTE_BINARY);
    bits.getRaster().setSample(1, 0, 0, 1);
    classes = part("bits.png", Fixtures.encode(bits));
    assertEquals(1, read(map).classes().at(1, 0));

    BufferedImage rgb = new BufferedImage(2, 1, BufferedImage.TYPE_3BYTE_BGR);
    rgb.setRGB(0, 0, 0x040404);
    classes = part("rgb.png", Fixtures.encode(rgb));
    assertEquals(4, read(map).classes().at(0, 0));

    classes = part("colour.png", Fixtures.picture(2, 1, 9));
    assertTrue(problem(2, 1, map).contains("a picture in colour is not a map of labels"));
    classes = part("deep.png", Fixtures.grey16(2, 1, (x, y) -> 256));
    assertTrue(problem(2, 1, map).contains("a class of 256"));
  }

  @ParameterizedTest
  @CsvSource({"640, 480, 320, 200", "4, 2, 2, 2", "641, 480, 640, 480", "480, 640, 640, 480"})
  void mapOfAnotherShapeDoesNotFit(int width, int height, int mapWidth, int mapHeight) {
    String message = problem(width, height, Fixtures.grey8(mapWidth, mapHeight, (x, y) -> 1));
    String expected =
        ": picture %dx%d and depth %dx%d do not fit".formatted(width, height, mapWidth, mapHeight);
    assertTrue(message.endsWith(expected), message);
  }

  @ParameterizedTest
  @CsvSource({"640, 480, 320, 240", "4, 2, 8, 4", "9, 6, 6, 4", "1, 1, 5, 5"})
  void mapInProportionFits(int width, int height, int mapWidth, int mapHeight) throws Exception {
    GroundTruth truth =
        read(width, height, Fixtures.grey8(mapWidth, mapHeight, (x, y) -> 1)).truth();
    assertEquals(mapWidth, truth.width());
    assertEquals(mapHeight, truth.height());
  }

  @Test
  void masksThatDoNotFitAreNamed() {
    mask = part("mask.png", Fixtures.grey8(3, 2, (x, y) -> 1));
    byte[] map = Fixtures.grey8(4, 2, (x, y) -> 1);
    assertTrue(problem(4, 2, map).endsWith("mask.png: picture 4x2 and mask 3x2 do not fit"));
  }

  @Test
  void mapWithoutAValidPixelIsBad() {
    String expected = "map: the map has no valid pixel";
    assertTrue(problem(4, 2, Fixtures.grey16(4, 2, (x, y) -> 0)).endsWith(expected));
    mask = part("mask.png", Fixtures.grey8(4, 2, (x, y) -> 0));
    assertTrue(problem(4, 2, Fixtures.grey16(4, 2, (x, y) -> 9)).endsWith(expected));
  }

  @Test
  void mapOfSkyAloneIsValid() throws Exception {
    sky = part("sky.png", Fixtures.grey8(4, 2, (x, y) -> 255));
    assertEquals(8, read(Fixtures.grey16(4, 2, (x, y) -> 0)).truth().valid());
  }

  @Test
  void fileThatSaysWhatItIsIsBelieved() throws Exception {
    Path file = folder.resolve("own.png");
    DepthMap map = new DepthMap(2, 1, DepthMap.Kind.DISPARITY, new float[] {0, 4});
    DepthWriter.write(file, DepthFormat.PNG16, map, null, DepthOptions.DEFAULT);
    byte[] bytes = Files.readAllBytes(file);
    GroundTruth truth = read(bytes).truth();
    assertEquals(GroundTruth.Kind.DISPARITY, truth.kind());
    // 0 is a disparity here, not a gap.
    assertArrayEquals(new float[] {0, 4}, truth.values(), 1e-4f);
    spec = spec.withNumbers(DataSpec.Kind.DEPTH, 1);
    assertTrue(problem(2, 1, bytes).contains("the file says disparity, the data set says depth"));
  }

  @Test
  void brokenMapsAreBad() {
    byte[] png = Fixtures.grey16(40, 20, (x, y) -> x * y * 31);
    assertTrue(problem(4, 2, Arrays.copyOf(png, png.length / 2)).contains("map: cannot read"));
    assertTrue(
        problem(4, 2, "text".getBytes(StandardCharsets.US_ASCII)).contains("not a depth map"));
    assertTrue(problem(4, 2, new byte[0]).endsWith("map: the file is empty"));
    byte[] huge = "Pf\n2000000000 2000000000\n-1\n".getBytes(StandardCharsets.US_ASCII);
    assertTrue(problem(4, 2, huge).contains("over the limit"));
    byte[] hugeArray = Fixtures.npy("<f4", 999_999_999, 999_999_999, new byte[8]);
    assertTrue(problem(4, 2, hugeArray).contains("over the limit"));
  }
}
