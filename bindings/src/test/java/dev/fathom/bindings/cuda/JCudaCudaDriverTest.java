package dev.fathom.bindings.cuda;

/** The driver through JCuda. */
class JCudaCudaDriverTest extends CudaDriverContract {

  @Override
  CudaDriver open() throws Exception {
    return DriverChoice.openJCuda();
  }
}
