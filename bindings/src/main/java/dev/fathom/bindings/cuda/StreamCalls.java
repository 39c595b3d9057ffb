package dev.fathom.bindings.cuda;

import static dev.fathom.bindings.cuda.CudaSymbols.INT;
import static dev.fathom.bindings.cuda.CudaSymbols.LONG;
import static dev.fathom.bindings.cuda.CudaSymbols.POINTER;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Downcalls of the driver API: streams, events, graphs. Each returns a CUresult. */
final class StreamCalls {

  private static final MethodHandle STREAM_CREATE =
      CudaSymbols.handle("cuStreamCreate", POINTER, INT);
  private static final MethodHandle STREAM_DESTROY = CudaSymbols.handle("cuStreamDestroy_v2", LONG);
  private static final MethodHandle STREAM_SYNCHRONIZE =
      CudaSymbols.handle("cuStreamSynchronize", LONG);
  private static final MethodHandle STREAM_QUERY = CudaSymbols.handle("cuStreamQuery", LONG);
  private static final MethodHandle STREAM_WAIT_EVENT =
      CudaSymbols.handle("cuStreamWaitEvent", LONG, LONG, INT);
  private static final MethodHandle EVENT_CREATE =
      CudaSymbols.handle("cuEventCreate", POINTER, INT);
  private static final MethodHandle EVENT_DESTROY = CudaSymbols.handle("cuEventDestroy_v2", LONG);
  private static final MethodHandle EVENT_RECORD = CudaSymbols.handle("cuEventRecord", LONG, LONG);
  private static final MethodHandle EVENT_SYNCHRONIZE =
      CudaSymbols.handle("cuEventSynchronize", LONG);
  private static final MethodHandle EVENT_QUERY = CudaSymbols.handle("cuEventQuery", LONG);
  private static final MethodHandle EVENT_ELAPSED_TIME =
      CudaSymbols.handle("cuEventElapsedTime", POINTER, LONG, LONG);
  private static final MethodHandle STREAM_BEGIN_CAPTURE =
      CudaSymbols.handle("cuStreamBeginCapture_v2", LONG, INT);
  private static final MethodHandle STREAM_END_CAPTURE =
      CudaSymbols.handle("cuStreamEndCapture", LONG, POINTER);
  private static final MethodHandle STREAM_IS_CAPTURING =
      CudaSymbols.handle("cuStreamIsCapturing", LONG, POINTER);
  private static final MethodHandle GRAPH_INSTANTIATE_WITH_FLAGS =
      CudaSymbols.handle("cuGraphInstantiateWithFlags", POINTER, LONG, LONG);
  private static final MethodHandle GRAPH_LAUNCH = CudaSymbols.handle("cuGraphLaunch", LONG, LONG);
  private static final MethodHandle GRAPH_EXEC_DESTROY =
      CudaSymbols.handle("cuGraphExecDestroy", LONG);
  private static final MethodHandle GRAPH_DESTROY = CudaSymbols.handle("cuGraphDestroy", LONG);

  private StreamCalls() {}

  static int streamCreate(MemorySegment stream, int flags) {
    try {
      return (int) STREAM_CREATE.invokeExact(stream, flags);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int streamDestroy(long stream) {
    try {
      return (int) STREAM_DESTROY.invokeExact(stream);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int streamSynchronize(long stream) {
    try {
      return (int) STREAM_SYNCHRONIZE.invokeExact(stream);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int streamQuery(long stream) {
    try {
      return (int) STREAM_QUERY.invokeExact(stream);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int streamWaitEvent(long stream, long event, int flags) {
    try {
      return (int) STREAM_WAIT_EVENT.invokeExact(stream, event, flags);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int eventCreate(MemorySegment event, int flags) {
    try {
      return (int) EVENT_CREATE.invokeExact(event, flags);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int eventDestroy(long event) {
    try {
      return (int) EVENT_DESTROY.invokeExact(event);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int eventRecord(long event, long stream) {
    try {
      return (int) EVENT_RECORD.invokeExact(event, stream);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int eventSynchronize(long event) {
    try {
      return (int) EVENT_SYNCHRONIZE.invokeExact(event);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int eventQuery(long event) {
    try {
      return (int) EVENT_QUERY.invokeExact(event);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int eventElapsedTime(MemorySegment milliseconds, long start, long end) {
    try {
      return (int) EVENT_ELAPSED_TIME.invokeExact(milliseconds, start, end);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int streamBeginCapture(long stream, int mode) {
    try {
      return (int) STREAM_BEGIN_CAPTURE.invokeExact(stream, mode);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int streamEndCapture(long stream, MemorySegment graph) {
    try {
      return (int) STREAM_END_CAPTURE.invokeExact(stream, graph);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int streamIsCapturing(long stream, MemorySegment status) {
    try {
      return (int) STREAM_IS_CAPTURING.invokeExact(stream, status);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int graphInstantiateWithFlags(MemorySegment graphExec, long graph, long flags) {
    try {
      return (int) GRAPH_INSTANTIATE_WITH_FLAGS.invokeExact(graphExec, graph, flags);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int graphLaunch(long graphExec, long stream) {
    try {
      return (int) GRAPH_LAUNCH.invokeExact(graphExec, stream);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int graphExecDestroy(long graphExec) {
    try {
      return (int) GRAPH_EXEC_DESTROY.invokeExact(graphExec);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }

  static int graphDestroy(long graph) {
    try {
      return (int) GRAPH_DESTROY.invokeExact(graph);
    } catch (Throwable e) {
      throw CudaSymbols.unexpected(e);
    }
  }
}
