package dev.fathom.bindings.cuda;

/** The driver through the JDK alone. */
class PanamaCudaDriverTest extends CudaDriverContract {

  @Override
  CudaDriver open() {
    return new PanamaCudaDriver();
  }
}
