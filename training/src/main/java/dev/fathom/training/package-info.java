/** Placeholder. */
@NullMarked
package dev.fathom.training;

import org.jspecify.annotations.NullMarked;
