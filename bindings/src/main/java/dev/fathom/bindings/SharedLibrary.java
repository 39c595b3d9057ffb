package dev.fathom.bindings;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.fathom.bindings.generated.FathomNative;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.net.URL;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Libraries of others: opened with the dynamic linker's own reason, copied out of jars safely. */
public final class SharedLibrary {

  private static final System.Logger LOG = System.getLogger("dev.fathom.bindings");

  /**
   * A library of a jar, where the dynamic linker can read it. Close it once it is loaded: a copy in
   * a temporary folder is deleted then, what is mapped of it stays mapped.
   */
  public static final class Copy implements AutoCloseable {

    private final LibraryCache.Placed placed;

    private Copy(LibraryCache.Placed placed) {
      this.placed = placed;
    }

    /** The file. */
    public Path path() {
      return placed.file();
    }

    @Override
    public void close() {
      try {
        placed.discard();
      } catch (IOException e) {
        LOG.log(
            System.Logger.Level.WARNING, "cannot delete the temporary copy " + placed.file(), e);
      }
    }
  }

  private SharedLibrary() {}

  /**
   * Opens a library by name, as the dynamic linker finds it, or by path.
   *
   * @param library a file name such as libcuda.so.1, or an absolute path
   * @param arena how long it stays loaded
   * @throws IOException if it is not found or cannot be loaded; the message is the dynamic linker's
   */
  public static SymbolLookup open(String library, Arena arena) throws IOException {
    try {
      return library.indexOf('/') < 0
          ? SymbolLookup.libraryLookup(library, arena)
          : SymbolLookup.libraryLookup(Path.of(library), arena);
    } catch (IllegalArgumentException e) {
      throw new NotTaken(library, e);
    }
  }

  /**
   * Copies a library of the class path to the private cache folder that {@link NativeLibrary}
   * describes, unless the same content is there already.
   *
   * @param resource where it is
   * @param fileName the name that it is to have
   * @throws IOException if it cannot be read, or there is no folder that is safe to copy it to
   */
  public static Copy extract(URL resource, String fileName) throws IOException {
    byte[] content;
    try (InputStream in = resource.openStream()) {
      content = in.readAllBytes();
    }
    try {
      return new Copy(
          new LibraryCache(System::getProperty, System::getenv, LibraryLoader.effectiveUser())
              .place(content, LibraryCache.sha256(content), fileName));
    } catch (Rejection e) {
      throw new IOException(e.at(fileName).toString(), e);
    }
  }

  /**
   * A library that the dynamic linker does not take. Most machines have no GPU and nobody asks why,
   * so the linker is asked once somebody does: that takes a cold JVM some 15 ms.
   */
  private static final class NotTaken extends IOException {
    private static final long serialVersionUID = 1;

    private final String library;
    private transient @Nullable String message;

    NotTaken(String library, Throwable cause) {
      super(cause);
      this.library = library;
    }

    @Override
    public synchronized String getMessage() {
      if (message == null) {
        message = linkerMessage(library);
      }
      return message;
    }
  }

  /** Why the dynamic linker does not take a file, which SymbolLookup keeps to itself. */
  static String linkerMessage(String library) {
    Linker linker = Linker.nativeLinker();
    SymbolLookup libc = linker.defaultLookup();
    MethodHandle open =
        linker.downcallHandle(
            libc.findOrThrow("dlopen"), FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_INT));
    MethodHandle error =
        linker.downcallHandle(
            libc.findOrThrow("dlerror"), FunctionDescriptor.of(FathomNative.C_POINTER));
    try (Arena call = Arena.ofConfined()) {
      MemorySegment handle = (MemorySegment) open.invokeExact(call.allocateFrom(library), 1);
      MemorySegment text = (MemorySegment) error.invokeExact();
      if (handle.address() != 0 || text.address() == 0) {
        return "unknown reason";
      }
      String message = text.getString(0);
      String prefix = library + ": ";
      return message.startsWith(prefix) ? message.substring(prefix.length()) : message;
    } catch (Throwable e) {
      throw new AssertionError("dlopen and dlerror do not throw", e);
    }
  }
}
