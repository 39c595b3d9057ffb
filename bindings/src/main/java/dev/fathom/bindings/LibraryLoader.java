package dev.fathom.bindings;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.fathom.bindings.FathomLoadException.Attempt;
import dev.fathom.bindings.NativeLibrary.Source;
import dev.fathom.bindings.generated.FathomNative;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Looks for the library in the places that {@link NativeLibrary} lists, and opens it. */
final class LibraryLoader {

  private static final System.Logger LOG = System.getLogger("dev.fathom.bindings");
  private static final Linker LINKER = Linker.nativeLinker();
  private static final Pattern HASH = Pattern.compile("[0-9a-f]{64}");

  /**
   * What the search depends on.
   *
   * @param property system properties
   * @param variable environment variables
   * @param resource resources of the class path
   * @param platform where the process runs
   * @param version the version of this jar
   * @param jdk the running JDK
   */
  record Environment(
      Function<String, @Nullable String> property,
      Function<String, @Nullable String> variable,
      Function<String, @Nullable URL> resource,
      Platform platform,
      String version,
      Runtime.Version jdk) {

    static Environment current() {
      return new Environment(
          System::getProperty,
          System::getenv,
          LibraryLoader.class.getClassLoader()::getResource,
          Platform.current(),
          jarVersion(),
          Runtime.version());
    }

    private static String jarVersion() {
      Properties properties = new Properties();
      try (InputStream in = LibraryLoader.class.getResourceAsStream("version.properties")) {
        if (in == null) {
          throw new IllegalStateException("fathom-bindings has no version.properties");
        }
        properties.load(in);
      } catch (IOException e) {
        throw new UncheckedIOException("fathom-bindings: version.properties", e);
      }
      return properties.getProperty("version", "unknown");
    }
  }

  private final Environment environment;
  private final String libraryFile;
  private final List<Attempt> attempts = new ArrayList<>();

  LibraryLoader(Environment environment) {
    this.environment = environment;
    this.libraryFile = environment.platform().libraryFile();
  }

  /**
   * Finds and opens the library.
   *
   * @param arena how long the library stays loaded
   */
  NativeLibrary load(Arena arena) {
    requireNativeAccess();
    JdkCheck.warning(environment.jdk())
        .ifPresent(line -> LOG.log(System.Logger.Level.WARNING, line));
    NativeLibrary library = fromProperty(arena);
    if (library == null) {
      library = fromLibraryPath(arena);
    }
    if (library == null) {
      library = fromClassPath(arena);
    }
    if (library == null) {
      throw failure(
          "cannot load "
              + libraryFile
              + " "
              + environment.version()
              + " for "
              + environment.platform().name()
              + ":");
    }
    LOG.log(System.Logger.Level.DEBUG, library.toString());
    return library;
  }

  private FathomLoadException failure(String summary) {
    return new FathomLoadException(summary, attempts);
  }

  private @Nullable NativeLibrary fromProperty(Arena arena) {
    String place = Source.PROPERTY.toString();
    String value = environment.property().apply("fathom.library");
    if (value == null || value.isEmpty()) {
      attempts.add(new Attempt(place, "not set", ""));
      return null;
    }
    try {
      Path file = Path.of(value).toAbsolutePath();
      if (!Files.isRegularFile(file)) {
        throw new Rejection(
            file + " is not a file",
            "correct -Dfathom.library, or leave it out to have the library looked for");
      }
      return open(file, Source.PROPERTY, file.toString(), arena);
    } catch (Rejection e) {
      attempts.add(e.at(place));
      throw failure("cannot load the library that fathom.library names; nothing else was tried:");
    }
  }

  private @Nullable NativeLibrary fromLibraryPath(Arena arena) {
    String place = Source.LIBRARY_PATH.toString();
    String value = environment.property().apply("java.library.path");
    List<String> without = new ArrayList<>();
    for (String folder : (value == null ? "" : value).split(File.pathSeparator, -1)) {
      // An empty entry would mean the current folder, whatever that is.
      if (folder.isEmpty()) {
        continue;
      }
      Path file = Path.of(folder, libraryFile).toAbsolutePath();
      if (!Files.isRegularFile(file)) {
        without.add(folder);
        continue;
      }
      try {
        return open(file, Source.LIBRARY_PATH, file.toString(), arena);
      } catch (Rejection e) {
        Attempt attempt = e.at(place);
        attempts.add(attempt);
        LOG.log(System.Logger.Level.WARNING, "passed over: " + attempt);
      }
    }
    if (!without.isEmpty()) {
      attempts.add(
          new Attempt(place, "no " + libraryFile + " in " + String.join(", ", without), ""));
    } else if (attempts.size() == 1) {
      attempts.add(new Attempt(place, "names no folder", ""));
    }
    return null;
  }

