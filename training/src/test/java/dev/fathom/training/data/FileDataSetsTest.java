package dev.fathom.training.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Folders, patterns and lists: which files make a sample, and what is said when they do not. */
class FileDataSetsTest {

  private static final byte[] PICTURE = Fixtures.picture(6, 4, 1);
  private static final byte[] DEPTH = Fixtures.grey16(6, 4, (x, y) -> 1000 + x);

  @TempDir Path folder;

  private DataSpec spec() {
    return DataSpec.of(folder);
  }

  private void touch(String... names) {
    for (String name : names) {
      Fixtures.write(folder, name, name.contains("depth") ? DEPTH : PICTURE);
    }
  }

  private static List<String> ids(DataSet set) {
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < set.size(); i++) {
      ids.add(set.id(i));
    }
    return ids;
  }

  private static String problem(Runnable action) {
    String message = assertThrows(UserException.class, action::run).getMessage();
    assertEquals(1, message.lines().count(), message);
    return message;
  }

  private String openProblem(DataSpec spec) {
    return problem(() -> DataSets.open(spec));
  }

  @Test
  void folderGivesItsPicturesInOrderWithoutHiddenOnes() throws Exception {
    touch("b.png", "a/2.png", "a/1.jpg", ".hidden.png", ".git/x.png", "a/.thumbs/y.png");
    Fixtures.write(folder, "notes.txt", "no picture");
    DataSet set = DataSets.open(spec());
    assertInstanceOf(FolderDataSet.class, set);
    assertEquals(List.of("a/1", "a/2", "b"), ids(set));
    Sample sample = set.read(1);
    assertEquals("a/2", sample.id());
    assertEquals(6, sample.picture().width());
    assertNull(sample.truth());
    assertNull(sample.classes());
  }

  @Test
  void picturesThatDifferInTheirExtensionKeepIt() {
    touch("a.png", "a.jpg", "b.png");
    assertEquals(List.of("a.jpg", "a.png", "b.png"), ids(DataSets.open(spec())));
  }

  @Test
  void onePictureIsASet() throws Exception {
    touch("only.png");
    DataSet set = DataSets.open(spec());
    assertEquals(1, set.size());
    assertEquals(1, Fixtures.mark(set.read(0)));
  }

  @Test
  void whatIsNotThereIsNamed() throws IOException {
    assertEquals(
        folder + ": no picture in this folder (JPEG, PNG, WebP, TIFF, BMP, GIF)",
        openProblem(spec()));
    Path gone = folder.resolve("gone");
    assertEquals(gone + ": no such file or folder", openProblem(DataSpec.of(gone)));
    Path other = Files.writeString(folder.resolve("x.json"), "{}");
    assertTrue(openProblem(DataSpec.of(other)).startsWith(other + ": not a data set"));
    assertTrue(openProblem(DataSpec.of(folder + "/*.png")).contains("ends in .tar"));
    assertTrue(problem(() -> DataSets.open(List.of())).contains("no data set"));
  }

  @Test
  void damagedPictureIsABadSampleThatNamesItsFile() {
    byte[] cut = Arrays.copyOf(PICTURE, PICTURE.length / 2);
    Path file = Fixtures.write(folder, "cut.png", cut);
    Fixtures.write(folder, "empty.png", new byte[0]);
    DataSet set = DataSets.open(spec());
    BadSampleException bad = assertThrows(BadSampleException.class, () -> set.read(0));
    assertEquals(file.toString(), bad.file());
    assertEquals(file + ": " + bad.problem(), bad.getMessage());
    assertTrue(
        assertThrows(BadSampleException.class, () -> set.read(1))
            .getMessage()
            .endsWith("empty.png: the file is empty"));
  }

  @Test
  void pictureThatDisappearsIsABadSample() throws IOException {
    touch("a.png");
    DataSet set = DataSets.open(spec());
    Files.delete(folder.resolve("a.png"));
    assertTrue(
        assertThrows(BadSampleException.class, () -> set.read(0))
            .getMessage()
            .endsWith("a.png: no such file"));
  }

  @ParameterizedTest
  @CsvSource({
    "{id}.png, {id}.depth.png, '1.png,1.depth.png,x/2.png,x/2.depth.png', 1 x/2",
    ", {id}.depth.png, '1.png,1.depth.png,x/2.jpg,x/2.depth.png', 1 x/2",
    "rgb/*.jpg, depth/*.png, 'rgb/01.jpg,depth/01.png,rgb/02.jpg,depth/02.png', 01 02",
    "**/rgb/*.png, **/depth/*.png, 'a/rgb/1.png,a/depth/1.png,b/rgb/1.png,b/depth/1.png', a/1 b/1",
    "'{id}_rgb.{png,jpg}', {id}_depth.png, '1_rgb.png,1_depth.png,2_rgb.jpg,2_depth.png', 1 2",
    "s?/*.png, depth/s?/*.png, 's1/7.png,depth/s1/7.png,s2/7.png,depth/s2/7.png', 1/7 2/7",
    "v[12].png, depth[!3].png, 'v1.png,depth1.png,v2.png,depth2.png,v3.png,depth3.png', 1 2",
    "{id}/{id}.png, {id}/depth.png, 'k/k.png,k/depth.png,l/m.png,l/depth.png', k",
  })
  void filesAreMatched(String picture, String depth, String files, String expected)
      throws Exception {
    touch(files.split(","));
    DataSet set = DataSets.open(spec().withPatterns(picture, depth).withNumbers(null, 0.001));
    assertEquals(List.of(expected.split(" ")), ids(set));
    for (int i = 0; i < set.size(); i++) {
      GroundTruth truth = set.read(i).truth();
      assertNotNull(truth);
      assertEquals(1.005f, truth.values()[5], 1e-6f);
    }
  }

  @Test
  void picturesWithoutDepthAreLeftOut() {
    touch("1.png", "1.depth.png", "2.png", "3.depth.png");
    assertEquals(
        List.of("1"), ids(DataSets.open(spec().withPatterns("{id}.png", "{id}.depth.png"))));
  }

  @Test
  void patternsThatMatchNothingOrTooMuchAreNamed() {
    touch("1.png", "1.depth.png", "1.jpg");
    assertTrue(
        openProblem(spec().withPatterns("{id}.png", "{id}.exr")).contains("matches '{id}.exr'"));
    assertTrue(openProblem(spec().withPatterns("rgb/*.jpg", null)).contains("'rgb/*.jpg'"));
    assertTrue(
        openProblem(spec().withPatterns("{id}.{png,jpg}", "{id}.depth.png"))
            .contains("'1.jpg' and '1.png' are both the picture of '1'"));
    assertTrue(openProblem(spec().withPatterns("x.png", null)).contains("needs {id}"));
    assertTrue(openProblem(spec().withPatterns("{id}.{png", null)).contains("braces"));
    assertTrue(openProblem(spec().withPatterns("[ab*.png", null)).contains("']'"));
  }

  @Test
  void aMapThatOnlySomeSamplesHaveIsMissed() throws Exception {
    touch("1.png", "1.depth.png", "2.png", "2.depth.png");
    Fixtures.write(folder, "1.mask.png", Fixtures.grey8(6, 4, (x, y) -> x));
    DataSet set =
        DataSets.open(
            spec()
                .withPatterns("{id}.png", "{id}.depth.png")
                .withMaps("{id}.mask.png", null, null));
    assertEquals(20, set.read(0).truth().valid());
    assertTrue(
        assertThrows(BadSampleException.class, () -> set.read(1))
            .getMessage()
            .endsWith("2.png: no mask of it matches '{id}.mask.png'"));
  }

  @SuppressWarnings("StringConcatToTextBlock") // the line ends are the point
  @Test
  void listWithQuotesCommasBomAndCrLf() throws Exception {
    touch("rgb/a, b.png", "rgb/say \"x\".png", "depth/1.png", "depth/2.png");
    Path list =
        Fixtures.write(
            folder,
            "list.csv",
            "\uFEFFdepth, picture,id\r\ndepth/1.png,\"rgb/a, b.png\",one\r\n\r\n"
                + "depth/2.png,\"rgb/say \"\"x\"\".png\",\"two\r\nlines\"\r\n");
    DataSet set = DataSets.open(DataSpec.of(list).withNumbers(DataSpec.Kind.DEPTH, 0.001));
    assertEquals(List.of("one", "two\r\nlines"), ids(set));
    assertEquals(1.001f, set.read(1).truth().values()[1]);
  }

  @Test
  void listOfTabsHasNoQuotes() throws Exception {
    touch("a\"b.png", "c.png");
    Path list = Fixtures.write(folder, "list.tsv", "picture\tsky\na\"b.png\t\nc.png\t\n");
    DataSet set = DataSets.open(DataSpec.of(list));
    assertEquals(List.of("a\"b", "c"), ids(set));
    assertNull(set.read(0).truth());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'' | the list is empty",
        "'picture,depth' | no lines below",
        "'depth,id\\na,b' | no column 'picture'",
        "'picture,dept\\na,b' | unknown column 'dept'",
        "'picture,picture\\na,b' | line 1: a column twice",
        "'picture,depth\\na.png' | line 2: 1 cells where the header has 2",
        "'picture,depth\\na.png,b,c' | line 2: 3 cells",
        "'picture,depth\\na.png,' | line 2: no depth",
        "'picture\\n\"a.png' | line 2: a quote that does not close",
        "'picture\\na\"b.png' | line 2: a quote inside",
        "'picture\\n\"a\"b.png' | line 2: text behind a closing quote",
        "'picture,id\\na.png,1\\nb.png,1' | lines 2 and 3 have the same id '1'",
        "'picture\\na.png\\na.png' | lines 2 and 3 have the same id",
      })
  void brokenListIsToldByLine(String text, String expected) {
    Path list = Fixtures.write(folder, "list.csv", text.replace("\\n", "\n"));
    String message = openProblem(DataSpec.of(list));
    assertTrue(message.startsWith(list + ": ") && message.contains(expected), message);
  }

  @Test
  void listInAnotherEncodingIsRefused() {
    Path list = Fixtures.write(folder, "list.csv", new byte[] {'p', (byte) 0xe9, '\n'});
    assertEquals(list + ": not a list in UTF-8", openProblem(DataSpec.of(list)));
  }

  @Test
  void listTakesNoPatterns() {
    Path list = Fixtures.write(folder, "list.csv", "picture\na.png\n");
    assertTrue(openProblem(DataSpec.of(list).withPatterns("*.png", null)).contains("patterns"));
  }

  @Test
  void fileMissingFromAListIsABadSample() {
    Path list = Fixtures.write(folder, "list.csv", "picture\na.png\n");
    DataSet set = DataSets.open(DataSpec.of(list));
    assertTrue(
        assertThrows(BadSampleException.class, () -> set.read(0))
            .getMessage()
            .endsWith("a.png: no such file"));
  }

  @Test
  void specIsParsed() {
    DataSpec spec =
        DataSpec.parse(
            Map.of(
                "path",
                "kitti",
                "picture",
                "{id}.png",
                "kind",
                "inverse-depth",
                "scale",
                "1/256",
                "invalid",
                List.of(0, 65535),
                "max",
                80),
            Path.of("/data"));
    assertEquals("/data/kitti", spec.path());
    assertEquals(DataSpec.Kind.INVERSE_DEPTH, spec.kind());
    assertEquals(1 / 256.0, spec.scale());
    assertArrayEquals(new Object[] {0.0, 65535.0}, spec.invalid().toArray());
    assertEquals(80, spec.max());
    assertEquals(
        List.of(), DataSpec.parse(Map.of("path", "x", "invalid", "none"), Path.of("")).invalid());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "colour=x",
        "kind=metric",
        "scale=0",
        "scale=1/0",
        "scale=a",
        "min=-1",
        "max=0",
        "invalid=x",
        "path= "
      })
  void brokenSpecIsRefused(String entry) {
    String[] parts = entry.split("=", 2);
    Map<String, String> entries = new HashMap<>(Map.of("path", "x"));
    entries.put(parts[0], parts[1]);
    problem(() -> DataSpec.parse(entries, Path.of("")));
  }

  @Test
  void disparityHasNoLimitsOfDepth() {
    DataSpec disparity = spec().withNumbers(DataSpec.Kind.DISPARITY, 1);
    assertTrue(problem(() -> disparity.withLimits(0, 80)).contains("disparity has no unit"));
  }
}
