/** The published checkpoints: what there is, where it lies, fetching it, and what is here. */
@NullMarked
package dev.fathom.training.weights;

import org.jspecify.annotations.NullMarked;
