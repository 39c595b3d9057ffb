package dev.fathom.bindings;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Puts the library of a jar where the dynamic linker can read it: {@code
 * <cache>/<SHA-256>/libfathom.so}.
 *
 * <p>The linker runs what it finds, so nobody else may be able to put a file there: the folders are
 * made with mode 0700, and one that belongs to another user or that others can write is refused. A
 * file that is there already serves only if it is this user's and equals the jar's, byte for byte;
 * otherwise it is replaced. A new file gets its name when it is whole and on disk, by an atomic
 * move, so that processes may do this at the same time, and one that has the old file mapped keeps
 * it.
 */
final class LibraryCache {

  private static final FileAttribute<Set<PosixFilePermission>> PRIVATE =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));
  private static final int WRITABLE_BY_OTHERS = 0022;

  /**
   * A library ready to be loaded.
   *
   * @param file the library
   * @param temporary whether it is in a folder of its own that is to be deleted once it is loaded
   */
  record Placed(Path file, boolean temporary) {

    /** Deletes a temporary copy; what is mapped of it stays mapped. */
    void discard() throws IOException {
      if (temporary) {
        Files.deleteIfExists(file);
        Path folder = file.getParent();
        if (folder != null) {
          Files.deleteIfExists(folder);
        }
      }
    }
  }

  private final Function<String, @Nullable String> property;
  private final Function<String, @Nullable String> variable;
  private final int user;

  /**
   * A cache.
   *
   * @param property system properties
   * @param variable environment variables
   * @param user this process's effective user id
   */
  LibraryCache(
      Function<String, @Nullable String> property,
      Function<String, @Nullable String> variable,
      int user) {
    this.property = property;
    this.variable = variable;
    this.user = user;
  }

  /**
   * The library with this content, under this name.
   *
   * @param hash the content's SHA-256 in hexadecimal
   */
  Placed place(byte[] content, String hash, String name) throws Rejection {
    String configured = property.apply("fathom.cache");
    if (configured != null && !configured.isEmpty()) {
      Path root = Path.of(configured).toAbsolutePath();
      try {
        return new Placed(install(root, content, hash, name), false);
      } catch (IOException e) {
        throw new Rejection(
            "the cache folder " + root + " (fathom.cache) cannot be used: " + describe(e),
            "set -Dfathom.cache to a folder that can be written");
      }
    }
    Path root = defaultRoot();
    String trouble = "there is no home folder";
    if (root != null) {
      try {
        return new Placed(install(root, content, hash, name), false);
      } catch (IOException e) {
        trouble = "the cache folder " + root + " cannot be used: " + describe(e);
      }
    }
    try {
      return new Placed(installTemporarily(content, name), true);
    } catch (IOException e) {
      throw new Rejection(
          trouble + "; nor can a temporary folder: " + describe(e),
          "set -Dfathom.cache to a folder that can be written");
    }
  }

  /** $XDG_CACHE_HOME/fathom or ~/.cache/fathom; null if neither is an absolute path. */
  private @Nullable Path defaultRoot() {
    String cache = variable.apply("XDG_CACHE_HOME");
    if (cache != null && Path.of(cache).isAbsolute()) {
      return Path.of(cache, "fathom");
    }
    String home = property.apply("user.home");
    if (home != null && Path.of(home).isAbsolute()) {
      return Path.of(home, ".cache", "fathom");
    }
    return null;
  }

  private Path install(Path root, byte[] content, String hash, String name)
      throws IOException, Rejection {
    Files.createDirectories(root, PRIVATE);
    Path trusted = root.toRealPath();
    refuseIfShared(trusted);
    Path folder = trusted.resolve(hash);
    try {
      Files.createDirectory(folder, PRIVATE);
    } catch (FileAlreadyExistsException e) {
      refuseIfShared(folder);
    }
    Path file = folder.resolve(name);
    if (!isIntact(file, content)) {
      write(folder, file, content);
    }
    return file;
  }

  private static Path installTemporarily(byte[] content, String name) throws IOException {
    Path folder = Files.createTempDirectory("fathom-", PRIVATE);
    Path file = folder.resolve(name);
    write(folder, file, content);
    return file;
  }

  private static void write(Path folder, Path file, byte[] content) throws IOException {
    Path temporary = Files.createTempFile(folder, "incomplete-", ".so");
    try {
      try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
        ByteBuffer bytes = ByteBuffer.wrap(content);
        while (bytes.hasRemaining()) {
          channel.write(bytes);
        }
        channel.force(true);
      }
      Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private void refuseIfShared(Path folder) throws IOException, Rejection {
    Map<String, Object> attributes =
        Files.readAttributes(folder, "unix:uid,mode,isDirectory", LinkOption.NOFOLLOW_LINKS);
    if (!Boolean.TRUE.equals(attributes.get("isDirectory"))) {
      throw new Rejection(
          "the cache folder " + folder + " is not a folder",
          "remove it, or set -Dfathom.cache to another folder");
    }
    int owner = number(attributes, "uid");
    if (owner != user) {
      throw new Rejection(
          "the cache folder " + folder + " belongs to user " + owner + ", not to " + user,
          "set -Dfathom.cache to a folder of your own");
    }
    int mode = number(attributes, "mode");
    if ((mode & WRITABLE_BY_OTHERS) != 0) {
      throw new Rejection(
          "other users can write the cache folder "
              + folder
              + " (mode "
              + Integer.toOctalString(mode & 07777)
              + ")",
          "chmod 700 " + folder + ", or set -Dfathom.cache to a folder of your own");
    }
  }

  /** Whether the file is this user's alone to write and has this content. */
  private boolean isIntact(Path file, byte[] content) throws IOException {
    Map<String, Object> attributes;
    try {
      attributes =
          Files.readAttributes(file, "unix:uid,mode,size,isRegularFile", LinkOption.NOFOLLOW_LINKS);
    } catch (NoSuchFileException e) {
      return false;
    }
    return Boolean.TRUE.equals(attributes.get("isRegularFile"))
        && number(attributes, "uid") == user
        && (number(attributes, "mode") & WRITABLE_BY_OTHERS) == 0
        && Long.valueOf(content.length).equals(attributes.get("size"))
        && Arrays.equals(Files.readAllBytes(file), content);
  }

  private static int number(Map<String, Object> attributes, String name) {
    return attributes.get(name) instanceof Integer value ? value : -1;
  }

  static String sha256(byte[] content) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }

  /** The message of most file exceptions is the path alone: the class says what happened. */
  private static String describe(IOException e) {
    return e.getClass().getSimpleName() + ": " + e.getMessage();
  }
}
