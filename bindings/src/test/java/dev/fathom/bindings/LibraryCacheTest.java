package dev.fathom.bindings;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The private folder that the library of a jar is copied to. */
class LibraryCacheTest {

  private static final String NAME = "libfathom.so";

  @TempDir Path folder;

  private final Map<String, String> properties = new HashMap<>();
  private final Map<String, String> variables = new HashMap<>();
  private final byte[] content = new byte[70_001];
  private Path root;
  private int user;

  @BeforeEach
  void prepare() throws Exception {
    root = folder.resolve("cache");
    user = (Integer) Files.getAttribute(folder, "unix:uid");
    for (int i = 0; i < content.length; i++) {
      content[i] = (byte) (i * 31 + (i >> 8));
    }
    properties.put("fathom.cache", root.toString());
  }

  private LibraryCache cache() {
    return new LibraryCache(properties::get, variables::get, user);
  }

  private Path place() throws Rejection {
    LibraryCache.Placed placed = cache().place(content, LibraryCache.sha256(content), NAME);
    assertFalse(placed.temporary());
    return placed.file();
  }

  private String rejection() {
    return assertThrows(Rejection.class, this::place).at("class path").toString();
  }

  private static String mode(Path path) throws Exception {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
  }

  private static void assertOneFile(Path file) throws Exception {
    try (Stream<Path> files = Files.list(file.getParent())) {
      assertEquals(List.of(file), files.toList());
    }
  }

  @Test
  void foldersArePrivateAndNamedByContent() throws Exception {
    Path file = place();
    assertEquals(root.resolve(LibraryCache.sha256(content)).resolve(NAME), file);
    assertArrayEquals(content, Files.readAllBytes(file));
    assertEquals("rwx------", mode(root));
    assertEquals("rwx------", mode(file.getParent()));
    assertOneFile(file);
  }

  @Test
  void sha256IsTheStandardOne() {
    assertEquals(
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        LibraryCache.sha256(new byte[] {'a', 'b', 'c'}));
  }

  @Test
  void anIntactFileIsKept() throws Exception {
    Object before = Files.getAttribute(place(), "unix:ino");
    assertEquals(before, Files.getAttribute(place(), "unix:ino"));
  }

  @Test
  void aChangedFileIsReplaced() throws Exception {
    Path file = place();
    byte[] tampered = content.clone();
    tampered[35_000] ^= 1;
    Files.write(file, tampered);
    assertArrayEquals(content, Files.readAllBytes(place()));
    assertOneFile(file);
  }

  @Test
  void aTruncatedFileIsReplaced() throws Exception {
    Files.write(place(), new byte[17]);
    assertArrayEquals(content, Files.readAllBytes(place()));
  }

  @Test
  void aLinkIsReplacedAndItsTargetLeftAlone() throws Exception {
    Path file = place();
    Path target = Files.write(folder.resolve("target"), content);
    Files.delete(file);
    Files.createSymbolicLink(file, target);
    place();
    assertTrue(Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS));
    assertTrue(Files.exists(target));
  }

  @Test
  void aFileThatOthersCanWriteIsReplaced() throws Exception {
    Path file = place();
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-rw-rw-"));
    place();
    assertEquals("rw-------", mode(file));
  }

  @Test
  void aCacheThatOthersCanWriteIsRefused() throws Exception {
    place();
    for (String permissions : List.of("rwxrwx---", "rwx----w-")) {
      Files.setPosixFilePermissions(root, PosixFilePermissions.fromString(permissions));
      String text = rejection();
      assertTrue(text.contains("other users can write the cache folder " + root), text);
      assertTrue(text.contains("chmod 700 " + root), text);
    }
    // To be read by others is no danger.
    Files.setPosixFilePermissions(root, PosixFilePermissions.fromString("rwxr-xr-x"));
    place();
  }

  @Test
  void aContentFolderThatOthersCanWriteIsRefused() throws Exception {
    Path inner = place().getParent();
    Files.setPosixFilePermissions(inner, PosixFilePermissions.fromString("rwxrwxrwx"));
    assertTrue(rejection().contains(inner + " (mode 777)"));
  }

  @Test
  void anotherUsersCacheIsRefused() throws Exception {
    Files.createDirectory(root);
    user++;
    String text = rejection();
    assertTrue(text.contains(root + " belongs to user " + (user - 1) + ", not to " + user), text);
  }

  @Test
  void aContentFolderThatIsALinkIsRefused() throws Exception {
    Path inner = place().getParent();
    Path moved = Files.move(inner, folder.resolve("moved"));
    Files.createSymbolicLink(inner, moved);
    assertTrue(rejection().contains(inner + " is not a folder"));
  }

  @Test
  void aConfiguredCacheThatCannotBeMadeIsAnError() throws Exception {
    Path file = Files.writeString(folder.resolve("file"), "");
    properties.put("fathom.cache", file.resolve("cache").toString());
    String text = rejection();
    assertTrue(text.contains("(fathom.cache) cannot be used: "), text);
    assertTrue(text.contains("can be written"), text);
  }

  @Test
  void theDefaultIsXdgThenHome() throws Exception {
    properties.remove("fathom.cache");
    properties.put("user.home", folder.resolve("home").toString());
    assertTrue(place().startsWith(folder.resolve("home/.cache/fathom")));
    variables.put("XDG_CACHE_HOME", "relative");
    assertTrue(place().startsWith(folder.resolve("home/.cache/fathom")));
    variables.put("XDG_CACHE_HOME", folder.resolve("xdg").toString());
    assertTrue(place().startsWith(folder.resolve("xdg/fathom")));
  }

  @Test
  void withoutAHomeThatCanBeWrittenItIsATemporaryFolder() throws Exception {
    properties.remove("fathom.cache");
    Path file = Files.writeString(folder.resolve("file"), "");
    for (String home : List.of(file.toString(), "?")) {
      properties.put("user.home", home);
      LibraryCache.Placed first = cache().place(content, LibraryCache.sha256(content), NAME);
      LibraryCache.Placed second = cache().place(content, LibraryCache.sha256(content), NAME);
      assertTrue(first.temporary());
      assertEquals("rwx------", mode(first.file().getParent()));
      assertArrayEquals(content, Files.readAllBytes(first.file()));
      assertFalse(first.file().equals(second.file()), "one name for all is a trap");
      first.discard();
      second.discard();
      assertFalse(Files.exists(first.file().getParent()));
    }
  }

  @Test
  void anUnsafeDefaultIsRefusedAndNotPassedOver() throws Exception {
    properties.remove("fathom.cache");
    variables.put("XDG_CACHE_HOME", folder.toString());
    Path shared = Files.createDirectory(folder.resolve("fathom"));
    Files.setPosixFilePermissions(shared, PosixFilePermissions.fromString("rwxrwxrwx"));
    assertTrue(rejection().contains("other users can write"));
  }

  @Test
  void threadsMayDoItAtTheSameTime() throws Exception {
    int count = 8;
    CountDownLatch start = new CountDownLatch(1);
    List<Future<Path>> results = new ArrayList<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(count)) {
      for (int i = 0; i < count; i++) {
        results.add(
            threads.submit(() -> {
              start.await();
              Path file = place();
              assertArrayEquals(content, Files.readAllBytes(file));
              return file;
            }));
      }
      start.countDown();
      for (Future<Path> result : results) {
        assertTrue(Files.isRegularFile(result.get()));
      }
    }
    assertOneFile(results.getFirst().get());
  }
}
