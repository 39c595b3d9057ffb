package dev.fathom.nn.cuda;

import dev.fathom.nn.op.Scalar;
import java.lang.foreign.ValueLayout;

/** The float64 number at the beginning of what a kernel wrote. */
record CudaScalar(Results.Result result) implements Scalar {

  @Override
  public double get() {
    return result.read().get(ValueLayout.JAVA_DOUBLE, 0);
  }
}
