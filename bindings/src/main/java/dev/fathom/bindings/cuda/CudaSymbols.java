package dev.fathom.bindings.cuda;

import dev.fathom.bindings.generated.FathomNative;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.Optional;

/** The driver's functions as method handles. Handles and device addresses are passed as longs. */
final class CudaSymbols {

  static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
  static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
  static final AddressLayout POINTER = FathomNative.C_POINTER;

  private CudaSymbols() {}

  /**
   * A function that returns a CUresult. One that the installed driver does not have is a function
   * that always fails with CUDA_ERROR_NOT_SUPPORTED, so that an older driver serves for the rest.
   *
   * @throws IllegalStateException if there is no driver at all
   */
  static MethodHandle handle(String name, MemoryLayout... parameters) {
    FunctionDescriptor descriptor = FunctionDescriptor.of(INT, parameters);
    Optional<MemorySegment> function = CudaLibrary.symbols().find(name);
    if (function.isPresent()) {
      // Never a critical call: even a launch may wait, when the stream's queue is full.
      return Linker.nativeLinker().downcallHandle(function.get(), descriptor);
    }
    MethodType type = descriptor.toMethodType();
    return MethodHandles.dropArguments(
        MethodHandles.constant(int.class, CudaException.NOT_SUPPORTED), 0, type.parameterList());
  }

  /** What a downcall threw: never the function itself, but for example a closed segment. */
  static RuntimeException unexpected(Throwable e) {
    if (e instanceof RuntimeException exception) {
      throw exception;
    }
    if (e instanceof Error error) {
      throw error;
    }
    throw new AssertionError("a downcall throws nothing else", e);
  }
}
