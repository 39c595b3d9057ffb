/**
 * Layers: parameters in the form a backend wants them, shape checks, and a forward pass written
 * once for every device.
 */
@NullMarked
package dev.fathom.nn.layer;

import org.jspecify.annotations.NullMarked;
