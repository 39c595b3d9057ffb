/** Placeholder. */
@NullMarked
package dev.fathom.bindings;

import org.jspecify.annotations.NullMarked;
