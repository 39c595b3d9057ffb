package dev.fathom.bindings;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/**
 * Operating system, processor and C library, as the native jars are named.
 *
 * @param name for example linux-x86_64, linux-aarch64, or linux-x86_64-musl where the C library is
 *     musl
 * @param libraryFile the library's file name there, for example libfathom.so
 */
record Platform(String name, String libraryFile) {

  static final String MUSL = "-musl";

  static Platform current() {
    return of(
        System.getProperty("os.name", ""),
        System.getProperty("os.arch", ""),
        System.mapLibraryName("fathom"),
        runsOnMusl());
  }

  static Platform of(String os, String arch, String libraryFile, boolean musl) {
    String system = os.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+.*", "");
    String processor =
        switch (arch.toLowerCase(Locale.ROOT)) {
          case "amd64", "x86_64", "x64" -> "x86_64";
          case "aarch64", "arm64" -> "aarch64";
          default -> arch.toLowerCase(Locale.ROOT);
        };
    return new Platform(system + "-" + processor + (musl ? MUSL : ""), libraryFile);
  }

  boolean isMusl() {
    return name.endsWith(MUSL);
  }

  /** Whether a native jar is built for it. */
  boolean isSupported() {
    return name.equals("linux-x86_64") || name.equals("linux-aarch64");
  }

  /** Where a native jar has its library. */
  String resource() {
    return "dev/fathom/native/" + name + "/" + libraryFile;
  }

  /** The C library of this process, seen from what is mapped into it. */
  private static boolean runsOnMusl() {
    Path maps = Path.of("/proc/self/maps");
    try {
      return Files.exists(maps) && Files.readString(maps).contains("ld-musl-");
    } catch (IOException e) {
      return false;
    }
  }
}
