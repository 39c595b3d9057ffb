/** Tensors in native memory, who owns them, and the plan that lets inference reuse them. */
@NullMarked
package dev.fathom.nn.tensor;

import org.jspecify.annotations.NullMarked;
