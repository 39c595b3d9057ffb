package dev.fathom.nn.cuda;

import dev.fathom.bindings.cuda.CudaGraph;
import dev.fathom.nn.op.Recording;

/** A CUDA graph. Its kernels know the scratch memory by address. */
final class GraphRecording implements Recording {

  private final Engine engine;
  private final CudaGraph graph;
  private final long scratchVersion;

  private GraphRecording(Engine engine, CudaGraph graph, long scratchVersion) {
    this.engine = engine;
    this.graph = graph;
    this.scratchVersion = scratchVersion;
  }

  static GraphRecording of(Engine engine, Runnable operators) {
    synchronized (engine) {
      CudaGraph graph = engine.stream().capture(operators);
      return new GraphRecording(engine, graph, engine.scratchVersion());
    }
  }

  @Override
  public boolean replay() {
    synchronized (engine) {
      if (engine.scratchVersion() != scratchVersion) {
        return false;
      }
      graph.launch(engine.stream());
      return true;
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
