package dev.fathom.bindings.cuda;

import dev.fathom.bindings.SharedLibrary;
import dev.fathom.bindings.generated.FathomNative;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/**
 * A vendor's library: its functions, all of which return a status, its texts for these, and the
 * objects that it made. Not thread-safe.
 */
final class VendorSymbols {

  /** An object of the library, and what destroys it. */
  private record Made(MemorySegment object, String destroy) {}

  private final Deque<Made> made = new ArrayDeque<>();
  private final MemorySegment result = Arena.ofAuto().allocate(FathomNative.C_POINTER);
  private final String file;
  private final SymbolLookup symbols;
  private final MethodHandle statusText;

  private VendorSymbols(String file, SymbolLookup symbols, String statusText) throws IOException {
    this.file = file;
    this.symbols = symbols;
    this.statusText =
        Linker.nativeLinker()
            .downcallHandle(
                find(statusText),
                FunctionDescriptor.of(FathomNative.C_POINTER, ValueLayout.JAVA_INT));
  }

  /**
   * Opens the first of some libraries that is there, for the rest of the process.
   *
   * @param files names or paths, the preferred one first
   * @param statusText the function that describes a status
   * @throws IOException if none is, with the reason of the first
   */
  static VendorSymbols open(List<String> files, String statusText) throws IOException {
    IOException first = null;
    for (String file : files) {
      SymbolLookup symbols;
      try {
        symbols = SharedLibrary.open(file, Arena.global());
      } catch (IOException e) {
        first = first == null ? new IOException(file + ": " + e.getMessage(), e) : first;
        continue;
      }
      return new VendorSymbols(file, symbols, statusText);
    }
    throw first == null ? new IOException("no library was named") : first;
  }

  /** The library's file name. */
  String file() {
    return file;
  }

  private MemorySegment find(String name) throws IOException {
    return symbols.find(name).orElseThrow(() -> new IOException(file + " has no function " + name));
  }

  MethodHandle handle(String name, MemoryLayout... parameters) throws IOException {
    return Linker.nativeLinker()
        .downcallHandle(find(name), FunctionDescriptor.of(ValueLayout.JAVA_INT, parameters));
  }

  /**
   * Throws for a status that is not 0.
   *
   * @throws CudaException with the library's text
   */
  void check(int status, String function) {
    if (status == 0) {
      return;
    }
    String text;
    try {
      text = ((MemorySegment) statusText.invokeExact(status)).getString(0);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
    throw new CudaException(function, status, "status " + status, text);
  }

  /** Calls a function with these arguments, unhurriedly, and checks its status. */
  void call(String function, MethodHandle handle, Object... arguments) {
    int status;
    try {
      status = (int) handle.invokeWithArguments(arguments);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
    check(status, function);
  }

  /**
   * Makes an object, for {@link #destroyAll} to destroy.
   *
   * @param function its first parameter is where it puts the object
   * @param destroy the function that takes it back
   * @param arguments the other parameters
   */
  MemorySegment create(String function, String destroy, MethodHandle create, Object... arguments) {
    Object[] all = new Object[arguments.length + 1];
    all[0] = result;
    System.arraycopy(arguments, 0, all, 1, arguments.length);
    call(function, create, all);
    MemorySegment object = result.get(FathomNative.C_POINTER, 0);
    made.push(new Made(object, destroy));
    return object;
  }

  /** Destroys what was made, the latest first. */
  void destroyAll() {
    while (!made.isEmpty()) {
      Made last = made.pop();
      try {
        call(last.destroy, handle(last.destroy, FathomNative.C_POINTER), last.object);
      } catch (IOException e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
