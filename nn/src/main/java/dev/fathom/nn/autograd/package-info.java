/**
 * Reverse-mode differentiation: parameters with gradients, and a tape of how to go back. Plain Java
 * over the backend's operators; the backward kernels are operators like the others.
 */
@NullMarked
package dev.fathom.nn.autograd;

import org.jspecify.annotations.NullMarked;
