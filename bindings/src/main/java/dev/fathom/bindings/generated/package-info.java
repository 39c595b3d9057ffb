/**
 * The functions, structs and constants of kernels/include/fathom.h, as jextract binds them. Written by
 * scripts/generate-bindings; not to be edited.
 */
@NullMarked
package dev.fathom.bindings.generated;

import org.jspecify.annotations.NullMarked;
