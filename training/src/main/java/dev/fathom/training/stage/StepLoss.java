package dev.fathom.training.stage;

import dev.fathom.nn.op.Scalar;
import java.util.List;

/**
 * A loss, or a part of one, that a device may still be computing.
 *
 * @param value what it is
 * @param parts the numbers of operators that it is made of; it is finite where they are
 */
record StepLoss(Scalar value, List<Scalar> parts) {

  StepLoss {
    parts = List.copyOf(parts);
  }

  /** The loss of one operator. */
  static StepLoss of(Scalar value) {
    return new StepLoss(value, List.of(value));
  }
}
