package dev.fathom.bindings.cuda;

/** Contexts through the JDK alone. */
class PanamaCudaContextTest extends CudaContextContract {

  @Override
  CudaDriver open() {
    return new PanamaCudaDriver();
  }
}
