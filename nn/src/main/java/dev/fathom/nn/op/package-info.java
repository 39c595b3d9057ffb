/**
 * The operators on raw tensors, one interface per family; {@link dev.fathom.nn.op.Backend} is their
 * sum. Callers have checked shapes; implementations compute.
 */
@NullMarked
package dev.fathom.nn.op;

import org.jspecify.annotations.NullMarked;
