package dev.fathom.training.picture;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PictureFilesTest {

  @TempDir Path folder;

  private Path make(String name) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.writeString(file, "x");
  }

  private PictureFiles.Found find(String... inputs) {
    return PictureFiles.find(
        List.of(inputs).stream().map(input -> folder.resolve(input).toString()).toList());
  }

  private List<String> found(String... inputs) {
    PictureFiles.Found found = find(inputs);
    assertEquals(List.of(), found.problems());
    return names(found);
  }

  private List<String> names(PictureFiles.Found found) {
    return found.pictures().stream()
        .map(picture -> folder.relativize(picture.file()).toString().replace('\\', '/'))
        .toList();
  }

  private static List<String> stems(PictureFiles.Found found) {
    return found.pictures().stream()
        .map(picture -> picture.stem().toString().replace('\\', '/'))
        .toList();
  }

  private void onlyProblem(String expected, String... inputs) {
    PictureFiles.Found found = find(inputs);
    assertEquals(List.of(), names(found));
    assertEquals(1, found.problems().size(), found.problems().toString());
    assertTrue(found.problems().getFirst().endsWith(expected), found.problems().toString());
  }

  @Test
  void folderIsSearchedInOrderWithoutHiddenFilesAndOthers() throws IOException {
    for (String name :
        List.of("b.PNG", "a.jpg", "sub/c.webp", "sub/deep/d.tif", "notes.txt", "e.jpg.bak")) {
      make("p/" + name);
    }
    make("p/.hidden.jpg");
    make("p/.cache/f.jpg");
    assertEquals(List.of("p/a.jpg", "p/b.PNG", "p/sub/c.webp", "p/sub/deep/d.tif"), found("p"));
    assertEquals(List.of("a", "b", "sub/c", "sub/deep/d"), stems(find("p")));
  }

  @Test
  void hiddenFolderNamedItselfIsSearched() throws IOException {
    make(".p/a.jpg");
    assertEquals(List.of(".p/a.jpg"), found(".p"));
  }

  @Test
  void filesAreTakenWhateverTheirName() throws IOException {
    make("a.jpg");
    make("frame.0001");
    make(".b.png");
    assertEquals(List.of("frame.0001", "a.jpg", ".b.png"), found("frame.0001", "a.jpg", ".b.png"));
    assertEquals(List.of("frame", "a", ".b"), stems(find("frame.0001", "a.jpg", ".b.png")));
  }

  @Test
  void sameFileCountsOnce() throws IOException {
    make("p/a.jpg");
    Files.createSymbolicLink(folder.resolve("p/b.jpg"), Path.of("a.jpg"));
    assertEquals(List.of("p/a.jpg"), found("p/a.jpg", "p", "p/../p/a.jpg", "p/*.jpg"));
  }

  @Test
  void linksInCirclesEnd() throws IOException {
    make("p/sub/a.jpg");
    Files.createSymbolicLink(folder.resolve("p/sub/up"), Path.of(".."));
    Files.createSymbolicLink(folder.resolve("p/self"), Path.of("self"));
    assertEquals(List.of("p/sub/a.jpg"), names(find("p")));
    assertEquals(List.of("p/sub/a.jpg"), names(find("p/**/*.jpg")));
  }

  @Test
  void nothingFoundIsAProblemThatSaysWhat() throws IOException {
    Files.createDirectories(folder.resolve("empty"));
    make("texts/a.md");
    onlyProblem("empty: the folder is empty", "empty");
    onlyProblem("texts: no picture in this folder (JPEG, PNG, WebP, TIFF, BMP, GIF)", "texts");
    onlyProblem("gone.jpg: no such file or folder", "gone.jpg");
    onlyProblem("*.jpg: matches no file", "*.jpg");
    onlyProblem("*.md: matches files, but no picture", "texts/*.md");
    onlyProblem(": not a path or pattern", "p[.jpg");
    assertEquals(List.of("an empty file name"), PictureFiles.find(List.of(" ")).problems());
    assertEquals(1, PictureFiles.find(List.of("a\0b")).problems().size());
  }

  @Test
  void oneProblemDoesNotStopTheOthers() throws IOException {
    make("a.jpg");
    PictureFiles.Found found = find("gone", "a.jpg");
    assertEquals(List.of("a.jpg"), names(found));
    assertEquals(1, found.problems().size());
  }

  @Test
  void globsAreThoseOfShells() throws IOException {
    for (String name : List.of("a1.jpg", "a2.png", "b1.jpg", "s/a1.jpg", "s/t/a3.jpg", ".h.jpg")) {
      make("p/" + name);
    }
    make("p/notes.txt");
    assertEquals(List.of("p/a1.jpg", "p/b1.jpg"), found("p/*.jpg"));
    assertEquals(List.of("p/a1.jpg", "p/a2.png"), found("p/a?.*"));
    assertEquals(List.of("p/a1.jpg", "p/a2.png", "p/b1.jpg"), found("p/*"));
    assertEquals(List.of("p/a1.jpg", "p/a2.png"), found("p/a[12].{jpg,png}"));
    assertEquals(List.of("p/s/a1.jpg"), found("p/*/a1.jpg"));
    assertEquals(List.of("p/a1.jpg", "p/s/a1.jpg"), found("p/**/a1.jpg"));
    assertEquals(
        List.of("p/a1.jpg", "p/a2.png", "p/b1.jpg", "p/s/a1.jpg", "p/s/t/a3.jpg"), found("p/**"));
    assertEquals(List.of("p/.h.jpg"), found("p/.*.jpg"));
    assertEquals(List.of("a1", "s/a1"), stems(find("p/**/a1.jpg")));
  }

  @Test
  void fileNamedLikeAGlobIsAFile() throws IOException {
    make("a[1].jpg");
    make("a1.jpg");
    assertEquals(List.of("a[1].jpg"), found("a[1].jpg"));
  }

  @Test
  void listIsRelativeToItself() throws IOException {
    make("p/a.jpg");
    make("p/s/b.jpg");
    make("p/s/c.jpg");
    Path absolute = make("elsewhere/d.jpg");
    Path list = folder.resolve("p/list.txt");
    Files.writeString(
        list, "\uFEFF# pictures\r\n\r\n  s/c.jpg \r\na.jpg\r\ns/*.jpg\r\n" + absolute + "\r\n");
    assertEquals(
        List.of("p/s/c.jpg", "p/a.jpg", "p/s/b.jpg", "elsewhere/d.jpg"), found("p/list.txt"));
  }

  @Test
  void brokenLists() throws IOException {
    make("a.jpg");
    Files.writeString(folder.resolve("empty.txt"), "# nothing\n\n");
    Files.write(folder.resolve("binary.txt"), new byte[] {(byte) 0xff, (byte) 0xfe, 0, 1});
    Files.writeString(folder.resolve("nested.txt"), "empty.txt\n");
    Files.writeString(folder.resolve("partly.txt"), "gone.jpg\na.jpg\n");
    onlyProblem("empty.txt: the list is empty", "empty.txt");
    onlyProblem("binary.txt: not a list of paths in UTF-8", "binary.txt");
    onlyProblem("empty.txt: a list within a list", "nested.txt");
    assertEquals(List.of("a.jpg"), names(find("partly.txt")));
    assertEquals(1, find("partly.txt").problems().size());
  }

  @Test
  void stemsOfSeveralFoldersKeepTheirPaths() throws IOException {
    make("in/a/x.jpg");
    make("in/b/x.jpg");
    make("in/b/y.jpg");
    assertEquals(List.of("a/x", "b/x", "y"), stems(find("in/a/x.jpg", "in/b/x.jpg", "in/b/y.jpg")));
    assertEquals(List.of("a/x", "b/x", "y"), stems(find("in/a", "in/b")));
  }

  @Test
  void stemsOfDifferentExtensionsKeepThem() throws IOException {
    make("p/s/x.jpg");
    make("p/s/x.png");
    make("p/s/y.png");
    assertEquals(List.of("s/x_jpg", "s/x_png", "s/y"), stems(find("p")));
  }

  @Test
  void stemsDifferInMoreThanCase() throws IOException {
    make("p/X.jpg");
    make("p/x.jpg");
    assertEquals(List.of("X_jpg", "x_jpg_2"), stems(find("p")));
  }

  @Test
  void stemsNeverClashWithMadeOnes() throws IOException {
    for (String name :
        List.of("x.jpg", "x.png", "x_jpg.bmp", "x_png.gif", "x_jpg_2.tif", "X.JPG")) {
      make("p/" + name);
    }
    make("q/x.jpg");
    make("q/p/x.jpg");
    PictureFiles.Found found = find("p", "q", "p/x.jpg", "q/p/x.jpg");
    assertEquals(8, found.pictures().size());
    Set<String> different = new HashSet<>();
    stems(found).forEach(stem -> different.add(stem.toLowerCase(Locale.ROOT)));
    assertEquals(8, different.size(), stems(found).toString());
    assertEquals(stems(found), stems(find("p", "q", "p/x.jpg", "q/p/x.jpg")));
  }

  @Test
  void outputIsBelowTheFolderNamed() throws IOException {
    make("p/s/x.jpg");
    PictureFiles.Picture picture = find("p").pictures().getFirst();
    assertEquals(
        Path.of("out", "s", "x_depth.png"),
        picture.output(Path.of("out"), DepthFormat.PNG.suffix()));
  }
}
