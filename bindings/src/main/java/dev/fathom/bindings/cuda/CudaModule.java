package dev.fathom.bindings.cuda;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Compiled kernels, loaded into a context. */
public final class CudaModule extends CudaResource {

  private final long handle;
  private final Map<String, CudaKernel> kernels = new ConcurrentHashMap<>();

  CudaModule(CudaContext context, long handle) {
    super(context);
    this.handle = handle;
  }

  /**
   * A kernel, the same object each time.
   *
   * @param name its name in the module
   * @throws CudaException with {@link CudaException#NOT_FOUND} if there is none of that name
   */
  public CudaKernel kernel(String name) {
    requireOpen();
    CudaKernel known = kernels.get(name);
    return known != null ? known : kernels.computeIfAbsent(name, this::find);
  }

  private CudaKernel find(String name) {
    CudaDriver driver = driver();
    try {
      return new CudaKernel(this, name, driver.moduleGetFunction(handle, name));
    } catch (CudaException e) {
      throw e.of("kernel " + name);
    }
  }

  @Override
  String what() {
    return "module";
  }

  @Override
  void release(CudaDriver driver) {
    driver.moduleUnload(handle);
  }
}
