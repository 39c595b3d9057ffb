package dev.fathom.bindings.cuda;

/**
 * Work that was captured by {@link CudaStream#capture}: launches with the arguments that they had,
 * copies and fills. What these use must be open and in its place at every launch.
 */
public final class CudaGraph extends CudaResource {

  private final long handle;

  CudaGraph(CudaContext context, long handle) {
    super(context);
    this.handle = handle;
  }

  /** Gives all of the work to a stream, which may be another than the one captured. */
  public void launch(CudaStream stream) {
    driver().graphLaunch(handle, stream.handle());
  }

  @Override
  String what() {
    return "graph";
  }

  @Override
  void release(CudaDriver driver) {
    driver.graphExecDestroy(handle);
  }
}
