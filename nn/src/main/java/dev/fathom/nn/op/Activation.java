package dev.fathom.nn.op;

/** What an operator applies to its sums. */
public enum Activation {
  /** The identity. */
  NONE,
  /** max(x, 0). */
  RELU,
  /** The exact GELU, x (1 + erf(x / sqrt 2)) / 2. */
  GELU,
  /** 1 / (1 + exp(-x)). */
  SIGMOID
}
