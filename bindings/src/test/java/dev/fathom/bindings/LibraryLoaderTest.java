package dev.fathom.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.Fixtures.Env;
import dev.fathom.bindings.NativeLibrary.Source;
import dev.fathom.bindings.generated.FathomNative;
import java.io.File;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where the library is looked for, in which order, and what is said when it is not there. */
class LibraryLoaderTest {

  private static final String FILE = Platform.current().libraryFile();
  private static final int ABI = FathomNative.FATHOM_ABI_VERSION();

  @TempDir Path folder;

  private Env env() {
    return new Env().property("fathom.cache", folder.resolve("cache"));
  }

  private Path realFile(String name) throws Exception {
    Path file = Files.createDirectories(folder.resolve(name)).resolve(FILE);
    return Files.write(file, Fixtures.realContent());
  }

  private static NativeLibrary load(Env env) {
    try (Arena arena = Arena.ofConfined()) {
      return env.loader().load(arena);
    }
  }

  private static FathomLoadException failure(Env env) {
    return assertThrows(FathomLoadException.class, () -> load(env));
  }

  private static void assertContains(String text, String... parts) {
    for (String part : parts) {
      assertTrue(text.contains(part), () -> "\"" + part + "\" is not in: " + text);
    }
  }

  @Test
  void propertyComesFirst() throws Exception {
    Path named = realFile("named");
    Path onPath = realFile("path");
    NativeLibrary library =
        load(
            env()
                .withRealResource()
                .property("fathom.library", named)
                .property("java.library.path", onPath.getParent()));
    assertEquals(Source.PROPERTY, library.source());
    assertEquals(named, library.path());
    assertEquals(named.toString(), library.origin());
    assertEquals(Fixtures.VERSION, library.version());
    assertEquals(ABI, library.abiVersion());
    assertContains(
        library.toString(), Fixtures.VERSION, "ABI " + ABI, named.toString(), "fathom.library");
  }

  @Test
  void libraryPathComesBeforeClassPath() throws Exception {
    Path onPath = realFile("path");
    String path = folder + File.pathSeparator + File.pathSeparator + onPath.getParent();
    NativeLibrary library = load(env().withRealResource().property("java.library.path", path));
    assertEquals(Source.LIBRARY_PATH, library.source());
    assertEquals(onPath, library.path());
    assertFalse(Files.exists(folder.resolve("cache")), "the class path was looked at");
  }

  @Test
  void classPathIsCopiedToTheCache() throws Exception {
    NativeLibrary library = load(env().withRealResource());
    assertEquals(Source.CLASS_PATH, library.source());
    assertEquals(Fixtures.realLibrary().toString(), library.origin());
    assertEquals(
        folder.resolve("cache").resolve(LibraryCache.sha256(Fixtures.realContent())).resolve(FILE),
        library.path());
  }

  @Test
  void nothingElseIsTriedForAProperty() throws Exception {
    Path missing = folder.resolve("missing.so");
    FathomLoadException e = failure(env().withRealResource().property("fathom.library", missing));
    assertEquals(1, e.attempts().size());
    assertContains(
        e.getMessage(), "nothing else was tried", missing + " is not a file", "leave it out");
  }

  @Test
  void everyAttemptIsListed() {
    Env env = env().property("java.library.path", folder);
    env.platform = Platform.of("Linux", "amd64", "libfathom.so", false);
    FathomLoadException e = failure(env);
    assertEquals(
        "cannot load libfathom.so "
            + Fixtures.VERSION
            + " for linux-x86_64:\n"
            + "  - system property fathom.library: not set\n"
            + "  - java.library.path: no libfathom.so in "
            + folder
            + "\n"
            + "  - class path: no dev/fathom/native/linux-x86_64/libfathom.so\n"
            + "      add fathom-kernels-"
            + Fixtures.VERSION
            + "-linux-x86_64.jar to the class path, or start with -Dfathom.library=<file>",
        e.getMessage());
    assertEquals(
        List.of("system property fathom.library", "java.library.path", "class path"),
        e.attempts().stream().map(FathomLoadException.Attempt::place).toList());
  }

  @Test
  void anEmptyLibraryPathIsSaidToBeEmpty() {
    assertContains(failure(env()).getMessage(), "java.library.path: names no folder");
  }

  @Test
  void muslIsNamed() {
    Env env = env();
    env.platform = Platform.of("Linux", "amd64", "libfathom.so", true);
    assertContains(
        failure(env).getMessage(),
        "linux-x86_64-musl",
        "musl libc",
        "make -C kernels",
        "fathom.library");
  }

