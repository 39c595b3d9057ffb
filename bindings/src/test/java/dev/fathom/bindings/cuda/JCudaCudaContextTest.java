package dev.fathom.bindings.cuda;

/** Contexts through JCuda. */
class JCudaCudaContextTest extends CudaContextContract {

  @Override
  CudaDriver open() throws Exception {
    return DriverChoice.openJCuda();
  }
}
