package dev.fathom.training.data;

import dev.fathom.training.UserException;
import java.io.File;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;

/** The files below a folder. */
final class FileTree {

  private FileTree() {}

  /**
   * All files below a folder at any depth, relative to it with {@code /} between names, in the
   * order of their paths. Hidden files and folders are left out, links followed but not in circles.
   *
   * @throws UserException if the folder does not exist, or a part of it cannot be read
   */
  static List<String> files(Path folder) {
    if (!Files.exists(folder)) {
      throw new UserException(folder, "no such folder");
    }
    if (!Files.isDirectory(folder)) {
      throw new UserException(folder, "not a folder");
    }
    List<String> files = new ArrayList<>();
    try {
      Files.walkFileTree(
          folder,
          EnumSet.of(FileVisitOption.FOLLOW_LINKS),
          Integer.MAX_VALUE,
          new Visitor(folder, files));
    } catch (IOException e) {
      throw unreadable(folder, e);
    }
    files.sort(null);
    return files;
  }

  private static UserException unreadable(Path path, IOException e) {
    String reason = e instanceof AccessDeniedException ? "permission denied" : e.getMessage();
    return new UserException(path.toString(), "cannot read the folder: " + reason, e);
  }

  private static final class Visitor extends SimpleFileVisitor<Path> {
    private final Path folder;
    private final List<String> files;

    Visitor(Path folder, List<String> files) {
      this.folder = folder;
      this.files = files;
    }

    private static boolean isHidden(Path path) {
      Path name = path.getFileName();
      return name != null && name.toString().startsWith(".");
    }

    @Override
    public FileVisitResult preVisitDirectory(Path path, BasicFileAttributes attributes) {
      return !path.equals(folder) && isHidden(path)
          ? FileVisitResult.SKIP_SUBTREE
          : FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) {
      if (!isHidden(path) && !attributes.isDirectory()) {
        files.add(folder.relativize(path).toString().replace(File.separatorChar, '/'));
      }
      return FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult visitFileFailed(Path path, IOException e) {
      if (e instanceof FileSystemLoopException || isHidden(path)) {
        return FileVisitResult.CONTINUE;
      }
      // Half a data set would be another one.
      throw unreadable(path, e);
    }
  }
}
