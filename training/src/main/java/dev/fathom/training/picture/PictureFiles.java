package dev.fathom.training.picture;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;

/**
 * The pictures that a command's arguments mean: files, folders, globs and lists.
 *
 * <ul>
 *   <li>A file is taken whatever its name, except {@code .txt}, which is a list.
 *   <li>A folder gives the files below it, at any depth, that are named like pictures, in the order
 *       of their paths. Hidden files and folders are left out, links followed but not in circles.
 *   <li>A glob ({@code 'photos/*.jpg'}, {@code 'photos/**}{@code /*.{jpg,png}'}) gives the files
 *       that match and are named like pictures.
 *   <li>A list ({@code .txt}, UTF-8) has a file, folder or glob on each line, relative to the
 *       list's own folder; empty lines and lines that begin with {@code #} are skipped.
 * </ul>
 */
public final class PictureFiles {

  /**
   * A picture that was found.
   *
   * @param file where it is
   * @param stem a name for what is made of it, without an extension, relative to the output folder;
   *     no two pictures of one {@link Found} have the same, even on a file system that does not
   *     tell upper case from lower
   */
  public record Picture(Path file, Path stem) {

    /** The file in a folder for what is made of this picture, as {@code folder/stem + suffix}. */
    public Path output(Path folder, String suffix) {
      return folder.resolve(stem.resolveSibling(stem.getFileName() + suffix));
    }
  }

  /**
   * What was found, and what was not.
   *
   * @param pictures in the order of the arguments, each file once
   * @param problems a line for each argument, folder or line of a list that gave nothing
   */
  public record Found(List<Picture> pictures, List<String> problems) {
    /** Copies the lists. */
    public Found {
      pictures = List.copyOf(pictures);
      problems = List.copyOf(problems);
    }
  }

  private final List<Path> files = new ArrayList<>();
  private final List<Path> absolute = new ArrayList<>();
  private final List<Path> relative = new ArrayList<>();
  private final Set<Path> known = new HashSet<>();
  private final List<String> problems = new ArrayList<>();

  private PictureFiles() {}

  /** The pictures that the arguments mean. Never throws for what is wrong with one of them. */
  public static Found find(List<String> inputs) {
    PictureFiles search = new PictureFiles();
    for (String input : inputs) {
      search.addInput(input, Path.of(""), true);
    }
    List<Path> stems = OutputStems.of(search.absolute, search.relative);
    List<Picture> pictures = new ArrayList<>();
    for (int i = 0; i < stems.size(); i++) {
      pictures.add(new Picture(search.files.get(i), stems.get(i)));
    }
    return new Found(pictures, search.problems);
  }

  private void addInput(String input, Path base, boolean listsAllowed) {
    if (input.isBlank()) {
      problems.add("an empty file name");
      return;
    }
    try {
      Path path = isPath(input) ? base.resolve(input) : null;
      if (path != null && Files.isDirectory(path)) {
        addFolder(path);
      } else if (path != null && Files.exists(path)) {
        if (!isList(path)) {
          addFile(path, path.getFileName());
        } else if (listsAllowed) {
          addList(path);
        } else {
          problems.add(path + ": a list within a list");
        }
      } else if (Glob.isGlob(input)) {
        addGlob(input, base);
      } else {
        problems.add((path == null ? input : path) + ": no such file or folder");
      }
    } catch (IOException e) {
      problems.add(input + ": " + PictureException.reason(e));
    } catch (InvalidPathException | PatternSyntaxException e) {
      problems.add(input.replaceAll("\\p{Cntrl}", "?") + ": not a path or pattern");
    }
  }

  private static boolean isPath(String input) {
    try {
      var _ = Path.of(input);
      return true;
    } catch (InvalidPathException e) {
      // On Windows a glob is not a path.
      if (Glob.isGlob(input)) {
        return false;
      }
      throw e;
    }
  }

  private static boolean isList(Path path) {
    return path.toString().toLowerCase(Locale.ROOT).endsWith(".txt");
  }

  private void addFile(Path file, Path wanted) throws IOException {
    if (known.add(file.toRealPath())) {
      files.add(file);
      absolute.add(file.toAbsolutePath().normalize());
      relative.add(wanted);
    }
  }

  private void addFolder(Path folder) throws IOException {
    List<Path> found = new ArrayList<>();
    boolean[] anyFile = new boolean[1];
    Files.walkFileTree(
        folder,
        EnumSet.of(FileVisitOption.FOLLOW_LINKS),
        Integer.MAX_VALUE,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path path, BasicFileAttributes attributes) {
            return !path.equals(folder) && isHidden(path)
                ? FileVisitResult.SKIP_SUBTREE
                : FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) {
            if (!isHidden(path)) {
              anyFile[0] = true;
              if (PictureReader.isPictureName(path) && !attributes.isDirectory()) {
                found.add(path);
              }
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path path, IOException e) {
            if (!(e instanceof FileSystemLoopException)) {
              problems.add(path + ": " + PictureException.reason(e));
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path path, @Nullable IOException e) {
            if (e != null) {
              problems.add(path + ": " + PictureException.reason(e));
            }
            return FileVisitResult.CONTINUE;
          }
        });
    found.sort(null);
    for (Path file : found) {
      addFile(file, folder.relativize(file));
    }
    if (found.isEmpty()) {
      problems.add(
          folder
              + (anyFile[0]
                  ? ": no picture in this folder (JPEG, PNG, WebP, TIFF, BMP, GIF)"
                  : ": the folder is empty"));
    }
  }

  private static boolean isHidden(Path path) {
    Path name = path.getFileName();
    return name != null && name.toString().startsWith(".");
  }

  private void addGlob(String pattern, Path base) throws IOException {
    Glob glob = Glob.parse(pattern);
    Path root = base.resolve(glob.root());
    List<Path> matches = new Glob(root, glob.parts()).files();
    boolean any = false;
    for (Path file : matches) {
      if (PictureReader.isPictureName(file)) {
        any = true;
        addFile(file.normalize(), root.relativize(file));
      }
    }
    if (!any) {
      problems.add(
          pattern + (matches.isEmpty() ? ": matches no file" : ": matches files, but no picture"));
    }
  }

  private void addList(Path list) throws IOException {
    List<String> lines;
    try {
      lines = Files.readAllLines(list);
    } catch (CharacterCodingException e) {
      problems.add(list + ": not a list of paths in UTF-8");
      return;
    }
    Path parent = list.getParent();
    Path base = parent == null ? Path.of("") : parent;
    boolean any = false;
    for (String line : lines) {
      String entry = line.strip();
      if (entry.startsWith("\uFEFF")) {
        entry = entry.substring(1).strip();
      }
      if (!entry.isEmpty() && !entry.startsWith("#")) {
        any = true;
        addInput(entry, base, false);
      }
    }
    if (!any) {
      problems.add(list + ": the list is empty");
    }
  }
}