  private @Nullable NativeLibrary fromClassPath(Arena arena) {
    Platform platform = environment.platform();
    URL resource = environment.resource().apply(platform.resource());
    try {
      if (resource == null) {
        throw notOnClassPath(platform);
      }
      byte[] content = read(resource);
      LibraryCache.Placed placed =
          new LibraryCache(environment.property(), environment.variable(), effectiveUser())
              .place(content, hash(content), libraryFile);
      try {
        return open(placed.file(), Source.CLASS_PATH, resource.toString(), arena);
      } finally {
        discard(placed);
      }
    } catch (Rejection e) {
      attempts.add(e.at(Source.CLASS_PATH.toString()));
      return null;
    }
  }

  private Rejection notOnClassPath(Platform platform) {
    String missing = "no " + platform.resource();
    String build =
        "build the library on this system (make -C kernels) and start with"
            + " -Dfathom.library=<that file>";
    if (platform.isMusl()) {
      return new Rejection(
          missing + "; this JVM runs on musl libc and the published libraries need glibc", build);
    }
    if (!platform.isSupported()) {
      return new Rejection(
          missing + "; a library is published for linux-x86_64 and linux-aarch64 only", build);
    }
    return new Rejection(
        missing,
        "add fathom-kernels-"
            + environment.version()
            + "-"
            + platform.name()
            + ".jar to the class path, or start with -Dfathom.library=<file>");
  }

  /**
   * The content's SHA-256: as the build left it beside the library, since computing it takes a JVM
   * that has just started as long as everything else here together.
   */
  private String hash(byte[] content) throws Rejection {
    URL resource = environment.resource().apply(environment.platform().resource() + ".sha256");
    if (resource != null) {
      String hash = new String(read(resource), StandardCharsets.US_ASCII).strip();
      if (HASH.matcher(hash).matches()) {
        return hash;
      }
    }
    return LibraryCache.sha256(content);
  }

  private static byte[] read(URL resource) throws Rejection {
    try (InputStream in = resource.openStream()) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new Rejection("cannot read " + resource + ": " + e, "replace the damaged jar");
    }
  }

  private static void discard(LibraryCache.Placed placed) {
    try {
      placed.discard();
    } catch (IOException e) {
      LOG.log(System.Logger.Level.WARNING, "cannot delete the temporary copy " + placed.file(), e);
    }
  }

  /** Opens a library if it fits this jar; one that does not is unloaded again. */
  private NativeLibrary open(Path file, Source source, String origin, Arena arena)
      throws Rejection {
    try (Arena probe = Arena.ofConfined()) {
      SymbolLookup symbols;
      try {
        symbols = SymbolLookup.libraryLookup(file, probe);
      } catch (IllegalArgumentException e) {
        throw new Rejection(
            file + " cannot be loaded: " + SharedLibrary.linkerMessage(file.toString()),
            "a library for this system is needed, in a folder from which programs may run");
      }
      int abi = callForInt(find(symbols, "fathom_abi_version", file));
      String version = callForText(find(symbols, "fathom_version", file));
      int wantedAbi = FathomNative.FATHOM_ABI_VERSION();
      if (abi != wantedAbi || !version.equals(environment.version())) {
        throw new Rejection(
            file
                + " is fathom "
                + version
                + " (ABI "
                + abi
                + "), fathom-bindings is "
                + environment.version()
                + " (ABI "
                + wantedAbi
                + ")",
            "use the library and the jar of one version");
      }
      return new NativeLibrary(
          source, file, origin, version, abi, SymbolLookup.libraryLookup(file, arena));
    }
  }

  private static MemorySegment find(SymbolLookup symbols, String name, Path file) throws Rejection {
    return symbols
        .find(name)
        .orElseThrow(() ->
            new Rejection(
                file + " is another library: it has no function " + name,
                "take it away from there, or give the right file with -Dfathom.library"));
  }

  /** Makes a restricted call of no effect, so that a JVM that denies them is told apart early. */
  private void requireNativeAccess() {
    try {
      LINKER.downcallHandle(FunctionDescriptor.ofVoid());
    } catch (IllegalCallerException e) {
      Module module = LibraryLoader.class.getModule();
      String name = module.isNamed() ? module.getName() : "ALL-UNNAMED";
      throw failure(
          "this JVM was started without native access for the Fathom bindings: add"
              + " --enable-native-access="
              + name
              + " to its arguments");
    }
  }

  static int effectiveUser() throws Rejection {
    return callForInt(
        LINKER
            .defaultLookup()
            .find("geteuid")
            .orElseThrow(() ->
                new Rejection(
                    "this system has no users as POSIX knows them",
                    "start with -Dfathom.library=<file>")));
  }

  private static int callForInt(MemorySegment function) {
    MethodHandle handle = LINKER.downcallHandle(function, FunctionDescriptor.of(JAVA_INT));
    try {
      return (int) handle.invokeExact();
    } catch (Throwable e) {
      throw new AssertionError("a function without parameters cannot fail", e);
    }
  }

  private static String callForText(MemorySegment function) {
    MethodHandle handle =
        LINKER.downcallHandle(function, FunctionDescriptor.of(FathomNative.C_POINTER));
    try {
      return ((MemorySegment) handle.invokeExact()).getString(0);
    } catch (Throwable e) {
      throw new AssertionError("a function without parameters cannot fail", e);
    }
  }
}