  @Test
  void anUnsupportedPlatformIsNamed() {
    Env env = env();
    env.platform = Platform.of("Windows 11", "amd64", "fathom.dll", false);
    assertContains(
        failure(env).getMessage(),
        "cannot load fathom.dll",
        "windows-x86_64",
        "published for linux-x86_64 and linux-aarch64 only",
        "make -C kernels");
  }

  @Test
  void theLinkersReasonIsKept() throws Exception {
    Path garbage = Files.writeString(folder.resolve("garbage.so"), "no library ".repeat(100));
    FathomLoadException e = failure(env().property("fathom.library", garbage));
    assertContains(e.getMessage(), garbage + " cannot be loaded: ", "ELF");
  }

  @Test
  void anotherLibraryIsRefused() throws Exception {
    Path other = Fixtures.compile(folder, "int something_else(void) { return 1; }");
    FathomLoadException e = failure(env().property("fathom.library", other));
    assertContains(e.getMessage(), other.toString(), "another library", "fathom_abi_version");
  }

  @Test
  void anotherAbiIsRefused() throws Exception {
    Path other = Fixtures.compile(folder, Fixtures.HANDSHAKE.formatted(77, Fixtures.VERSION));
    FathomLoadException e = failure(env().property("fathom.library", other));
    assertContains(
        e.getMessage(),
        other + " is fathom " + Fixtures.VERSION + " (ABI 77)",
        "fathom-bindings is " + Fixtures.VERSION + " (ABI " + ABI + ")",
        "one version");
  }

  @Test
  void anotherVersionIsRefused() throws Exception {
    Path other = Fixtures.compile(folder, Fixtures.HANDSHAKE.formatted(ABI, "0.0.9-other"));
    FathomLoadException e = failure(env().property("fathom.library", other));
    assertContains(
        e.getMessage(), other + " is fathom 0.0.9-other", "fathom-bindings is " + Fixtures.VERSION);
  }

  @Test
  void aLibraryThatDoesNotFitIsPassedOver() throws Exception {
    Path old = Fixtures.compile(folder.resolve("old"), Fixtures.HANDSHAKE.formatted(ABI, "0.0.9"));
    Env env = env().property("java.library.path", old.getParent());
    assertContains(failure(env).getMessage(), old + " is fathom 0.0.9", "class path: no ");
    assertEquals(Source.CLASS_PATH, load(env.withRealResource()).source());
  }

  @Test
  void aLibraryOfThatNameInAClassPathMustFitToo() throws Exception {
    Path old = Fixtures.compile(folder.resolve("old"), Fixtures.HANDSHAKE.formatted(77, "9.9"));
    Env env = env();
    env.resources.put(env.platform.resource(), old.toUri().toURL());
    assertContains(failure(env).getMessage(), "class path: ", "fathom 9.9 (ABI 77)");
  }

  @Test
  void aTemporaryCopyIsDeletedOnceLoaded() throws Exception {
    Path blocked = Files.writeString(folder.resolve("home"), "a file where the home should be");
    Env env = new Env().withRealResource().property("user.home", blocked);
    NativeLibrary library = load(env);
    assertEquals(Source.CLASS_PATH, library.source());
    assertFalse(Files.exists(library.path()), "left behind: " + library.path());
    assertFalse(Files.exists(library.path().getParent()), "left behind: " + library.path());
  }

  @Test
  void whatIsPassedOverAndAnEarlyJdkAreLogged() throws Exception {
    Path old = Fixtures.compile(folder.resolve("old"), Fixtures.HANDSHAKE.formatted(ABI, "0.0.9"));
    Env env = env().withRealResource().property("java.library.path", old.getParent());
    env.jdk = Runtime.Version.parse("25.0.1");
    List<String> lines = new ArrayList<>();
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord entry) {
            lines.add(entry.getLevel() + " " + entry.getMessage());
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    Logger logger = Logger.getLogger("dev.fathom.bindings");
    logger.addHandler(handler);
    try {
      load(env);
    } finally {
      logger.removeHandler(handler);
    }
    assertEquals(2, lines.size(), lines::toString);
    assertContains(lines.get(0), "WARNING JDK 25.0.1", "JDK-8377811", "25.0.3");
    assertContains(lines.get(1), "WARNING passed over: java.library.path: ", "fathom 0.0.9");
  }
}
