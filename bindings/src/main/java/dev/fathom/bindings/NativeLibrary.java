package dev.fathom.bindings;

import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The native CPU library, loaded once per process and never unloaded.
 *
 * <p>It is looked for in this order:
 *
 * <ol>
 *   <li>the file that the system property {@code fathom.library} names; then nothing else is tried;
 *   <li>the folders of {@code java.library.path};
 *   <li>the class path: the resource {@code dev/fathom/native/<os>-<arch>/libfathom.so} of the
 *       fathom-kernels jar, copied to a private folder named by its SHA-256 under {@code
 *       fathom.cache}, or {@code $XDG_CACHE_HOME/fathom}, or {@code ~/.cache/fathom}; where neither
 *       of the latter two can be written, to a temporary folder.
 * </ol>
 *
 * <p>Whatever is found must have the ABI and the version of this jar. The library is loaded by
 * {@link #load()}, or by the first native function that is called, and not before. The JVM needs
 * {@code --enable-native-access=ALL-UNNAMED}.
 */
public final class NativeLibrary {

  /** Where a library came from. */
  public enum Source {
    /** The system property fathom.library. */
    PROPERTY("system property fathom.library"),
    /** A folder of java.library.path. */
    LIBRARY_PATH("java.library.path"),
    /** The fathom-kernels jar, or its classes folder. */
    CLASS_PATH("class path");

    private final String label;

    Source(String label) {
      this.label = label;
    }

    @Override
    public String toString() {
      return label;
    }
  }

  private static final Object LOCK = new Object();
  // The outcome, whichever it was: a failure is remembered as well as a success.
  private static volatile @Nullable NativeLibrary loaded;
  private static volatile @Nullable FathomLoadException failure;

  private final Source source;
  private final Path path;
  private final String origin;
  private final String version;
  private final int abiVersion;
  private final SymbolLookup symbols;

  NativeLibrary(
      Source source,
      Path path,
      String origin,
      String version,
      int abiVersion,
      SymbolLookup symbols) {
    this.source = source;
    this.path = path;
    this.origin = origin;
    this.version = version;
    this.abiVersion = abiVersion;
    this.symbols = symbols;
  }

  /**
   * The library, loaded by the first call.
   *
   * @throws FathomLoadException if it cannot be loaded; later calls throw the same exception
   */
  public static NativeLibrary load() {
    NativeLibrary library = loaded;
    return library != null ? library : loadOnce();
  }

  // The failure is kept so that each use says the same, with the trace of the first.
  @SuppressWarnings("StaticAssignmentOfThrowable")
  private static NativeLibrary loadOnce() {
    synchronized (LOCK) {
      NativeLibrary library = loaded;
      if (library != null) {
        return library;
      }
      FathomLoadException known = failure;
      if (known != null) {
        throw known;
      }
      try {
        library = new LibraryLoader(LibraryLoader.Environment.current()).load(Arena.global());
      } catch (FathomLoadException e) {
        failure = e;
        throw e;
      }
      loaded = library;
      return library;
    }
  }

  /**
   * The library's symbols, as the generated bindings look them up. To take the lookup loads
   * nothing; to look for the first symbol does.
   */
  public static SymbolLookup lookup() {
    return name -> load().symbols.find(name);
  }

  /** How it was found. */
  public Source source() {
    return source;
  }

  /** The file that was loaded; in the case of a temporary copy it is gone by now. */
  public Path path() {
    return path;
  }

  /** What the file is a copy of, a URL, or the file itself where it is no copy. */
  public String origin() {
    return origin;
  }

  /** The library's version, which is also the version of this jar. */
  public String version() {
    return version;
  }

  /** The version of the binary interface, FATHOM_ABI_VERSION. */
  public int abiVersion() {
    return abiVersion;
  }

  /** One line for people: version, ABI, file and how it was found. */
  @Override
  public String toString() {
    return "fathom " + version + " (ABI " + abiVersion + "), " + path + ", from the " + source;
  }
}
