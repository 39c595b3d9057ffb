package dev.fathom.bindings.cuda.jcuda;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import jcuda.NativePointerObject;
import jcuda.Pointer;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUfunction;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUmemoryPool;
import jcuda.driver.CUmodule;
import jcuda.driver.CUstream;

/**
 * JCuda's handles as numbers and back. JCuda keeps the number in a private field that its native
 * code reads and writes; there is no public way to it.
 */
final class Handles {

  private static final VarHandle NATIVE_POINTER;

  static {
    try {
      NATIVE_POINTER =
          MethodHandles.privateLookupIn(NativePointerObject.class, MethodHandles.lookup())
              .findVarHandle(NativePointerObject.class, "nativePointer", long.class);
    } catch (ReflectiveOperationException e) {
      throw new LinkageError("this is not JCuda 12: " + e.getMessage(), e);
    }
  }

  private Handles() {}

  static long number(NativePointerObject handle) {
    return (long) NATIVE_POINTER.get(handle);
  }

  static <T extends NativePointerObject> T set(T handle, long number) {
    NATIVE_POINTER.set((NativePointerObject) handle, number);
    return handle;
  }

  static CUdevice device(int device) {
    return set(new CUdevice(), device);
  }

  static CUdeviceptr deviceMemory(long address) {
    return set(new CUdeviceptr(), address);
  }

  static Pointer host(MemorySegment segment) {
    return host(segment.address());
  }

  static Pointer host(long address) {
    return set(new Pointer(), address);
  }

  static CUstream stream(long stream) {
    return set(new CUstream(), stream);
  }

  static CUevent event(long event) {
    return set(new CUevent(), event);
  }

  static CUmodule module(long module) {
    return set(new CUmodule(), module);
  }

  static CUfunction function(long function) {
    return set(new CUfunction(), function);
  }

  static CUmemoryPool pool(long pool) {
    return set(new CUmemoryPool(), pool);
  }

  static CUgraph graph(long graph) {
    return set(new CUgraph(), graph);
  }

  static CUgraphExec graphExec(long graphExec) {
    return set(new CUgraphExec(), graphExec);
  }
}
