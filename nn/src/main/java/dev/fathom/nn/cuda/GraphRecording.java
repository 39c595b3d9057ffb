package dev.fathom.nn.cuda;

import dev.fathom.bindings.cuda.CudaException;
import dev.fathom.bindings.cuda.CudaGraph;
import dev.fathom.nn.op.Recording;
import org.jspecify.annotations.Nullable;

/**
 * A CUDA graph. Its kernels know the scratch memory by address.
 *
 * <p>Nothing is allocated while a stream is captured: it would be the graph's. So where operators
 * want more scratch memory than there is, the capture is given up, the memory made, and they are
 * captured again. Where the driver has no room for the graph, what is freed and unused goes back to
 * it before the second attempt, and without room then there is no graph.
 */
final class GraphRecording implements Recording {

  private final Engine engine;
  private final CudaGraph graph;
  private final long scratchVersion;

  private GraphRecording(Engine engine, CudaGraph graph, long scratchVersion) {
    this.engine = engine;
    this.graph = graph;
    this.scratchVersion = scratchVersion;
  }

  /** The operators as a graph; null if there is no room for it. */
  static @Nullable GraphRecording of(Engine engine, Runnable operators) {
    synchronized (engine) {
      boolean tidied = false;
      while (true) {
        try {
          CudaGraph graph = engine.capture(operators);
          return new GraphRecording(engine, graph, engine.scratchVersion());
        } catch (Engine.ScratchTooSmall e) {
          // Larger each time, and no larger than what the operators want: this comes to an end.
          if (!makes(engine, e.bytes())) {
            return null;
          }
        } catch (CudaException e) {
          if (e.code() != CudaException.OUT_OF_MEMORY) {
            throw e;
          }
          if (tidied) {
            return null;
          }
          tidied = true;
          engine.giveBackUnused();
        }
      }
    }
  }

  private static boolean makes(Engine engine, long scratchBytes) {
    try {
      var _ = engine.scratch(scratchBytes);
      return true;
    } catch (OutOfMemoryError e) {
      // Whoever calls the operators themselves is told.
      return false;
    }
  }

  @Override
  public boolean replay() {
    synchronized (engine) {
      if (engine.scratchVersion() != scratchVersion) {
        return false;
      }
      if (launch()) {
        return true;
      }
      engine.giveBackUnused();
      return launch();
    }
  }

  /** Whether there was room; the first launch of a graph brings it to the device. */
  private boolean launch() {
    try {
      graph.launch(engine.stream());
      return true;
    } catch (CudaException e) {
      if (e.code() != CudaException.OUT_OF_MEMORY) {
        throw e;
      }
      return false;
    }
  }

  @Override
  public void close() {
    synchronized (engine) {
      // It may be running.
      engine.stream().synchronize();
      graph.close();
    }
  }
}
